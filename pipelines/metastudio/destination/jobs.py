"""What the destination holds of a tenant's jobs: the questions of the extraction's `LoadedJobs`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from metastudio.destination.connection import BATCH, make_batches
from metastudio.destination.dlt_internals import read_column_types
from metastudio.destination.ledger import Ledger
from metastudio.records.parser import TERMINAL_STATES, Row
from metastudio.records.schema import VIDEOS

_FIELDS = [name for name in Row._fields if name not in ("updated", "extra")]


class Destination(Ledger):
    """The raw tables of one tenant."""

    def column_types(self) -> dict[str, str]:
        """Return the dlt types of all columns of the jobs' table, whoever added them."""
        return read_column_types(self.pipeline, VIDEOS)

    def rows(self, jobs: Sequence[tuple[str, datetime]]) -> list[dict[str, Any]]:
        """Return the rows of jobs. JSON comes as text or parsed, by destination."""
        marks = ", ".join(["%s"] * len(jobs))
        names, rows = self.query_named(
            f"SELECT * FROM {{videos}} WHERE project_id = %s AND job_id IN ({marks})",
            self.project_id,
            *(job_id for job_id, _ in jobs),
        )
        return [
            dict(zip(map(str.lower, names), row, strict=True)) for row in rows
        ]  # some destinations answer in capitals

    def changed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that are not loaded exactly as here; unknown fields do not count."""
        loaded: set[tuple[Any, ...]] = set()
        for batch, marks in make_batches(rows):
            loaded |= set(
                self.query(
                    f"SELECT {', '.join(_FIELDS)} FROM {{videos}}"
                    f" WHERE {self._own} AND deleted_at IS NULL AND job_id IN ({marks})",
                    *self._params,
                    *(row.job_id for row in batch),
                )
            )
        return [row for row in rows if row[: len(_FIELDS)] not in loaded]

    def already_loaded(self, rows: Sequence[Row]) -> bool:
        """Return whether loading these rows would change nothing; compare a page at most."""
        return len(rows) <= BATCH and not any(row.extra for row in rows) and not self.changed(rows)

    def open_jobs(self, before: datetime) -> list[tuple[str, datetime | None]]:
        """Return job_id and create_time of the open jobs not known to be created later."""
        terminal = ", ".join(f"'{state}'" for state in sorted(TERMINAL_STATES))
        rows = self.query(
            f"SELECT job_id, create_time FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL"
            f" AND (state IS NULL OR state NOT IN ({terminal})) AND (create_time < %s OR create_time IS NULL)",
            *self._params,
            before,
        )
        return [(job_id, created and created.astimezone(UTC)) for job_id, created in rows]

    def inversion(self) -> int | None:
        """Return the place of the first job, newest update first, created after the one before."""
        newest = "OVER (ORDER BY coalesce(lastupdate_time, create_time) DESC, create_time DESC)"
        rows = self.query(
            f"SELECT place FROM (SELECT row_number() {newest} AS place, create_time, lag(create_time) {newest} AS above"
            f" FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL) AS ordered"
            " WHERE create_time > above ORDER BY place LIMIT 1",
            *self._params,
        )
        return int(rows[0][0]) - 1 if rows else None

    def counts(self, since: datetime | None = None) -> dict[str | None, int]:
        """Return the number of live jobs by state; with `since`, not of those known to be older."""
        condition, params = ("", ()) if since is None else (" AND (create_time >= %s OR create_time IS NULL)", (since,))
        rows = self.query(
            f"SELECT state, count(*) FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL{condition} GROUP BY state",
            *self._params,
            *params,
        )
        return {state: int(number) for state, number in rows}

    def states(self, since: datetime, before: datetime) -> dict[str, str | None]:
        """Return the state of each live job created in [since, before), by job_id."""
        rows = self.query(
            f"SELECT job_id, state FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL"
            " AND create_time >= %s AND create_time < %s",
            *self._params,
            since,
            before,
        )
        return dict(rows)

    def nth_created(self, before: datetime, place: int) -> datetime | None:
        """Return the create_time of the n-th live job before a time, newest first."""
        rows = self.query(
            f"SELECT create_time FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL AND create_time < %s"
            f" ORDER BY create_time DESC LIMIT 1 OFFSET {place - 1}",
            *self._params,
            before,
        )
        return rows[0][0].astimezone(UTC) if rows else None
