"""What is checked after each sync, and on its own after a failed one: freshness, completeness, rejected records.

Completeness blocks: while it is not proved that nothing is missing, the reporting models are not brought up to date.
"""

# Without `from __future__ import annotations`: Dagster looks at the type of a check's context.

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
from metastudio.formatting import format_count, format_seconds
from metastudio.orchestration.health import Health, read_health
from metastudio.orchestration.results import raise_for_error
from metastudio.orchestration.tenant_names import TenantNames
from metastudio.records.schema import REJECTED, VIDEOS

ERROR_AFTER_LIMITS = 4
"""Stale tables are a warning; from this many times the limit on they are an error."""


def make_checks(lane: TenantNames) -> AssetChecksDefinition:
    """Make the checks of a lane's raw tables."""
    limit = lane.settings.stale_after_seconds

    @multi_asset_check(name=lane.name("health"), specs=list(_make_specs(lane, limit)), can_subset=True, pool=lane.pool)
    def check(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        """Judge the tables of the tenant's project."""
        try:
            health = read_health(lane.options)
        except Exception as error:
            raise_for_error(context, to_metastudio_error(error))
            return
        results = (
            judge_freshness(health, limit, datetime.now(UTC)),
            judge_completeness(health),
            judge_rejected(health),
        )
        for spec in sorted(context.selected_asset_check_keys):
            result = next(result for result in results if result.check_name == spec.name)
            yield result._replace(asset_key=spec.asset_key)

    return check


def _make_specs(lane: TenantNames, limit_seconds: float) -> Iterator[AssetCheckSpec]:
    yield AssetCheckSpec(
        "freshness",
        asset=lane.key(VIDEOS),
        description=f"The last complete sync ended no longer than {format_seconds(limit_seconds)} ago (`stale_after_seconds`);"
        f" {ERROR_AFTER_LIMITS} times that is an error.",
    )
    yield AssetCheckSpec(
        "completeness",
        asset=lane.key(VIDEOS),
        blocking=True,
        description="A sync reached its end, and the last run proved every window whole. The models wait for it.",
    )
    yield AssetCheckSpec(
        "rejected",
        asset=lane.key(REJECTED),
        description="No record was rejected. Delete those rows of `rejected_records` that were looked at.",
    )


def judge_freshness(health: Health, limit_seconds: float, now: datetime) -> AssetCheckResult:
    """Judge how long ago the last complete sync ended."""
    age = health.age_seconds(now)
    late = age is None or age > ERROR_AFTER_LIMITS * limit_seconds
    synced = health.last_complete_sync_at
    return AssetCheckResult(
        check_name="freshness",
        passed=age is not None and age <= limit_seconds,
        severity=AssetCheckSeverity.ERROR if late else AssetCheckSeverity.WARN,
        description="No sync was complete yet."
        if age is None
        else f"The last complete sync ended {format_seconds(age)} ago.",
        metadata={
            "limit_seconds": limit_seconds,
            **({"age_seconds": round(age, 1)} if age is not None else {}),
            **({"last_complete_sync_at": MetadataValue.timestamp(synced)} if synced else {}),
        },
    )


def judge_completeness(health: Health) -> AssetCheckResult:
    """Judge whether it is proved that nothing is missing."""
    unproved = format_count(health.incomplete_windows, "window")
    return AssetCheckResult(
        check_name="completeness",
        passed=health.is_complete,
        severity=AssetCheckSeverity.ERROR,
        description="Every window was proved whole."
        if health.is_complete
        else "No sync reached its end yet."
        if not health.incomplete_windows
        else f"{unproved} of the last run could not be proved whole: see extraction_windows, and run a sync again.",
        metadata={"incomplete_windows": health.incomplete_windows},
    )


def judge_rejected(health: Health) -> AssetCheckResult:
    """Judge whether records had to be rejected."""
    return AssetCheckResult(
        check_name="rejected",
        passed=health.rejected_records == 0,
        severity=AssetCheckSeverity.WARN,
        description=f"{format_count(health.rejected_records, 'record')} rejected: see the column reason of rejected_records."
        if health.rejected_records
        else "No record was rejected.",
        metadata={"rejected_records": health.rejected_records},
    )
