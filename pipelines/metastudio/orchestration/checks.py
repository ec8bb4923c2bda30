"""Checks of the raw tables after each sync, and on their own after a failed one.

The check of completeness blocks: the models are not updated while something may be missing.
"""

# Without `from __future__ import annotations`: Dagster inspects the annotation of `context`.

from collections.abc import Iterator
from datetime import UTC, datetime

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
    multi_asset_check,
)

from metastudio.error_mapping import to_metastudio_error
from metastudio.formatting import format_seconds
from metastudio.orchestration.results import raise_for_error
from metastudio.orchestration.tenant_names import TenantNames
from metastudio.pipeline.factory import open_existing
from metastudio.pipeline.options import Options
from metastudio.records.schema import REJECTED, VIDEOS
from metastudio.reporting.health import describe_completeness, describe_freshness, describe_rejected
from metastudio.reporting.model_version import Row

ERROR_AFTER_LIMITS = 4
"""Stale tables are a warning, and an error from this multiple of the limit on."""


def make_checks(names: TenantNames) -> AssetChecksDefinition:
    """Return the checks of a tenant's raw tables."""
    limit = names.settings.stale_after_seconds

    @multi_asset_check(
        name=names.name("health"), specs=list(_make_specs(names, limit)), can_subset=True, pool=names.pool
    )
    def check(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        """Check the raw tables of the tenant."""
        try:
            health = find_health(names.options)
        except Exception as error:
            raise_for_error(context, to_metastudio_error(error))
            return
        results = (
            check_freshness(health, limit),
            check_completeness(health, names.settings.max_missing),
            check_rejected(health),
        )
        for spec in sorted(context.selected_asset_check_keys):
            result = next(result for result in results if result.check_name == spec.name)
            yield result._replace(asset_key=spec.asset_key)

    return check


def _make_specs(names: TenantNames, limit_seconds: float) -> Iterator[AssetCheckSpec]:
    yield AssetCheckSpec(
        "freshness",
        asset=names.key(VIDEOS),
        description=f"The last sync that read all changes ended at most {format_seconds(limit_seconds)} ago"
        f" (`stale_after_seconds`); {ERROR_AFTER_LIMITS} times that is an error.",
    )
    yield AssetCheckSpec(
        "completeness",
        asset=names.key(VIDEOS),
        blocking=True,
        description="A sync reached its end, and the last run left nothing unproved and no gap open. The models wait for"
        " that. Gaps that `max_missing` accepts are a warning, and the models do not wait for them.",
    )
    yield AssetCheckSpec(
        "rejected",
        asset=names.key(REJECTED),
        description="No record was rejected. Delete rows of `rejected_records` once you have looked at them.",
    )


def find_health(options: Options) -> Row:
    """Read the health of a tenant's tables from the ledger, which needs no models.

    Raises:
        ConfigurationError: nothing was synced yet, or the destination cannot be opened.
    """
    destination, _ = open_existing(options)
    completeness = destination.completeness()
    ended_at = completeness.synced_at
    return {
        "last_sync_at": ended_at,
        "last_complete_sync_at": completeness.complete_at,
        "freshness_seconds": ended_at and max((datetime.now(UTC) - ended_at).total_seconds(), 0.0),
        "incomplete_windows": completeness.incomplete_windows,
        "gaps": completeness.gaps,
        "missing": completeness.missing,
        "rejected_records": destination.count_rows(REJECTED),
    }


def check_freshness(health: Row, limit_seconds: float) -> AssetCheckResult:
    """Check how long ago the last sync that read all changes ended."""
    age, ended_at = health["freshness_seconds"], health["last_sync_at"]
    is_error = age is None or age > ERROR_AFTER_LIMITS * limit_seconds
    return AssetCheckResult(
        check_name="freshness",
        passed=age is not None and age <= limit_seconds,
        severity=AssetCheckSeverity.ERROR if is_error else AssetCheckSeverity.WARN,
        description=describe_freshness(health, limit_seconds).sentence,
        metadata={
            "limit_seconds": limit_seconds,
            **({"age_seconds": round(age, 1)} if age is not None else {}),
            **({"last_sync_at": MetadataValue.timestamp(ended_at)} if ended_at else {}),
        },
    )


def check_completeness(health: Row, max_missing: int = 0) -> AssetCheckResult:
    """Check whether anything may be missing. Accepted gaps are a warning, which does not block."""
    is_complete, sentence, _ = describe_completeness(health)
    is_accepted = health["gaps"] and not health["incomplete_windows"] and health["missing"] <= max_missing
    return AssetCheckResult(
        check_name="completeness",
        passed=is_complete,
        severity=AssetCheckSeverity.WARN if is_accepted else AssetCheckSeverity.ERROR,
        description=sentence,
        metadata={name: health[name] for name in ("incomplete_windows", "gaps", "missing")},
    )


def check_rejected(health: Row) -> AssetCheckResult:
    """Check whether records were rejected."""
    is_good, sentence, _ = describe_rejected(health)
    return AssetCheckResult(
        check_name="rejected",
        passed=is_good,
        severity=AssetCheckSeverity.WARN,
        description=sentence,
        metadata={"rejected_records": health["rejected_records"]},
    )
