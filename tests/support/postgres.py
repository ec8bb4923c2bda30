"""Syncs in processes of their own, several into one PostgreSQL: killed, held or made to meet at a point of their load."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any

from metastudio_simulator import Simulator

from tests.support.simulated import make_settings

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["metastudio.commands.load", "metastudio.cli.output", "dlt.destinations.impl.postgres.postgres"]
)
WAIT_SECONDS = 60
"""Longer than anything here takes: who waits that long waits for something that failed."""


def make_environment(sim: Simulator, folder: Any, url: str) -> dict[str, str]:
    """The settings that sync from a simulator into a PostgreSQL, or into a DuckDB file where the URL is a path."""
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


class Sync:
    """A sync in a process of its own; `prepare` is called in it first, and may patch what it likes."""

    def __init__(
        self, environment: dict[str, str], pipeline: str, dataset: str, prepare: Callable[..., None], *args: Any
    ):
        self._told = CONTEXT.Queue()
        arguments = (environment, pipeline, dataset, self._told, prepare, args)
        self._process = CONTEXT.Process(target=_sync, args=arguments)
        self._process.start()

    def end(self) -> tuple[bool, str, int] | None:
        """Wait for the end: whether it succeeded, the error, and how many SQL statements it made; None where it was killed."""
        self._process.join(WAIT_SECONDS)
        if self._process.exitcode == -signal.SIGKILL:
            return None
        return self._told.get(timeout=10)


def _sync(environment: dict[str, str], pipeline: str, dataset: str, told: Any, prepare: Any, args: Any) -> None:
    os.environ.update(environment)
    from metastudio.commands.load import run_sync
    from metastudio.commands.progress import LogProgress
    from metastudio.pipeline.options import Options

    prepare(*args)
    outcome = run_sync(Options(pipeline=pipeline, destination="postgres", dataset=dataset), LogProgress())
    told.put((outcome.error is None, str(outcome.error), next(STATEMENTS)))


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


def hold_before_the_merge(held: Any, resume: Any) -> None:
    """Stop each merge, once the rows are in staging, until told to go on."""
    from dlt.destinations.job_client_impl import SqlLoadJob

    run = SqlLoadJob.run

    def wait_and_run(self: SqlLoadJob) -> None:
        held.set()
        assert resume.wait(WAIT_SECONDS)
        run(self)

    SqlLoadJob.run = wait_and_run  # type: ignore[method-assign]


def meet_before_creating(meeting: Any, schema: bool) -> None:
    """Let two syncs find the dataset (or its tables) missing before either creates it."""
    from dlt.destinations.impl.postgres.postgres import PostgresClient
    from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

    place, name = (Psycopg2SqlClient, "create_dataset") if schema else (PostgresClient, "_build_schema_update_sql")
    create = getattr(place, name)
    first = iter([True])

    def meet_and_create(self: Any, *args: Any) -> Any:
        created = None if schema else create(self, *args)
        if next(first, False):
            meeting.wait(WAIT_SECONDS)
        return create(self, *args) if schema else created

    setattr(place, name, meet_and_create)
