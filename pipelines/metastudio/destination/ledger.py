"""The ledger of runs (`extraction_windows`), and the records that were rejected."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from metastudio.destination.connection import TenantTables, make_batches
from metastudio.records.schema import WINDOWS_TABLE, TenantKey

_RUNS = """
WITH costliest_ways AS (
    SELECT
        run_id,
        max({window}) AS last_window,
        max(CASE mode WHEN 'reread' THEN 2 WHEN 'rescan' THEN 1 ELSE 0 END) AS costliest_way
    FROM {{windows}}
    WHERE {own}
    GROUP BY run_id
),

runs AS (
    SELECT
        lines.run_id,
        min(mode) AS mode,
        count(*) AS windows,
        cast(sum(rows_read) AS bigint) AS rows_read,
        cast(sum(requests) AS bigint) AS requests,
        min(started_at) AS started_at,
        max(finished_at) AS finished_at,
        max(CASE WHEN costliest_way > 0 OR (mode = 'changes' AND complete) THEN 1 ELSE 0 END) AS reached_end,
        sum(
            CASE
                WHEN complete THEN 0
                WHEN mode = 'changes' AND costliest_way = 0 THEN 1
                WHEN mode = 'rescan' AND costliest_way = 1 AND reason IS NULL THEN 1
                WHEN mode IN ('changes', 'rescan', 'gap', 'scrub') THEN 0
                WHEN reason IS NULL THEN 1
                ELSE 0
            END
        ) AS incomplete,
        coalesce(max(CASE WHEN {window} = last_window THEN open_gaps END), 0) AS gaps,
        coalesce(max(CASE WHEN {window} = last_window THEN missing END), 0) AS missing
    FROM {{windows}} AS lines
    INNER JOIN costliest_ways ON costliest_ways.run_id = lines.run_id
    WHERE {own}
    GROUP BY lines.run_id
)
"""
"""The rules of the model `sync_health`, in portable SQL; a test compares the two."""

_COMPLETENESS = f"""
{_RUNS}
SELECT
    (SELECT max(finished_at) FROM runs WHERE reached_end = 1 AND incomplete = 0),
    (SELECT max(finished_at) FROM runs WHERE reached_end = 1 AND incomplete = 0 AND gaps = 0),
    incomplete,
    gaps,
    missing
FROM runs
ORDER BY finished_at DESC, started_at DESC, run_id
LIMIT 1
"""

_LAST_RUNS = f"""
{_RUNS}
SELECT
    run_id, mode, windows, rows_read, requests,
    CASE WHEN incomplete = 0 AND gaps = 0 THEN 1 ELSE 0 END,
    finished_at
FROM runs
ORDER BY finished_at DESC, started_at DESC, run_id
LIMIT {{number}}
"""


class Completeness(NamedTuple):
    """How complete the tables are.

    Attributes:
        synced_at: the end of the last run that read all changes.
        complete_at: the end of the last such run that left no gap open.
        incomplete_windows: windows of the last run that are neither proved complete nor gaps.
        gaps: gaps that are open after the last run.
        missing: jobs that are missing in them, at least.
    """

    synced_at: datetime | None = None
    complete_at: datetime | None = None
    incomplete_windows: int = 0
    gaps: int = 0
    missing: int = 0


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

    def has_read_through(self, since: datetime, until: datetime, after: datetime) -> bool:
        """Return whether a scan begun after `after` read the changes from `since` to `until`."""
        rows = self.query(
            f"SELECT 1 FROM {{windows}} WHERE {self._own} AND mode = 'changes' AND complete"
            " AND since <= %s AND until >= %s AND started_at > %s LIMIT 1",
            *self._params,
            since,
            until,
            after,
        )
        return bool(rows)

    def last_runs(self, number: int) -> list[dict[str, Any]]:
        """Return the newest runs of the ledger.

        A run is complete if the most expensive way of reading that it used was proved and no gap is
        open.
        """
        names = ("run_id", "mode", "windows", "rows_read", "requests", "complete", "finished_at")
        rows = self._query_runs(_LAST_RUNS, number=number)
        return [{**dict(zip(names, row, strict=True)), "complete": bool(row[5])} for row in rows]

    def completeness(self) -> Completeness:
        """Return how complete the tables are, by the lines of all runs."""
        rows = self._query_runs(_COMPLETENESS)
        if not rows:
            return Completeness()
        synced_at, complete_at, *figures = rows[0]
        return Completeness(synced_at, complete_at, *(int(figure) for figure in figures))

    def _query_runs(self, sql: str, **values: int) -> list[Any]:
        with self.connect() as client:
            window = client.escape_column_name("window")
        return self.query(sql.format(own=self._own, window=window, **values), *self._params, *self._params)

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
