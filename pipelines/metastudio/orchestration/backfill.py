"""Months of creation times, read again when an operator asks for them: a partitioned asset beside the raw tables, which it loads into."""

# Without `from __future__ import annotations`: Dagster looks at the type of an asset's context.

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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

from metastudio.commands.load import run_backfill
from metastudio.config.settings import EVERYTHING, Settings
from metastudio.orchestration.results import DagsterProgress, describe_run, raise_for_error
from metastudio.orchestration.tenant_names import MAINTENANCE_GROUP, TenantNames
from metastudio.timestamps import parse_user_time

FIRST_MONTH = "2022-01-01"
"""Where the partitions begin without `start_date`: before the service took its first customers."""


def make_months(settings: Settings) -> MonthlyPartitionsDefinition:
    """Make a partition of each month from `start_date` on, the current one included."""
    given = FIRST_MONTH if settings.start_date == EVERYTHING else settings.start_date
    start = parse_user_time(given, "sources.metastudio.start_date").replace(day=1, hour=0, minute=0, second=0)
    return MonthlyPartitionsDefinition(start_date=start, timezone="UTC", end_offset=1)


def make_backfill(lane: TenantNames) -> AssetsDefinition:
    """Make the asset whose partitions are the months of a lane's jobs."""
    spec = AssetSpec(
        lane.key("backfill"),
        deps=[lane.key("api")],
        description="Reads jobs again by the month of their creation, into the raw tables; the watermark of the syncs stays."
        " For what an audit cannot see, or after a setting changed what is stored. Several months are read in one run.",
        group_name=MAINTENANCE_GROUP,
        kinds={"dlt", lane.options.destination},
        skippable=True,
    )

    @multi_asset(
        name=lane.name("backfill"),
        specs=[spec],
        partitions_def=make_months(lane.settings),
        backfill_policy=BackfillPolicy.single_run(),
        pool=lane.pool,
    )
    def backfill(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        """Read some months again."""
        since, until = make_range(*context.partition_time_window, now=datetime.now(UTC))
        watcher = DagsterProgress(context)
        outcome = run_backfill(lane.options, watcher, since, until)
        if raise_for_error(context, outcome.error):
            yield MaterializeResult(metadata=describe_run(outcome.summary, watcher))

    return backfill


def make_range(start: datetime, end: datetime, *, now: datetime) -> tuple[str, str | None]:
    """Give the first and last second of some months, as `metastudio backfill` takes them; None where the end is yet to come."""
    return start.isoformat(), None if end > now else (end - timedelta(seconds=1)).isoformat()
