"""After `kill -9` at any instant, the next sync ends with the tables of an undisturbed one.

The instants are those just before the syncing process changes a file, a folder or a table, or
commits. They are counted, and a process of its own is killed at the n-th of them. `make test` tries
some at random; `make kill-test` tries all.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
from contextlib import contextmanager
from itertools import count

import duckdb
import pytest
from metastudio_simulator import Simulator

from tests.support.processes import CONTEXT
from tests.support.simulated import make_settings

KILLS = int(os.environ.get("KILLS", "5"))
"""Number of kills for each kind of sync."""
PARTS = 2 if KILLS > 100 else 1
"""Number of tests that share the kills of one kind of sync, so that they run in parallel."""
A_CHUNK = 7
"""Requests for 250 rows in windows of more than 50, and for two windows read ahead."""
THE_WAY_DOWN = 17
"""Requests that find the first window again.

One request reads the time, and each halving from 26 years to a month takes at most two.
"""
INSERTS_JOBS = re.compile(r'INSERT INTO .*"metastudio"."digital_human_videos" ')
FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"}


def is_change(event, arguments):
    """Return whether an event changes something: reading files and SELECT do not."""
    if event == "open":
        return not {"w", "a", "x", "+"}.isdisjoint(arguments[1] or "")
    if event == "sql":
        return not arguments[0].lstrip().upper().startswith("SELECT")
    return event in FILE_EVENTS or event == "commit"


APPENDED = "appended"
"""The instant at which rows of jobs are in their table, and nothing has recorded that."""


def sync_until(environment, instant, results):
    """Sync in this process, kill it before its n-th change, and report the number of changes."""
    os.environ.update(environment)
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
    from metastudio.commands.load import run_sync
    from metastudio.commands.progress import LogProgress
    from metastudio.pipeline.options import Options

    numbers = count(1)

    def step(event, arguments=()):
        if is_change(event, arguments) and next(numbers) == instant:
            os.kill(os.getpid(), signal.SIGKILL)

    execute, commit = DuckDbSqlClient.execute_query, DuckDbSqlClient.commit_transaction

    @contextmanager
    def execute_query(self, query, *args, **kwargs):
        step("sql", (str(query),))
        with execute(self, query, *args, **kwargs) as cursor:
            if instant == APPENDED and INSERTS_JOBS.match(str(query)):
                os.kill(os.getpid(), signal.SIGKILL)
            yield cursor

    def commit_transaction(self):
        step("commit")
        return commit(self)

    DuckDbSqlClient.execute_query = execute_query
    DuckDbSqlClient.commit_transaction = commit_transaction
    sys.addaudithook(step)
    result = run_sync(Options(), LogProgress())
    steps = next(numbers)
    results.put((result.error is None, steps, str(result.error)))


def sync(environment, instant=0, after=""):
    results = CONTEXT.Queue()
    process = CONTEXT.Process(target=sync_until, args=(environment, instant, results))
    process.start()
    process.join()
    if process.exitcode == -signal.SIGKILL:
        return None
    ok, steps, error = results.get(timeout=10)
    assert ok, f"{error} after {after}"
    return steps


def read_tables(folder):
    with duckdb.connect(str(folder / "videos.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return [
            connection.sql(f"SELECT * FROM metastudio.{table} ORDER BY ALL").fetchall()
            for table in ("digital_human_videos", "digital_human_video_states", "rejected_records")
        ]


def make_environment(sim, folder):
    return {
        **make_settings(sim),
        "SOURCES__METASTUDIO__BUILD_MODELS": "false",
        "SOURCES__METASTUDIO__CHUNK_ROWS": "250",
        "SOURCES__METASTUDIO__MAX_ROWS_PER_WINDOW": "100",
        "DESTINATION__DUCKDB__CREDENTIALS": str(folder / "videos.duckdb"),
        "DLT_DATA_DIR": str(folder / "state"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }


@contextmanager
def make_tenant(later):
    """Start the same tenant each time: as it was at first, or ten days after the first sync."""
    with Simulator(jobs=600, days=400, seed=7, now="2026-01-15T12:00:00Z") as sim:
        if later:
            sim.tenant.live(10 * 86_400)
        yield sim


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("later", [False, True], ids=["first sync", "later sync"])
def test_a_sync_killed_anywhere_is_finished_by_the_next_one(tmp_path, later, part):
    start = tmp_path / "start"
    start.mkdir()
    if later:
        with make_tenant(later=False) as sim:
            sync(make_environment(sim, start))
    with make_tenant(later) as sim:
        folder = shutil.copytree(start, tmp_path / "undisturbed")
        steps = sync(make_environment(sim, folder))
        undisturbed, requests = read_tables(folder), sim.stats.requests
    instants = sorted(random.Random(f"killed {later}").sample(range(1, steps), min(KILLS, steps - 1)))[part::PARTS]
    killed = 0
    for instant in instants:
        with make_tenant(later) as sim:
            folder = shutil.copytree(start, tmp_path / str(instant))
            environment = make_environment(sim, folder)
            if (
                sync(environment, instant) is None
            ):  # dlt polls its jobs a varying number of times, so the last instants may not occur
                killed += 1
                sync(environment, after=f"a kill at {instant} of {steps}")

            assert read_tables(folder) == undisturbed, f"killed at {instant} of {steps}"
            assert sim.stats.requests <= requests + A_CHUNK + THE_WAY_DOWN, f"killed at {instant} of {steps}"
    assert killed > 0.9 * len(instants) - 1


def test_rows_that_were_appended_but_not_recorded_are_not_doubled(tmp_path):
    with make_tenant(later=False) as sim:
        environment = make_environment(sim, tmp_path)

        assert sync(environment, APPENDED) is None
        with duckdb.connect(str(tmp_path / "videos.duckdb")) as connection:
            [(appended,)] = connection.sql("SELECT count(*) FROM metastudio.digital_human_videos").fetchall()
        assert appended
        sync(environment, after="a kill")

        assert len(read_tables(tmp_path)[0]) == 600
        with duckdb.connect(str(tmp_path / "videos.duckdb")) as connection:
            modes = connection.sql("SELECT DISTINCT mode FROM metastudio.extraction_windows ORDER BY ALL").fetchall()
        assert modes == [("backfill",), ("changes",)], "doubled rows were found later, and read again"
