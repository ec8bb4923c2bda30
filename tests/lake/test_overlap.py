"""Runs that share a lake exclude each other or leave the same rows, wherever their state is."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager

import pytest
from deltalake import DeltaTable
from metastudio_simulator import Simulator

from tests.support.processes import CONTEXT
from tests.support.simulated import NOW, make_settings

DONE = (0, "None")
WAIT_SECONDS = 120
"""A time in seconds that nothing here reaches. A longer wait means a failure."""


class Run:
    """A sync in a process of its own, into a lake in a local folder."""

    def __init__(self, lake, home, state, sim, pipeline="metastudio", prepare=None, args=()):
        environment = {
            **make_settings(sim),
            "HOME": str(home),
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(lake),
            "DLT_DATA_DIR": str(state),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
        self._results = CONTEXT.Queue()
        self.process = CONTEXT.Process(target=_sync, args=(environment, pipeline, self._results, prepare, args))
        self.process.start()

    def end(self):
        """Wait for the end, and return exit code and error."""
        self.process.join(WAIT_SECONDS)
        return self._results.get(timeout=10)


def _sync(environment, pipeline, results, prepare, args):
    os.environ.update(environment)
    from metastudio.commands.load import run_sync
    from metastudio.commands.progress import LogProgress
    from metastudio.pipeline.options import Options

    if prepare:
        prepare(*args)
    result = run_sync(Options(pipeline=pipeline, destination="filesystem"), LogProgress())
    results.put((result.exit_code, str(result.error)))


def pause_before_the_merge(paused, resume):
    """Stop each write of the jobs, after it has read the table, until `resume` is set."""
    from dlt.common.libs import deltalake as writers

    def hold(execute, is_jobs):
        def execute_later(*args, **kwargs):
            if is_jobs(*args, **kwargs):
                paused.set()
                assert resume.wait(WAIT_SECONDS)
            return execute(*args, **kwargs)

        return execute_later

    merge, write = writers.merge_delta_table, writers.write_delta_table
    writers.merge_delta_table = hold(merge, lambda *_, load_table_name, **__: load_table_name == "digital_human_videos")
    writers.write_delta_table = hold(write, lambda *_, table_or_uri, **__: "digital_human_videos" in str(table_or_uri))


def meet_before_creating(dataset_meeting, table_meeting):
    """Let two syncs find the dataset, and then the jobs' table, missing before either is made."""
    from dlt.common.libs import deltalake as writers
    from dlt.destinations.impl.filesystem.filesystem import FilesystemClient

    create, write = FilesystemClient.create_dataset, writers.write_delta_table
    met = set()

    def meet(meeting):
        if meeting not in met:
            met.add(meeting)
            meeting.wait(WAIT_SECONDS)

    def meet_and_create(self):
        if "staging" not in self.dataset_name:
            meet(dataset_meeting)
        create(self)

    def meet_and_write(*args, table_or_uri, **kwargs):
        if "digital_human_videos" in str(table_or_uri):
            meet(table_meeting)
        write(*args, table_or_uri=table_or_uri, **kwargs)

    FilesystemClient.create_dataset = meet_and_create
    writers.write_delta_table = meet_and_write


@contextmanager
def hold_before_the_merge(lake, home, state, sim, pipeline="metastudio"):
    """Run a sync, and stop it within the block before it writes jobs, with the table open."""
    paused, resume = CONTEXT.Event(), CONTEXT.Event()
    run = Run(lake, home, state, sim, pipeline, pause_before_the_merge, (paused, resume))
    try:
        assert paused.wait(WAIT_SECONDS)
        yield run
    finally:
        resume.set()


@pytest.fixture
def sim():
    with Simulator(jobs=120, days=60, seed=7, now=NOW) as simulator:
        yield simulator


def count_rows(lake):
    table = DeltaTable(str(lake / "metastudio" / "digital_human_videos")).to_pyarrow_table()
    rows = Counter(zip(table["project_id"].to_pylist(), table["job_id"].to_pylist(), strict=True))
    assert set(rows.values()) == {1}
    return Counter(project for project, _ in rows)


@pytest.mark.parametrize("is_synced", [False, True], ids=["first sync", "later sync"])
def test_a_second_state_directory_is_busy_while_a_sync_runs(sim, home, tmp_path, is_synced):
    lake = tmp_path / "lake"
    if is_synced:
        assert Run(lake, home, tmp_path / "cron", sim).end() == DONE
    sim.clock.advance(3_600)
    sim.tenant.change_some(create=5, update=10)
    with hold_before_the_merge(lake, home, tmp_path / "cron", sim) as first:
        sim.tenant.change_some(create=5, update=10)
        sim.clock.advance(3_600)
        code, error = Run(lake, home, tmp_path / "person", sim).end()
    assert (code, "Another run (process" in error) == (6, True)
    assert first.end() == DONE

    assert Run(lake, home, tmp_path / "person", sim).end() == DONE
    assert count_rows(lake) == {sim.project_id: len(sim.tenant.visible())}
    assert not list(lake.glob("*lock*"))


def test_pipelines_of_other_tenants_go_on_also_if_dlt_makes_their_names_alike(sim, home, tmp_path):
    lake, tenants = tmp_path / "lake", {"team_a": sim}
    with Simulator(jobs=80, days=60, seed=8, now=NOW) as tenants["Team_A"]:
        for _ in range(2):  # tables are made first, and merged into later
            with hold_before_the_merge(lake, home, tmp_path / "cron", sim, "team_a") as first:
                assert Run(lake, home, tmp_path / "cron", tenants["Team_A"], "Team_A").end() == DONE
            assert first.end() == DONE
            assert count_rows(lake) == {one.project_id: len(one.tenant.visible()) for one in tenants.values()}
            for one in tenants.values():
                one.clock.advance(3_600)
                one.tenant.change_some(create=5, update=10)


def test_two_tenants_may_make_the_dataset_and_its_tables_at_the_same_instant(sim, home, tmp_path):
    lake, meetings = tmp_path / "lake", (CONTEXT.Barrier(2), CONTEXT.Barrier(2))
    with Simulator(jobs=80, days=60, seed=8, now=NOW) as other:
        tenants = {"team_a": sim, "team_b": other}
        runs = [
            Run(lake, home, tmp_path / name, one, name, meet_before_creating, meetings) for name, one in tenants.items()
        ]
        assert [run.end() for run in runs] == [DONE, DONE]
        assert count_rows(lake) == {one.project_id: len(one.tenant.visible()) for one in tenants.values()}


def test_a_pipeline_with_another_name_is_busy_while_its_tenant_is_synced(sim, home, tmp_path):
    lake = tmp_path / "lake"
    with hold_before_the_merge(lake, home, tmp_path / "state", sim, "team_a") as first:
        code, _ = Run(lake, home, tmp_path / "state", sim, "team_b").end()
    assert (code, first.end()) == (6, DONE)

    assert Run(lake, home, tmp_path / "state", sim, "team_b").end() == DONE
    assert count_rows(lake) == {sim.project_id: len(sim.tenant.visible())}
