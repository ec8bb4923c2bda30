"""Syncs into PostgreSQL in processes of their own, which can be killed, paused or synchronized."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import Any

import psycopg2
from metastudio_simulator import Simulator

from tests.support.processes import CONTEXT
from tests.support.simulated import make_settings

WAIT_SECONDS = 60
"""A time in seconds that nothing here reaches. A longer wait means a failure."""


def make_environment(sim: Simulator, folder: Any, url: str) -> dict[str, str]:
    """Return the settings that sync from a simulator into PostgreSQL, or into the DuckDB file."""
    destination = "POSTGRES" if url.startswith("postgresql:") else "DUCKDB"
    return {
        **make_settings(sim),
        "SOURCES__METASTUDIO__BUILD_MODELS": "false",
        "SOURCES__METASTUDIO__CHUNK_ROWS": "250",
        "SOURCES__METASTUDIO__MAX_ROWS_PER_WINDOW": "100",
        f"DESTINATION__{destination}__CREDENTIALS": url,
        "DLT_DATA_DIR": str(folder),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }


def query_postgres(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, on a connection of its own."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def execute_postgres(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in statements:
            cursor.execute(statement)


def drop_dataset(url: str, dataset: str) -> None:
    """Drop the schemas of a dataset: those of its tables, models and staging."""
    schemas = query_postgres(url, f"SELECT nspname FROM pg_namespace WHERE nspname LIKE '{dataset}%'")
    execute_postgres(url, *(f'DROP SCHEMA "{schema}" CASCADE' for (schema,) in schemas))


class Sync:
    """A sync in a process of its own. `prepare` is called there first and may patch anything."""

    def __init__(
        self, environment: dict[str, str], pipeline: str, dataset: str, prepare: Callable[..., None], *args: Any
    ):
        self._results = CONTEXT.Queue()
        arguments = (environment, pipeline, dataset, self._results, prepare, args)
        self._process = CONTEXT.Process(target=_sync, args=arguments)
        self._process.start()

    def end(self) -> tuple[bool, str, int] | None:
        """Wait for the end. Return success, error and number of statements, or None if killed."""
        self._process.join(WAIT_SECONDS)
        if self._process.exitcode == -signal.SIGKILL:
            return None
        return self._results.get(timeout=10)


def _sync(environment: dict[str, str], pipeline: str, dataset: str, results: Any, prepare: Any, args: Any) -> None:
    os.environ.update(environment)
    from metastudio.commands.load import run_sync
    from metastudio.commands.progress import LogProgress
    from metastudio.pipeline.options import Options

    prepare(*args)
    result = run_sync(Options(pipeline=pipeline, destination="postgres", dataset=dataset), LogProgress())
    results.put((result.error is None, str(result.error), next(STATEMENTS)))


STATEMENTS = count()


def kill_at(instant: int) -> None:
    """Kill this process at its n-th SQL statement; 0 only counts them."""
    from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

    execute = Psycopg2SqlClient.execute_query

    def execute_query(self: Any, *args: Any, **kwargs: Any) -> Any:
        if next(STATEMENTS) + 1 == instant:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(self, *args, **kwargs)

    Psycopg2SqlClient.execute_query = execute_query  # type: ignore[method-assign]


def pause_before_the_merge(paused: Any, resume: Any) -> None:
    """Stop each merge until `resume` is set. Set `paused` once the rows of the jobs are in staging.

    The merge of another table may begin before them.
    """
    from dlt.destinations.job_client_impl import SqlLoadJob

    run = SqlLoadJob.run

    def wait_and_run(self: SqlLoadJob) -> None:
        if self.job_file_info().table_name == "digital_human_videos":
            paused.set()
        assert resume.wait(WAIT_SECONDS)
        run(self)

    SqlLoadJob.run = wait_and_run  # type: ignore[method-assign]


def meet_before_creating(meeting: Any, schema: bool) -> None:
    """Let two syncs find the dataset (or its tables) missing before either creates it."""
    from dlt.destinations.impl.postgres.postgres import PostgresClient
    from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

    client, name = (Psycopg2SqlClient, "create_dataset") if schema else (PostgresClient, "_build_schema_update_sql")
    create = getattr(client, name)
    first = iter([True])

    def meet_and_create(self: Any, *args: Any) -> Any:
        created = None if schema else create(self, *args)
        if next(first, False):
            meeting.wait(WAIT_SECONDS)
        return create(self, *args) if schema else created

    setattr(client, name, meet_and_create)
