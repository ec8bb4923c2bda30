"""The connection to the raw tables of one tenant, through dlt's SQL client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.schema.typing import LOADS_TABLE_NAME, PIPELINE_STATE_TABLE_NAME, VERSION_TABLE_NAME
from dlt.destinations.sql_client import SqlClientBase

from metastudio.destination.capabilities import Capabilities, find_capabilities
from metastudio.destination.duckdb_file import check_new_file, open_file
from metastudio.destination.session import check_session
from metastudio.records.schema import ATTEMPTS, REJECTED, STATES, VIDEOS, WINDOWS

Client = SqlClientBase[Any]

BATCH = 1_000
"""The number of values that one query compares. Each query may read a whole column."""

_TABLES = {
    "videos": VIDEOS,
    "states": STATES,
    "windows": WINDOWS,
    "rejected": REJECTED,
    "attempts": ATTEMPTS,
    "pipeline_state": PIPELINE_STATE_TABLE_NAME,
    "loads": LOADS_TABLE_NAME,
    "versions": VERSION_TABLE_NAME,
}


class TenantTables:
    """The raw tables of one tenant: a project's jobs, or those of one app user.

    Args:
        pipeline: the dlt pipeline, or a function that returns the current one.
        lock_seconds: how long to wait for another process that holds a DuckDB file.
    """

    def __init__(
        self,
        pipeline: dlt.Pipeline | Callable[[], dlt.Pipeline],
        project_id: str = "",
        app_user_id: str | None = None,
        *,
        lock_seconds: float = 0.0,
    ) -> None:
        self._pipeline = pipeline
        self._lock_seconds = lock_seconds
        self.project_id = project_id
        self.app_user_id = app_user_id
        self._own = "project_id = %s" + (" AND app_user_id = %s" if app_user_id else "")
        self._params = (project_id, app_user_id) if app_user_id else (project_id,)
        self._client: Client | None = None

    @property
    def pipeline(self) -> dlt.Pipeline:
        return self._pipeline if isinstance(self._pipeline, dlt.Pipeline) else self._pipeline()

    @property
    def dataset_name(self) -> str:
        """Return the name of the dataset in the destination."""
        return str(self.pipeline.sql_client().dataset_name)

    @property
    def capabilities(self) -> Capabilities:
        return find_capabilities(self.pipeline)

    @contextmanager
    def keep_connection(self) -> Iterator[None]:
        """Use one connection for all queries within the block, on a DuckDB file.

        DuckDB rewrites its file whenever the last connection is closed.
        """
        if not self.capabilities.is_duckdb_file:
            yield
            return
        with self.share_connection():
            yield

    @contextmanager
    def share_connection(self) -> Iterator[None]:
        """Use one connection for all queries within the block, on any destination."""
        if self._client is not None:
            yield
            return
        with self.open() as self._client:
            try:
                yield
            finally:
                self._client = None

    @contextmanager
    def connect(self) -> Iterator[Client]:
        """Yield the client that is open, or a new one."""
        if self._client is not None:
            yield self._client
            return
        with self.open() as client:
            yield client

    @contextmanager
    def open(self) -> Iterator[Client]:
        """Yield a new client, and close it.

        Raises:
            ConfigurationError: the database cannot store all texts, or a DuckDB file has the name
                of a dataset.
        """
        client = self.pipeline.sql_client()
        is_file = self.capabilities.is_duckdb_file
        try:
            if is_file:
                check_new_file(client)
                open_file(client, self._lock_seconds)
            else:
                client.open_connection()
            if self.capabilities.is_postgres:
                check_session(client)
            yield client
        finally:
            client.close_connection()

    def check_file(self) -> bool:
        """Check a DuckDB file; other destinations pass. Return False for one that does not exist.

        Raises:
            ConfigurationError: the database has the name of a dataset that is used here, or exists
                in memory only.
        """
        if not self.capabilities.is_duckdb_file:
            return True
        if not check_new_file(self.pipeline.sql_client()):
            return False
        with self.connect():  # which checks the file
            return True

    def check_connection(self) -> None:
        """Check the session of a new connection to PostgreSQL; other destinations pass.

        Raises:
            ConfigurationError: as `open`.
        """
        if self.capabilities.is_postgres:
            with self.open():
                pass

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query that writes the raw tables as `{videos}`, `{windows}`, ….

        A query over missing tables returns no rows.
        """
        return self.query_named(sql, *params)[1]

    def query_named(self, sql: str, *params: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the names of the columns, and the rows, of a query as in `query`."""
        with self.connect() as client:
            names = {short: client.make_qualified_table_name(name) for short, name in _TABLES.items()}
            try:
                with client.execute_query(sql.format(**names), *params) as cursor:
                    return [column[0] for column in cursor.description], [tuple(row) for row in cursor.fetchall()]
            except DestinationUndefinedEntity:
                return [], []

    def execute(self, sql: str, *params: Any) -> None:
        """Run a statement over the raw tables, written as in `query`."""
        with self.connect() as client:
            names = {short: client.make_qualified_table_name(name) for short, name in _TABLES.items()}
            client.execute_sql(sql.format(**names), *params)

    def insert(self, table: str, columns: Mapping[str, Sequence[Any]]) -> bool:
        """Insert rows without a load package. Return False if that is not possible here."""
        if not self.capabilities.takes_inserts:
            return False
        with self.connect() as client:
            names, marks = ", ".join(map(client.escape_column_name, columns)), ", ".join(["%s"] * len(columns))
            for row in zip(*columns.values(), strict=True):
                client.execute_sql(
                    f"INSERT INTO {client.make_qualified_table_name(table)} ({names}) VALUES ({marks})", *row
                )
        return True

    def rename_table(self, table: str, name: str) -> None:
        """Rename a table of the dataset, or a view that has its name."""
        with self.connect() as client:
            old, new = client.make_qualified_table_name(table), client.escape_column_name(name)
            try:
                client.execute_sql(f"ALTER TABLE {old} RENAME TO {new}")
            except DestinationUndefinedEntity:  # DuckDB does not count a view as a table
                client.execute_sql(f"ALTER VIEW {old} RENAME TO {new}")

    def list_columns(self) -> tuple[set[tuple[str, str]], set[tuple[str, str]]] | None:
        """Return the columns of the dataset, and of its staging dataset, as (table, column).

        Return None if one query cannot list them on this destination.
        """
        if not self.capabilities.takes_inserts:
            return None
        with self.connect() as client:
            names = client.dataset_name, client.staging_dataset_name
            rows = client.execute_sql(
                "SELECT table_schema, table_name, column_name FROM information_schema.columns"
                " WHERE table_catalog = current_database() AND table_schema IN (%s, %s)",
                *names,
            )
        columns = [{(table, column) for schema, table, column in rows or () if schema == name} for name in names]
        return columns[0], columns[1]

    def write_checkpoint(self) -> None:
        """Write to the file what DuckDB has kept in memory since the file was opened."""
        with self.connect() as client:
            client.execute_sql("CHECKPOINT")

    def count_rows(self, table: str) -> int:
        """Return the number of the tenant's rows; of its project's in a table without app users."""
        own, params = self.own_rows(table)
        rows = self.query(f"SELECT count(*) FROM {{{find_short_name(table)}}} WHERE {own}", *params)
        return int(rows[0][0]) if rows else 0

    def own_rows(self, table: str) -> tuple[str, tuple[Any, ...]]:
        """Return the SQL condition that selects the tenant's rows, and its parameters."""
        if table == ATTEMPTS:  # a run with wrong settings has no project
            return "pipeline = %s", (self.pipeline.pipeline_name,)
        return ("project_id = %s", self._params[:1]) if table == STATES else (self._own, self._params)


def find_short_name(table: str) -> str:
    """Return the name of a table in the queries of this package."""
    return next(short for short, name in _TABLES.items() if name == table)


def make_batches(values: Sequence[Any]) -> Iterator[tuple[Sequence[Any], str]]:
    """Yield the values in batches, each with the placeholders for its `IN (…)`."""
    for start in range(0, len(values), BATCH):
        batch = values[start : start + BATCH]
        yield batch, ", ".join(["%s"] * len(batch))
