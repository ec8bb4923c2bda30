"""How fresh and whole a tenant's tables are: from the model `sync_health`, or from the ledger where that is not built."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ..pipeline import Options, open_pipeline, open_synced
from ..reporting.connection import find_adapter
from ..reporting.models import Models
from ..reporting.upkeep import is_current

_FROM_LEDGER = """
WITH runs AS (
    SELECT
        max(finished_at) AS finished_at,
        max(CASE WHEN mode = 'rescan' THEN 1 ELSE 0 END) AS rescanned,
        max(CASE WHEN mode = 'changes' AND complete THEN 1 ELSE 0 END) AS changed,
        sum(CASE WHEN mode = 'changes' AND NOT complete THEN 1 ELSE 0 END) AS unproved_changes,
        sum(CASE WHEN mode <> 'changes' AND NOT complete THEN 1 ELSE 0 END) AS unproved_others
    FROM {windows}
    WHERE project_id = %s
    GROUP BY run_id
),

judged AS (
    SELECT
        finished_at,
        rescanned + changed > 0 AS reached_the_end,
        unproved_others + CASE WHEN rescanned = 1 THEN 0 ELSE unproved_changes END AS incomplete
    FROM runs
)

SELECT
    max(CASE WHEN reached_the_end AND incomplete = 0 THEN finished_at END),
    max(CASE WHEN finished_at = (SELECT max(finished_at) FROM judged) THEN incomplete ELSE 0 END)
FROM judged
"""
"""The same facts by the same rules as `sync_health.sql`; a test holds them together."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one tenant's tables."""

    last_complete_sync_at: datetime | None
    incomplete_windows: int
    rejected_records: int

    @property
    def is_complete(self) -> bool:
        """Whether a sync reached its end and the last run left no window unproved."""
        return self.last_complete_sync_at is not None and self.incomplete_windows == 0

    def age_seconds(self, now: datetime) -> float | None:
        """Give the seconds since the last complete sync, None before the first."""
        synced = self.last_complete_sync_at
        return None if synced is None else max((now - synced).total_seconds(), 0.0)


def read_health(options: Options) -> Health:
    """Read the health of a pipeline's tables.

    Raises:
        ConfigurationError: nothing was synced yet, or the destination cannot be opened.
    """
    destination, _ = open_synced(options)
    pipeline = open_pipeline(options)
    models = Models(pipeline)
    if find_adapter(pipeline) is not None and is_current(models):
        sql = "SELECT last_complete_sync_at, incomplete_windows, rejected_records FROM {sync_health} WHERE project_id = %s"
        found = models.query(sql, destination.project_id)[1]
        synced_at, incomplete, rejected = found[0] if found else (None, 0, 0)
    else:
        synced_at, incomplete = (destination.query(_FROM_LEDGER, destination.project_id) or [(None, 0)])[0]
        rejected = destination.count_rows("rejected_records")
    return Health(synced_at and synced_at.astimezone(UTC), int(incomplete or 0), int(rejected))
