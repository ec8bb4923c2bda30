"""Runs that share a destination exclude each other, wherever they keep their local state."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager

import pytest
from metastudio.commands.load import run_sync
from metastudio.commands.models import run_models
from metastudio.commands.progress import LogProgress
from metastudio.errors import BusyError
from metastudio.pipeline.options import Options
from metastudio_simulator import Simulator

from tests.support.postgres import WAIT_SECONDS, Sync, make_environment, pause_before_the_merge, query_postgres
from tests.support.processes import CONTEXT

NOW = "2026-01-15T12:00:00Z"


@pytest.fixture
def ask(postgres_url):
    return lambda sql: query_postgres(postgres_url, sql)


@pytest.fixture
def sim():
    with Simulator(jobs=120, days=60, seed=7, now=NOW) as simulator:
        yield simulator


@contextmanager
def hold_before_the_merge(environment, pipeline, dataset):
    """Run a sync in another process. Within the block, it is stopped with its rows in staging."""
    paused, resume = CONTEXT.Event(), CONTEXT.Event()
    sync = Sync(environment, pipeline, dataset, pause_before_the_merge, paused, resume)
    try:
        assert paused.wait(WAIT_SECONDS)
        yield sync
    finally:
        resume.set()


def configure(patch, environment):
    for name, value in environment.items():
        patch.setenv(name, value)


def count_jobs(ask, dataset):
    return Counter(dict(ask(f"SELECT project_id, count(*) FROM {dataset}.digital_human_videos GROUP BY project_id")))


def test_a_second_state_directory_is_busy_while_a_sync_runs_and_so_are_the_models(
    sim, ask, postgres_url, tmp_path, monkeypatch
):
    options = Options(destination="postgres", dataset="shared")
    configure(monkeypatch, make_environment(sim, tmp_path / "cron", postgres_url))
    assert run_sync(options, LogProgress()).error is None
    sim.clock.advance(3_600)
    sim.tenant.change_some(create=5, update=10)
    configure(monkeypatch, make_environment(sim, tmp_path / "person", postgres_url))
    before = ask("SELECT * FROM shared._dlt_loads ORDER BY load_id")
    with hold_before_the_merge(make_environment(sim, tmp_path / "cron", postgres_url), "metastudio", "shared") as first:
        second = run_sync(options, LogProgress())
        with pytest.raises(BusyError):
            run_models(options)
        assert ask("SELECT * FROM shared._dlt_loads ORDER BY load_id") == before

    assert second.exit_code == BusyError.exit_code
    assert first.end()[:2] == (True, "None")
    assert run_sync(options, LogProgress()).error is None
    assert count_jobs(ask, "shared") == {sim.project_id: len(sim.tenant.visible())}


def test_pipelines_whose_names_dlt_makes_alike_do_not_share_staging_tables(
    sim, ask, postgres_url, tmp_path, monkeypatch
):
    with Simulator(jobs=80, days=60, seed=8, now=NOW) as other:
        with hold_before_the_merge(make_environment(sim, tmp_path / "a", postgres_url), "team_a", "alike") as first:
            configure(monkeypatch, make_environment(other, tmp_path / "b", postgres_url))
            result = run_sync(Options(pipeline="Team_A", destination="postgres", dataset="alike"), LogProgress())
        assert (result.error, *first.end()[:2]) == (None, True, "None")
        expected = {tenant.project_id: len(tenant.tenant.visible()) for tenant in (sim, other)}
    assert count_jobs(ask, "alike") == expected
    assert len(ask("SELECT 1 FROM information_schema.schemata WHERE schema_name LIKE 'alike_staging%'")) == 2


def test_a_run_whose_lock_is_lost_ends_and_the_next_one_continues(sim, ask, postgres_url, tmp_path, monkeypatch):
    environment = make_environment(sim, tmp_path, postgres_url)
    with hold_before_the_merge(environment, "metastudio", "lost") as sync:
        ask("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    succeeded, error, _ = sync.end()
    configure(monkeypatch, environment)
    again = run_sync(Options(destination="postgres", dataset="lost"), LogProgress())

    assert not succeeded
    assert "lock in the destination" in error
    assert again.error is None
    assert count_jobs(ask, "lost") == {sim.project_id: len(sim.tenant.visible())}
