"""Assets beside the raw tables, which their runs repair: the audit and the monthly backfill."""

# Without `from __future__ import annotations`: Dagster inspects the annotation of `context`.

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    MaterializeResult,
    MonthlyPartitionsDefinition,
    multi_asset,
)

from metastudio.commands.load import run_audit, run_backfill
from metastudio.commands.result import LoadResult
from metastudio.config.settings import Settings
from metastudio.orchestration.results import DagsterProgress, describe_run, raise_for_error
from metastudio.orchestration.tenant_names import MAINTENANCE_GROUP, TenantNames
from metastudio.timestamps import parse_user_time, start_of_month


def make_audit(names: TenantNames) -> AssetsDefinition:
    """Return the asset for audits of a tenant's raw tables."""
    spec = _make_spec(
        names,
        "audit",
        "Compares the raw tables with the API by counts, repairs differences and marks jobs that the"
        " API no longer lists as deleted.",
    )

    @multi_asset(name=names.name("audit"), specs=[spec], pool=names.pool)
    def audit(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        """Audit the raw tables and repair differences."""
        progress = DagsterProgress(context)
        result = run_audit(names.options, progress, repair=True)
        if raise_for_error(context, result.error):
            yield MaterializeResult(metadata={**describe_run(result.summary, progress), **describe_findings(result)})

    return audit


def describe_findings(result: LoadResult) -> dict[str, int]:
    """Return the differences before the repair, as metadata."""
    assert result.audit is not None
    findings = result.audit.findings
    return {
        "not_loaded": len(findings.missing),
        "other_state": len(findings.other_state),
        "marked_deleted": result.summary.marked_deleted,
    }


def make_backfill(names: TenantNames) -> AssetsDefinition:
    """Return the asset for backfills of a tenant's raw tables, with a partition per month."""
    spec = _make_spec(
        names,
        "backfill",
        "Reads the jobs created in some months again, into the raw tables. The watermark stays."
        " Run it for changes that an audit cannot see, or after a setting changed what is stored."
        " Several months are read in one run.",
    )

    @multi_asset(
        name=names.name("backfill"),
        specs=[spec],
        partitions_def=make_months(names.settings),
        backfill_policy=BackfillPolicy.single_run(),
        pool=names.pool,
    )
    def backfill(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        """Read the jobs of the selected months again."""
        since, until = make_range(*context.partition_time_window, now=datetime.now(UTC))
        progress = DagsterProgress(context)
        result = run_backfill(names.options, progress, since, until)
        if raise_for_error(context, result.error):
            yield MaterializeResult(metadata=describe_run(result.summary, progress))

    return backfill


def make_months(settings: Settings) -> MonthlyPartitionsDefinition:
    """Return a partition for each month from `start_date`, the start of a sync, to now."""
    start = start_of_month(parse_user_time(settings.start_date, "sources.metastudio.start_date"))
    return MonthlyPartitionsDefinition(start_date=start, timezone="UTC", end_offset=1)


def make_range(start: datetime, end: datetime, *, now: datetime) -> tuple[str, str | None]:
    """Return `since` (included) and `until` (excluded) of `metastudio backfill` for some months.

    `until` is None, which means now, if the last month has not ended.
    """
    return start.isoformat(), None if end > now else end.isoformat()


def _make_spec(names: TenantNames, name: str, description: str) -> AssetSpec:
    return AssetSpec(
        names.key(name),
        deps=[names.key("api")],
        description=description,
        group_name=MAINTENANCE_GROUP,
        kinds={"dlt", names.options.destination},
        skippable=True,
    )
