"""The audit: an asset beside the raw tables, which it proves equal to the API or mends; each materialisation says what differed."""

# Without `from __future__ import annotations`: Dagster looks at the type of an asset's context.

from collections.abc import Iterator
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, AssetSpec, MaterializeResult, multi_asset

from metastudio.commands.load import run_audit
from metastudio.commands.result import LoadResult
from metastudio.orchestration.results import DagsterProgress, describe_run, raise_for_error
from metastudio.orchestration.tenant_names import MAINTENANCE_GROUP, TenantNames


def make_audit(lane: TenantNames) -> AssetsDefinition:
    """Make the asset that stands for the audits of a lane's tables."""
    spec = AssetSpec(
        lane.key("audit"),
        deps=[lane.key("api")],
        description="Compares the raw tables with the API by counts, mends what differs and marks the jobs that vanished.",
        group_name=MAINTENANCE_GROUP,
        kinds={"dlt", lane.options.destination},
        skippable=True,
    )

    @multi_asset(name=lane.name("audit"), specs=[spec], pool=lane.pool)
    def audit(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        """Prove the raw tables equal to the API, or mend them."""
        watcher = DagsterProgress(context)
        outcome = run_audit(lane.options, watcher, repair=True)
        if raise_for_error(context, outcome.error):
            yield MaterializeResult(metadata={**describe_run(outcome.summary, watcher), **describe_findings(outcome)})

    return audit


def describe_findings(outcome: LoadResult) -> dict[str, int]:
    """Say what differed before it was mended, as metadata."""
    assert outcome.audit is not None
    findings = outcome.audit.findings
    return {
        "missing": len(findings.missing),
        "other_state": len(findings.other_state),
        "marked_deleted": outcome.summary.marked_deleted,
    }
