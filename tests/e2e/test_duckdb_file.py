"""The DuckDB file: its name, the processes that hold it, its memory."""

from __future__ import annotations

import subprocess
import sys


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
    code = "import sys; from metastudio.cli.app import main; sys.argv = ['metastudio', 'sync']; main()"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    assert (folder / "elsewhere.duckdb").exists()
    assert not (folder / "metastudio.duckdb").exists()


def test_memory_and_state_do_not_grow_with_the_history(sim, settings, folder, monkeypatch):
    from metastudio.commands.load import run_sync
    from metastudio.commands.progress import LogProgress
    from metastudio.pipeline.factory import open_pipeline
    from metastudio.pipeline.options import Options

    held = []

    class ProgressListener(LogProgress):
        def on_chunk_loaded(self, summary, chunk):
            held.append(len(chunk.rows) + len(chunk.seen) + len(chunk.rejected))

    monkeypatch.setenv("SOURCES__METASTUDIO__CHUNK_ROWS", "100")
    monkeypatch.setenv("SOURCES__METASTUDIO__MAX_ROWS_PER_WINDOW", "100")
    assert run_sync(Options(), ProgressListener()).error is None

    assert len(held) > 5
    assert not any(held)
    assert (folder / "state" / "pipelines" / "metastudio" / "state.json").stat().st_size < 20_000
    with open_pipeline(Options()).sql_client() as client:
        assert client.execute_sql("SELECT current_setting('memory_limit')") == [("76.2 MiB",)]
