"""The ledger of runs (`extraction_windows`), and the records that were rejected."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from metastudio.destination.connection import TenantTables, make_batches
from metastudio.records.schema import WINDOWS, WINDOWS_TABLE, TenantKey

_COMPLETENESS = """
WITH runs AS (
    SELECT
        max(finished_at) AS finished_at,
        max(CASE WHEN mode IN ('rescan', 'reread') THEN 1 ELSE 0 END) AS rescanned,
        max(CASE WHEN mode = 'changes' AND complete THEN 1 ELSE 0 END) AS changed,
        sum(CASE WHEN mode = 'changes' AND NOT complete THEN 1 ELSE 0 END) AS unproved_changes,
        sum(CASE WHEN mode <> 'changes' AND NOT complete THEN 1 ELSE 0 END) AS unproved_others
    FROM {{windows}}
    WHERE {own}
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
"""The rules of the model `sync_health`, in portable SQL; a test compares the two."""


def make_ledger(windows: Sequence[Any], tenant: TenantKey, run_id: str, first_window: int) -> dict[str, Sequence[Any]]:
    """Return the columns of `extraction_windows`, with one line for each window.

    Args:
        windows: objects with the columns of the table as attributes.
        first_window: the number of the first window within the run.
    """
    size = len(windows)
    columns: dict[str, Sequence[Any]] = {
        "run_id": [run_id] * size,
        "window": range(first_window, first_window + size),
        "project_id": [tenant.project_id] * size,
        "app_user_id": [tenant.app_user_id] * size,
    }
    for name in WINDOWS_TABLE.names:
        if name not in columns:
            columns[name] = [getattr(window, name) for window in windows]
    return columns


class Ledger(TenantTables):
    """The ledger of a tenant's runs."""

    def add_windows(self, columns: Mapping[str, Sequence[Any]]) -> bool:
        """Insert lines without a load package. Return False if that is not possible."""
        if not self.capabilities.takes_inserts:
            return False
        with self.connect() as client:
            names = ", ".join(client.escape_column_name(name) for name in columns)
            marks = ", ".join(["%s"] * len(columns))
            for line in zip(*columns.values(), strict=True):
                client.execute_sql(
                    f"INSERT INTO {client.make_qualified_table_name(WINDOWS)} ({names}) VALUES ({marks})", *line
                )
        return True

    def last_runs(self, number: int) -> list[dict[str, Any]]:
        """Return the newest runs of the ledger."""
        names = ("run_id", "mode", "windows", "rows_read", "requests", "complete", "finished_at")
        rows = self.query(
            "SELECT run_id, min(mode), count(*), cast(sum(rows_read) AS bigint), cast(sum(requests) AS bigint),"
            f" min(CASE WHEN complete THEN 1 ELSE 0 END), max(finished_at) FROM {{windows}} WHERE {self._own}"
            f" GROUP BY run_id ORDER BY max(finished_at) DESC LIMIT {number}",
            *self._params,
        )
        return [{**dict(zip(names, row, strict=True)), "complete": bool(row[5])} for row in rows]

    def completeness(self) -> tuple[datetime | None, int]:
        """Return the end of the last complete sync, and the unproved windows of the last run."""
        rows = self.query(_COMPLETENESS.format(own=self._own), *self._params)
        synced_at, incomplete = rows[0] if rows else (None, None)
        return synced_at, int(incomplete or 0)

    def known_rejected(self, record_hashes: Collection[str]) -> set[str]:
        """Return which of these records are in `rejected_records` already."""
        known: set[str] = set()
        for batch, marks in make_batches(sorted(record_hashes)):
            rows = self.query(
                f"SELECT record_hash FROM {{rejected}} WHERE project_id = %s AND record_hash IN ({marks})",
                self.project_id,
                *batch,
            )
            known |= {record_hash for (record_hash,) in rows}
        return known
