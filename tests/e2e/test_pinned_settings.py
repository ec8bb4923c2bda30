"""The settings that the guarantee depends on hold, whatever files, variables and callers set."""

from __future__ import annotations

from contextlib import contextmanager

import dlt
import pytest
from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.support.rows import held_rows, shown_rows


@contextmanager
def merges_fail():
    """Let each merge fail permanently within the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlt.destinations.job_client_impl.SqlLoadJob.run", _fail)
        yield


def _fail(job):
    raise DatabaseTerminalException(ValueError("refused"))


def change(sim):
    sim.clock.advance(3_600)
    sim.tenant.change_some(create=3, update=20)


@pytest.mark.parametrize("by_file", [True, False], ids=["file", "variable"])
def test_a_failed_job_fails_the_sync_and_its_changes_come_with_the_next_one(
    sim, synced, run, query, folder, monkeypatch, by_file
):
    if by_file:
        (folder / ".dlt").mkdir()
        (folder / ".dlt" / "config.toml").write_text("[metastudio.load]\nraise_on_failed_jobs = false\n")
        dlt.current.run_context().reload()
    else:
        monkeypatch.setenv("METASTUDIO__LOAD__RAISE_ON_FAILED_JOBS", "false")
    change(sim)

    with merges_fail():
        failed = run("sync")

    assert failed.code != 0
    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_no_variable_keeps_the_state_from_the_destination_or_empties_the_tables(
    sim, settings, run, query, folder, monkeypatch
):
    for name, value in {"REFRESH": "drop_data", "RESTORE_FROM_DESTINATION": "false", "DEV_MODE": "true"}.items():
        monkeypatch.setenv(f"PIPELINES__METASTUDIO__{name}", value)
    run("sync")
    change(sim)
    monkeypatch.setenv("DLT_DATA_DIR", str(folder / "another"))

    ended = run("sync", "--json")

    assert (ended.code, ended.json["mode"]) == (0, "changes")
    assert held_rows(query) == shown_rows(sim)
    assert query("SELECT count(DISTINCT run_id) FROM metastudio.extraction_windows") == [(2,)]


def test_the_source_alone_refuses_to_empty_its_tables(sim, settings, query):
    from metastudio import metastudio

    def load(**arguments):
        dlt.pipeline("alone", destination="duckdb", dataset_name="metastudio").run(metastudio(), **arguments)

    load()
    change(sim)
    for argument in ({"refresh": "drop_data"}, {"refresh": "drop_sources"}, {"write_disposition": "replace"}):
        with pytest.raises(PipelineStepFailed, match="would lose jobs"):
            load(**argument)
    load()

    assert held_rows(query) == shown_rows(sim)


@pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated")
def test_the_source_alone_fails_with_a_failed_job_whatever_is_set(sim, settings, query, monkeypatch):
    from metastudio import metastudio

    def load():
        dlt.pipeline("alone", destination="duckdb", dataset_name="metastudio").run(metastudio())

    monkeypatch.setenv("LOAD__RAISE_ON_FAILED_JOBS", "false")
    load()
    change(sim)
    with merges_fail(), pytest.raises(PipelineStepFailed):
        load()
    load()
    load()

    assert held_rows(query) == shown_rows(sim)


def test_a_default_of_ours_stands_behind_a_configuration_file(sim, settings, run, folder):
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text("[load]\ndelete_completed_jobs = false\n")
    dlt.current.run_context().reload()

    run("sync")

    loaded = folder / "state" / "pipelines" / "metastudio" / "load" / "loaded"
    assert [file for file in loaded.rglob("completed_jobs/*") if "videos" in file.name]
