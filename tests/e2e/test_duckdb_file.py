"""The DuckDB file: its name, its memory, and other processes that use it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from random import Random
from typing import ClassVar

import pytest
from metastudio_simulator import Simulator

from tests.support.command_line import run_in_process
from tests.support.rows import held_rows, shown_rows
from tests.support.simulated import NOW, make_settings


def test_the_file_is_the_one_in_the_working_directory_whatever_ran_before(sim, settings, run, folder, monkeypatch):
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    for name in ("one", "other"):
        (folder / name).mkdir()
        monkeypatch.chdir(folder / name)
        ended = run("sync", "--json")
        assert (ended.code, ended.json["mode"]) == (0, "backfill")
        assert (folder / name / "videos.duckdb").exists()
    assert run("audit").code == 0
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "../one/videos.duckdb")
    assert run("sync", "--json").json["mode"] == "changes"
    assert not (folder / "one" / "one").exists()


def test_the_duckdb_file_may_be_named_in_config_toml(sim, settings, folder, monkeypatch):
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text('[destination.duckdb]\ncredentials = "elsewhere.duckdb"\n')

    ended = run_in_process("sync")

    assert ended.code == 0, ended.err
    assert (folder / "elsewhere.duckdb").exists()
    assert not (folder / "metastudio.duckdb").exists()


def test_memory_and_state_do_not_grow_with_the_history(sim, settings, folder, monkeypatch):
    from metastudio.commands.load import run_sync
    from metastudio.commands.progress import LogProgress
    from metastudio.pipeline.factory import open_pipeline
    from metastudio.pipeline.options import Options

    left = []

    class ProgressListener(LogProgress):
        def on_chunk_loaded(self, summary, chunk):
            left.append(len(chunk.rows) + len(chunk.seen) + len(chunk.rejected))

    monkeypatch.setenv("SOURCES__METASTUDIO__CHUNK_ROWS", "150")
    monkeypatch.setenv("SOURCES__METASTUDIO__MAX_ROWS_PER_WINDOW", "100")
    assert run_sync(Options(), ProgressListener()).error is None

    assert len(left) > 3
    assert not any(left[:-1])  # the last one brought nothing new, and was not loaded
    assert (folder / "state" / "pipelines" / "metastudio" / "state.json").stat().st_size < 20_000
    with open_pipeline(Options()).sql_client() as client:
        assert client.execute_sql("SELECT current_setting('memory_limit')") == [("76.2 MiB",)]


def test_the_first_query_that_everybody_types_works(sim, settings, run, query, monkeypatch):
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    assert run("sync").code == 0

    assert query("SELECT count(*) FROM metastudio.digital_human_videos") == [(600,)]


@pytest.mark.parametrize("command", ["sync", "status", "report", "audit"])
@pytest.mark.parametrize("name", ["metastudio", "MetaStudio", "metastudio_staging_metastudio", "metastudio_reporting"])
def test_a_file_with_the_name_of_a_dataset_is_refused_with_what_to_do(
    sim, settings, run, folder, monkeypatch, name, command
):
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / f"{name}.duckdb"))

    ended = run(command, "--json")

    assert ended.code == 2
    assert f"The DuckDB file {name}.duckdb has the name of the dataset" in ended.json["error"]["message"]
    assert "set DESTINATION__DUCKDB__CREDENTIALS=" in ended.json["error"]["hint"]
    assert sim.stats.requests == 0
    assert not (folder / f"{name}.duckdb").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DESTINATION__DUCKDB__CREDENTIALS", "duckdb:///{}/metastudio.duckdb"),
        ("DESTINATION__DUCKDB__CREDENTIALS", "metastudio"),
        ("DESTINATION__DUCKDB__CREDENTIALS__DATABASE", "{}/metastudio.backup.duckdb"),
    ],
    ids=["URL", "no suffix", "database alone"],
)
def test_however_the_file_is_named_its_name_is_checked(settings, run, folder, monkeypatch, variable, value):
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    monkeypatch.setenv(variable, value.format(folder))

    ended = run("sync")

    assert ended.code == 2
    assert "has the name of the dataset metastudio" in ended.err


def test_a_pipeline_named_like_its_dataset_must_name_its_file(settings, run, monkeypatch):
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    options = ("--pipeline", "berlin", "--dataset", "berlin")
    ended = run("sync", *options)
    assert ended.code == 2
    assert "set DESTINATION__DUCKDB__CREDENTIALS=berlin_videos.duckdb" in ended.err
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "berlin_videos.duckdb")

    assert run("sync", *options).code == 0


HOLD = "import duckdb, sys; file = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(synced, folder):
    """Start a process that reads the file of an earlier sync until its standard input is closed."""
    command = [sys.executable, "-c", HOLD, str(folder / "videos.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        yield process
        process.stdin.close()


def test_a_file_that_a_reader_holds_is_waited_for(holder, sim, run, query):
    class Release(logging.Handler):
        lines: ClassVar[list[str]] = []

        def emit(self, record):
            if "waiting up to 60 s" in record.getMessage():
                self.lines.append(record.getMessage())
                holder.stdin.close()

    sim.clock.advance(3600)
    sim.tenant.change_some(create=5, update=5)
    release = Release()
    logging.getLogger("metastudio").addHandler(release)
    try:
        assert run("sync").code == 0
    finally:
        logging.getLogger("metastudio").removeHandler(release)

    assert [f"(PID {holder.pid})" in line for line in release.lines] == [True]
    assert held_rows(query) == shown_rows(sim)


def test_a_file_that_stays_in_use_ends_in_exit_code_4_and_names_the_process(holder, sim, run, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__LOCK_SECONDS", "0")
    sim.stats.reset()

    ended = run("sync", "--json")

    assert ended.code == 4
    assert f"(PID {holder.pid})" in ended.json["error"]["message"]
    assert "lock_seconds" in ended.json["error"]["hint"]
    assert sim.stats.requests == 0


def test_status_works_beside_another_reader(holder, run):
    assert run("status", "--json").json["tables"]["digital_human_videos"] == 600


def test_large_texts_are_loaded_with_more_memory(folder, settings, run, query, monkeypatch):
    sizes = [1_000_000] * 20 + [20_000] * 1_000
    draw = Random(1)
    with Simulator(jobs=len(sizes), days=100, seed=1, now=NOW) as sim:
        for name, value in make_settings(sim).items():
            monkeypatch.setenv(name, value)
        for job, size in zip(sim.tenant.visible(), sizes, strict=True):
            sim.tenant.corrupt(job["job_id"], notes=draw.randbytes(size // 2).hex())

        ended = run("sync")

    assert ended.code == 0, ended.err
    held = query("SELECT count(*), sum(length(notes)), max(length(notes)) FROM metastudio.digital_human_videos")
    assert held == [(len(sizes), sum(sizes), max(sizes))]


def test_within_a_memory_limit_that_the_user_set_smaller_chunks_are_the_way(
    settings, run, query, sim, folder, monkeypatch
):
    limit = '{"memory_limit": "60MB", "threads": 1}'
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG", limit)
    for job in sim.tenant.visible():
        sim.tenant.corrupt(job["job_id"], notes=Random(job["job_id"]).randbytes(35_000).hex())

    ended = run("sync")

    assert ended.code == 2
    tries = [int(file.name.split(".")[-2]) for file in (folder / "state").rglob("digital_human_videos.*.parquet")]
    assert tries == [5], "dlt's own tries, a second apart"
    assert "DuckDB ran out of memory. Nothing is lost: raise its memory_limit" in ended.err
    assert os.environ["DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG"] == limit
    for name in ("CHUNK_ROWS", "MAX_ROWS_PER_WINDOW"):
        monkeypatch.setenv(f"SOURCES__METASTUDIO__{name}", "100")
    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)
