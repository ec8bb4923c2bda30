"""The jobs of a tenant in the destination: the extraction's `LoadedJobs`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, NamedTuple

import dlt

from metastudio.destination.connection import find_short_name, make_batches
from metastudio.destination.dlt_internals.tables import read_column_types, read_known_columns
from metastudio.destination.ledger import Ledger
from metastudio.records.parser import TERMINAL_STATES, Row
from metastudio.records.schema import VIDEOS

EXACT_ROWS = 100_000
"""Up to this number of rows, every sync counts doubled rows and states. It takes 0.1 s."""

_FIELDS = [name for name in Row._fields if name not in ("updated", "extra")]
MAX_COMPARED = 1_000
"""Up to this number of rows, a comparison costs less than a load package."""
_JOB_ID = _FIELDS.index("job_id")
_LIVE = "deleted_at IS NULL AND (create_time >= %s OR create_time IS NULL)"
_VERSION = "coalesce(jobs.lastupdate_time, jobs.create_time)"


class Extent(NamedTuple):
    """The size of a tenant's table of jobs.

    Attributes:
        rows: the number of rows.
        live: those not marked as deleted, created since the start_date or at an unknown time.
        older: those not marked as deleted that show an earlier creation.
        newest_update: the latest update among all rows.
    """

    rows: int
    live: int
    older: int
    newest_update: datetime | None


class Columns(NamedTuple):
    """The columns of the jobs' table, as the destination has them.

    Attributes:
        types: the dlt types of those that a pipeline has added.
        foreign: those that somebody else added. They are neither read nor written.
    """

    types: dict[str, str]
    foreign: AbstractSet[str]


class Destination(Ledger):
    """The raw tables of one tenant."""

    _extent: Extent | None = None

    def extent(self, since: datetime) -> Extent:
        """Return the size of the table of jobs. It is read again only after `forget_extent`.

        Args:
            since: the start_date, before which a job counts as older.
        """
        if self._extent is None:
            ((*figures, newest),) = self.query(
                f"SELECT count(*), count(CASE WHEN {_LIVE} THEN 1 END), count(CASE WHEN deleted_at IS NULL THEN 1 END),"
                f" max({_VERSION}) FROM {{videos}} AS jobs WHERE {self._own}",
                since,
                *self._params,
            ) or [(0, 0, 0, None)]
            rows, live, live_in_all = map(int, figures)
            self._extent = Extent(rows, live, live_in_all - live, newest and newest.astimezone(UTC))
        return self._extent

    def forget_extent(self) -> None:
        """Forget the size of the table, because rows were loaded."""
        self._extent = None

    def has_rows(self, table: str) -> bool:
        """Return whether a table has a row of the tenant; in the states, one of its project."""
        own, params = self.own_rows(table)
        return bool(self.query(f"SELECT 1 FROM {{{find_short_name(table)}}} WHERE {own} LIMIT 1", *params))

    def holds_any(self, job_ids: Sequence[str]) -> bool:
        """Return whether the project has a row of one of these jobs; for DuckDB only.

        The IDs are sent as one text: DuckDB takes 9 s for a list of 50,000, 0.07 s for the text.
        """
        sql = "SELECT 1 FROM {videos} WHERE project_id = %s AND job_id IN (SELECT unnest(string_split(%s, chr(0))))"
        return bool(self.query(f"{sql} LIMIT 1", self.project_id, "\0".join(job_ids)))

    def books(self, since: datetime, expected: int | None) -> tuple[int, int, int]:
        """Return the figures of the extraction's `Books`: live and older jobs, and doubled rows.

        In a large table, doubled rows are counted only if it has more live rows than `expected`.
        """
        extent = self.extent(since)
        if extent.rows > EXACT_ROWS and (expected is None or extent.live <= expected):
            return extent.live, extent.older, 0
        ((jobs, live),) = self.query(
            "SELECT count(*), coalesce(sum(is_live), 0) FROM"
            f" (SELECT max(CASE WHEN {_LIVE} THEN 1 ELSE 0 END) AS is_live FROM {{videos}} WHERE {self._own}"
            " GROUP BY job_id) AS jobs",
            since,
            *self._params,
        ) or [(0, 0)]
        return int(live), extent.older, extent.rows - int(jobs)

    def doubled(self) -> list[tuple[str, datetime | None]]:
        """Return the jobs with several rows.

        Each has its job_id and create_time; the time is None if no row is live.
        """
        rows = self.query(
            "SELECT job_id, max(CASE WHEN deleted_at IS NULL THEN create_time END) FROM {videos}"
            f" WHERE {self._own} GROUP BY job_id HAVING count(*) > 1",
            *self._params,
        )
        return [(job_id, created and created.astimezone(UTC)) for job_id, created in rows]

    def newest_rows(self, job_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return one row of each job: its newest live row, or its newest row if none is live."""
        newest: dict[str, dict[str, Any]] = {}
        for batch, _ in make_batches(job_ids):
            for row in sorted(self.rows(batch), key=_rank):
                newest[row["job_id"]] = row
        return list(newest.values())

    def count_new(self, job_ids: Sequence[str]) -> int:
        """Count the jobs that have no live row."""
        held = 0
        for batch, marks in make_batches(job_ids):
            sql = f"SELECT count(DISTINCT job_id) FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL"
            rows = self.query(f"{sql} AND job_id IN ({marks})", *self._params, *batch)
            held += int(rows[0][0]) if rows else 0
        return len(job_ids) - held

    def add_lost_states(self, jobs: int) -> int:
        """Add the current state of jobs whose history of states was lost; return their number.

        Args:
            jobs: the number of rows of jobs; a large table is compared only if the history has
                fewer rows.
        """
        if not self.capabilities.takes_inserts:
            return 0
        held = int(self.query("SELECT count(*) FROM {states} WHERE project_id = %s", self.project_id)[0][0])
        if jobs > EXACT_ROWS and held >= jobs:
            return 0
        lost = (
            f"FROM {{videos}} AS jobs WHERE {self._own} AND state IS NOT NULL AND {_VERSION} IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM {states} AS states WHERE states.project_id = jobs.project_id"
            f" AND states.job_id = jobs.job_id AND states.state = jobs.state AND states.lastupdate_time = {_VERSION})"
        )
        number = int(self.query(f"SELECT count(DISTINCT job_id) {lost}", *self._params)[0][0])
        if number:
            columns = "project_id, job_id, state"
            self.execute(
                f"INSERT INTO {{states}} ({columns}, lastupdate_time) SELECT DISTINCT {columns}, {_VERSION} {lost}",
                *self._params,
            )
        return number

    def columns(self, schema: dlt.Schema) -> Columns:
        """Return the columns of the jobs' table: those of pipelines, and those of others."""
        types = read_column_types(self, VIDEOS)
        known = read_known_columns(self, schema, VIDEOS) if types else set()
        return Columns({name: types[name] for name in types if name in known}, types.keys() - known)

    def rows(self, job_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of jobs. JSON is text or parsed, depending on the destination."""
        marks = ", ".join(["%s"] * len(job_ids))
        names, rows = self.query_named(
            f"SELECT * FROM {{videos}} WHERE project_id = %s AND job_id IN ({marks})",
            self.project_id,
            *job_ids,
        )
        names = [name.lower() for name in names]  # some destinations answer in capitals
        return [dict(zip(names, row, strict=True)) for row in rows]

    def changed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that differ from the loaded ones, or whose job is loaded twice.

        Unknown fields are not compared.
        """
        loaded: set[tuple[Any, ...]] = set()
        numbers: Counter[str] = Counter()
        for batch, marks in make_batches(rows):
            condition = f"{self._own} AND job_id IN ({marks})"
            if self.capabilities.is_duckdb_file:  # DuckDB would read all columns of all rows for a list of this length
                condition = f"rowid IN (SELECT rowid FROM {{videos}} WHERE {condition})"
            found = self.query(
                f"SELECT {', '.join(_FIELDS)}, deleted_at FROM {{videos}} WHERE {condition}",
                *self._params,
                *(row.job_id for row in batch),
            )
            numbers.update(row[_JOB_ID] for row in found)
            loaded |= {row[:-1] for row in found if row[-1] is None}
        return [row for row in rows if numbers[row.job_id] > 1 or row[: len(_FIELDS)] not in loaded]

    def already_loaded(self, rows: Sequence[Row]) -> bool:
        """Return whether loading these rows would change nothing.

        More than `MAX_COMPARED` rows are not compared: they are loaded.
        """
        return len(rows) <= MAX_COMPARED and not any(row.extra for row in rows) and not self.changed(rows)

    def open_jobs(self, before: datetime) -> list[tuple[str, datetime | None]]:
        """Return job_id and create_time of open jobs created before a time or at an unknown one."""
        terminal = ", ".join(f"'{state}'" for state in sorted(TERMINAL_STATES))
        rows = self.query(
            f"SELECT job_id, create_time FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL"
            f" AND (state IS NULL OR state NOT IN ({terminal})) AND (create_time < %s OR create_time IS NULL)",
            *self._params,
            before,
        )
        return [(job_id, created and created.astimezone(UTC)) for job_id, created in rows]

    def inversion(self) -> int | None:
        """Return the position, from 0, of the first job that was created after the job before it.

        The live jobs are ordered by update time, newest first. Return None if there is no such job.
        """
        newest = "OVER (ORDER BY coalesce(lastupdate_time, create_time) DESC, create_time DESC)"
        rows = self.query(
            f"SELECT place FROM (SELECT row_number() {newest} AS place, create_time, lag(create_time) {newest} AS above"
            f" FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL) AS ordered"
            " WHERE create_time > above ORDER BY place LIMIT 1",
            *self._params,
        )
        return int(rows[0][0]) - 1 if rows else None

    def counts(self, since: datetime | None = None) -> dict[str | None, int]:
        """Return the number of live jobs by state; `since` leaves out those known to be older."""
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
        """Return the create_time of the n-th live job before a time, newest first, or None."""
        rows = self.query(
            f"SELECT create_time FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL AND create_time < %s"
            f" ORDER BY create_time DESC LIMIT 1 OFFSET {place - 1}",
            *self._params,
            before,
        )
        return rows[0][0].astimezone(UTC) if rows else None


def _rank(row: dict[str, Any]) -> tuple[bool, bool, Any]:
    """Return the sort key for the rows of one job: the row to keep comes last."""
    updated = row["lastupdate_time"]
    return row["deleted_at"] is None, updated is not None, updated
