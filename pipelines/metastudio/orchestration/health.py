"""How fresh and whole a tenant's tables are: from the model `sync_health`, or from the ledger where that is not built.

Of a project that is synced for several app users, the model tells of the worst of them, the ledger of the tenant's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from metastudio.commands.models import is_current
from metastudio.pipeline.factory import open_existing
from metastudio.pipeline.options import Options
from metastudio.reporting.dbt_profile import find_adapter
from metastudio.reporting.model_version import Models


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
    destination, _ = open_existing(options)
    models = Models(destination)
    if find_adapter(destination.pipeline) is not None and is_current(models):
        sql = "SELECT last_complete_sync_at, incomplete_windows, rejected_records FROM {sync_health} WHERE project_id = %s"
        found = models.query(sql, destination.project_id)[1]
        synced_at, incomplete, rejected = found[0] if found else (None, 0, 0)
    else:
        synced_at, incomplete = destination.completeness()
        rejected = destination.count_rows("rejected_records")
    return Health(synced_at and synced_at.astimezone(UTC), int(incomplete or 0), int(rejected))
