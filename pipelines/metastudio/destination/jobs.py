"""What the destination holds, asked through dlt's SQL client: the extraction's `LoadedJobs`, and the counts that people are shown.

Answers of a destination without tables are those of empty ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

import dlt
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.schema.typing import LOADS_TABLE_NAME, PIPELINE_STATE_TABLE_NAME
from dlt.destinations.sql_client import SqlClientBase

from metastudio.records.parser import TERMINAL_STATES, Row
from metastudio.records.schema import REJECTED, STATES, VIDEOS, WINDOWS

Client = SqlClientBase[Any]
_TRIED = {"dlt.destinations.duckdb", "dlt.destinations.postgres"}
_COMPARED = 100
"""Number of rows that one query compares with what is held: a page."""
_FIELDS = [name for name in Row._fields if name not in ("updated", "extra")]

_TABLES = {
    "videos": VIDEOS,
    "states": STATES,
    "windows": WINDOWS,
    "rejected": REJECTED,
    "pipeline_state": PIPELINE_STATE_TABLE_NAME,
    "loads": LOADS_TABLE_NAME,
}


_COMPLETENESS = """
WITH runs AS (
    SELECT
        max(finished_at) AS finished_at,
        max(CASE WHEN mode = 'rescan' THEN 1 ELSE 0 END) AS rescanned,
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
"""By the rules of the model `sync_health`, in any database's SQL; a test holds the two together."""


class Destination:
    """The tables of one tenant in a pipeline's dataset: a project's, or what was synced there for one app user."""

    def __init__(
        self, pipeline: dlt.Pipeline | Callable[[], dlt.Pipeline], project_id: str = "", app_user_id: str | None = None
    ) -> None:
        self._given = pipeline
        self.project_id = project_id
        self._own = "project_id = %s" + (" AND app_user_id = %s" if app_user_id else "")
        self._params = (project_id, app_user_id) if app_user_id else (project_id,)
        self._client: Client | None = None

    @property
    def pipeline(self) -> dlt.Pipeline:
        return self._given if isinstance(self._given, dlt.Pipeline) else self._given()

    @contextmanager
    def keep_connection(self) -> Iterator[None]:
        """Ask over one connection meanwhile, where that is what costs: DuckDB rewrites its file whenever the last one closes."""
        if self.pipeline.destination.destination_type != "dlt.destinations.duckdb":
            yield
            return
        with self.pipeline.sql_client() as self._client:
            try:
                yield
            finally:
                self._client = None

    @contextmanager
    def connect(self) -> Iterator[Client]:
        """Give a client to ask with: the one that is open, or a new one."""
        if self._client is not None:
            yield self._client
            return
        with self.pipeline.sql_client() as client:
            yield client

    @property
    def table_format(self) -> Literal["delta"] | None:
        """The format of tables that are files: only in one like this can rows be replaced."""
        is_filesystem = self.pipeline.destination.destination_type == "dlt.destinations.filesystem"
        return "delta" if is_filesystem else None

    def column_types(self) -> dict[str, str]:
        """Give the dlt types of the columns that the table of jobs has by now, those that another pipeline added included."""
        from dlt.destinations.job_client_impl import SqlJobClientBase

        with self.pipeline.destination_client() as client:
            if not isinstance(client, SqlJobClientBase):
                return {}
            held = client.get_storage_table(VIDEOS)[1]
        return {name: column.get("data_type") or "text" for name, column in held.items()}

    def rows(self, jobs: Sequence[tuple[str, datetime]]) -> list[dict[str, Any]]:
        """Give the rows of jobs as they are held; what is JSON comes as text from some destinations, parsed from others."""
        marks = ", ".join(["%s"] * len(jobs))
        names, rows = self.query_named(
            f"SELECT * FROM {{videos}} WHERE project_id = %s AND job_id IN ({marks})",
            self.project_id,
            *(job_id for job_id, _ in jobs),
        )
        return [dict(zip(map(str.lower, names), row, strict=True)) for row in rows]  # some answer in capitals

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run a query over the raw tables, written as `{videos}`, `{windows}` and so on; absent tables give no rows."""
        return self.query_named(sql, *params)[1]

    def query_named(self, sql: str, *params: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a query as `query` does, and give the names of its columns too."""
        with self.connect() as client:
            names = {short: client.make_qualified_table_name(name) for short, name in _TABLES.items()}
            try:
                with client.execute_query(sql.format(**names), *params) as cursor:
                    return [column[0] for column in cursor.description], [tuple(row) for row in cursor.fetchall()]
            except DestinationUndefinedEntity:
                return [], []

    def changed(self, rows: Sequence[Row]) -> list[Row]:
        """Return those rows that are not held exactly as they are here; unknown fields do not count."""
        held: set[tuple[Any, ...]] = set()
        for start in range(0, len(rows), _COMPARED):
            batch = rows[start : start + _COMPARED]
            marks = ", ".join(["%s"] * len(batch))
            held |= set(
                self.query(
                    f"SELECT {', '.join(_FIELDS)} FROM {{videos}}"
                    f" WHERE {self._own} AND deleted_at IS NULL AND job_id IN ({marks})",
                    *self._params,
                    *(row.job_id for row in batch),
                )
            )
        return [row for row in rows if row[: len(_FIELDS)] not in held]

    def already_loaded(self, rows: Sequence[Row]) -> bool:
        """Return whether loading these rows would change nothing; more than a page is not compared."""
        return len(rows) <= _COMPARED and not any(row.extra for row in rows) and not self.changed(rows)

    def add_windows(self, columns: Mapping[str, Sequence[Any]]) -> bool:
        """Add lines to the ledger by themselves, without a load package; False where that is not known to work."""
        if self.pipeline.destination.destination_type not in _TRIED:
            return False
        with self.connect() as client:
            names = ", ".join(client.escape_column_name(name) for name in columns)
            marks = ", ".join(["%s"] * len(columns))
            for line in zip(*columns.values(), strict=True):
                client.execute_sql(
                    f"INSERT INTO {client.make_qualified_table_name(WINDOWS)} ({names}) VALUES ({marks})", *line
                )
        return True

    def count_rows(self, table: str) -> int:
        """Count the rows in a raw table: the tenant's, where the table says for whom was asked, else the project's."""
        short = next(short for short, name in _TABLES.items() if name == table)
        own, params = (self._own, self._params) if table in (VIDEOS, WINDOWS) else ("project_id = %s", self._params[:1])
        rows = self.query(f"SELECT count(*) FROM {{{short}}} WHERE {own}", *params)
        return int(rows[0][0]) if rows else 0

    def state_mark(self) -> tuple[int, str]:
        """Give version and hash of the pipeline's state that was committed here last; 0 and nothing where none was.

        As dlt sees it: a state whose load was killed before its end does not count.
        """
        rows = self.query(
            "SELECT version, version_hash FROM {pipeline_state} JOIN {loads} ON load_id = _dlt_load_id"
            " WHERE pipeline_name = %s AND status = 0 ORDER BY load_id DESC LIMIT 1",
            self.pipeline.pipeline_name,
        )
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")

    def migrate_app_user(self) -> None:
        """Write the app user into the rows of schema version 1, which had no column for it."""
        with self.connect() as client:
            for table in (VIDEOS, WINDOWS):
                name = client.make_qualified_table_name(table)
                client.execute_sql(f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS app_user_id varchar")
                client.execute_sql(f"UPDATE {name} SET app_user_id = %s WHERE project_id = %s", *reversed(self._params))

    def last_runs(self, number: int) -> list[dict[str, Any]]:
        """Give the newest runs of the ledger."""
        names = ("run_id", "mode", "windows", "rows_read", "requests", "complete", "finished_at")
        rows = self.query(
            "SELECT run_id, min(mode), count(*), cast(sum(rows_read) AS bigint), cast(sum(requests) AS bigint),"
            f" min(CASE WHEN complete THEN 1 ELSE 0 END), max(finished_at) FROM {{windows}} WHERE {self._own}"
            f" GROUP BY run_id ORDER BY max(finished_at) DESC LIMIT {number}",
            *self._params,
        )
        return [{**dict(zip(names, row, strict=True)), "complete": bool(row[5])} for row in rows]

    def completeness(self) -> tuple[datetime | None, int]:
        """Give the end of the last sync that was complete, and how many windows the last run left unproved."""
        rows = self.query(_COMPLETENESS.format(own=self._own), *self._params)
        synced_at, incomplete = rows[0] if rows else (None, None)
        return synced_at, int(incomplete or 0)

    def count_pending(self) -> int:
        """Count the load packages that a killed run left behind; the next run loads them."""
        return len(self.pipeline.list_extracted_load_packages()) + len(self.pipeline.list_normalized_load_packages())

    def open_jobs(self, before: datetime) -> list[tuple[str, datetime | None]]:
        """Give job_id and create_time of the live jobs created before a time, or at an unknown one, that are not settled."""
        settled = ", ".join(f"'{state}'" for state in sorted(TERMINAL_STATES))
        rows = self.query(
            f"SELECT job_id, create_time FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL"
            f" AND (state IS NULL OR state NOT IN ({settled})) AND (create_time < %s OR create_time IS NULL)",
            *self._params,
            before,
        )
        return [(job_id, created and created.astimezone(UTC)) for job_id, created in rows]

    def inversion(self) -> int | None:
        """Give the place, newest update first, of the first live job that was created after the one before it."""
        newest = "OVER (ORDER BY coalesce(lastupdate_time, create_time) DESC, create_time DESC)"
        rows = self.query(
            f"SELECT place FROM (SELECT row_number() {newest} AS place, create_time, lag(create_time) {newest} AS above"
            f" FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL) AS ordered"
            " WHERE create_time > above ORDER BY place LIMIT 1",
            *self._params,
        )
        return int(rows[0][0]) - 1 if rows else None

    def counts(self, since: datetime | None = None) -> dict[str | None, int]:
        """Count the live jobs by state: those shown as created at `since` or later, or at an unknown time, or all of them."""
        condition, params = ("", ()) if since is None else (" AND (create_time >= %s OR create_time IS NULL)", (since,))
        rows = self.query(
            f"SELECT state, count(*) FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL{condition} GROUP BY state",
            *self._params,
            *params,
        )
        return {state: int(number) for state, number in rows}

    def states(self, since: datetime, before: datetime) -> dict[str, str | None]:
        """Give the state of each live job shown as created in [since, before)."""
        rows = self.query(
            f"SELECT job_id, state FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL"
            " AND create_time >= %s AND create_time < %s",
            *self._params,
            since,
            before,
        )
        return dict(rows)

    def nth_created(self, before: datetime, place: int) -> datetime | None:
        """Return the create_time of the job at a place among the live jobs created before a time, newest first."""
        rows = self.query(
            f"SELECT create_time FROM {{videos}} WHERE {self._own} AND deleted_at IS NULL AND create_time < %s"
            f" ORDER BY create_time DESC LIMIT 1 OFFSET {place - 1}",
            *self._params,
            before,
        )
        return rows[0][0].astimezone(UTC) if rows else None
