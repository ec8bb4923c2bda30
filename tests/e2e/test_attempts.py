"""Every run of a command that loads is recorded: in `sync_attempts`, or where it ran."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from metastudio.commands.load import run_sync
from metastudio.commands.progress import LogProgress
from metastudio.commands.prune import run_prune
from metastudio.commands.status import read_status
from metastudio.pipeline.attempt_log import AttemptLog, begin_attempt, name_process
from metastudio.pipeline.options import Options

from tests.support.command_line import start_process
from tests.support.simulated import make_settings

SECTION = "SOURCES__METASTUDIO__"
ATTEMPTS = "SELECT command, exit_code FROM metastudio.sync_attempts ORDER BY started_at"


def list_failed(status):
    return [(attempt["command"], attempt["exit_code"]) for attempt in status["last_failed_attempts"]]


def test_every_run_is_in_the_table_and_status_shows_the_failed_ones(sim, settings, run, query, monkeypatch):
    with monkeypatch.context() as wrong:
        wrong.setenv(f"{SECTION}CREDENTIALS__SECRET_KEY", "never-to-be-seen")
        run("sync")
    before = run("status", "--json")
    assert (before.code, list_failed(before.json)) == (2, [("sync", 3)])

    first = run("sync", "--json")
    with monkeypatch.context() as wrong:
        wrong.delenv(f"{SECTION}PROJECT_ID")
        run("sync")
    assert query(ATTEMPTS) == [("sync", 3), ("sync", 0), ("sync", 2)]
    with monkeypatch.context() as wrong:
        wrong.setenv(f"{SECTION}ENDPOINT", "http://127.0.0.1:1")
        wrong.setenv(f"{SECTION}RETRY_SECONDS", "0")
        run("audit")
    sim.clock.advance(3_600)
    run("sync")
    assert run("sync", "--json").json["load_ids"] == []

    assert query(ATTEMPTS) == [("sync", 3), ("sync", 0), ("sync", 2), ("audit", 4), ("sync", 0), ("sync", 0)]
    (loaded,) = query(
        "SELECT project_id, mode, error_code, error_message, requests, rows_loaded, started_at < finished_at"
        f" FROM metastudio.sync_attempts WHERE rows_loaded = {first.json['rows_loaded']}"
    )
    assert loaded == (sim.project_id, first.json["mode"], None, None, first.json["requests"], 600, True)
    assert query("SELECT count(*) FROM metastudio.sync_attempts JOIN metastudio.extraction_windows USING (run_id)")
    assert "never-to-be-seen" not in str(query("SELECT * FROM metastudio.sync_attempts"))
    status = run("status", "--json").json
    assert list_failed(status) == [("audit", 4), ("sync", 2), ("sync", 3)]
    assert status["last_failed_attempts"][2]["error_code"] == "APIGW.0301"
    assert status["last_attempt"]["exit_code"] == 0
    assert run("status", "--max-age", "60").code == 5
    text = run("status", "--max-age", "999999999").out
    assert "UTC: sync, exit code 3: APIGW.0301: " in text
    assert "UTC: sync, exit code 2: The project ID is missing." in text


def test_where_the_destination_cannot_be_opened_status_shows_what_the_machine_knows(
    synced, run, folder, query, monkeypatch
):
    monkeypatch.setenv(f"{SECTION}LOCK_SECONDS", "0")
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(folder / "videos.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        holder.stdout.readline()
        assert run("sync").code == 4
        ended = run("status", "--json")
        holder.stdin.close()

    assert (ended.code, list_failed(ended.json)) == (4, [("sync", 4)])
    assert "in use by another process" in ended.json["last_failed_attempts"][0]["error_message"]

    assert run("sync").code == 0
    assert query(ATTEMPTS) == [("sync", 0), ("sync", 4), ("sync", 0)]


def test_a_run_that_was_killed_and_one_that_was_skipped_are_told_apart(sim, synced, run, query, monkeypatch):
    monkeypatch.setenv(f"{SECTION}REQUEST_TIMEOUT_SECONDS", "0.5")
    monkeypatch.setenv(f"{SECTION}LOCK_SECONDS", "0")
    sim.behavior.faults = ["hang"] * 99
    with start_process("sync", "-vv") as killed:
        while "GET" not in killed.stderr.readline():
            pass
        assert run("sync").code == 6
        assert list_failed(run("status", "--json").json) == []
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    sim.behavior.faults = []

    status = run("status", "--json").json
    assert list_failed(status) == [("sync", None)]
    assert "killed" in status["last_failed_attempts"][0]["error_message"]

    run("sync")
    assert query(ATTEMPTS) == [("sync", 0), ("sync", None), ("sync", 6), ("sync", 0)]


@pytest.mark.parametrize(
    "damage",
    [
        ["ALTER TABLE metastudio.sync_attempts DROP COLUMN run_id"],
        [
            "ALTER TABLE metastudio.sync_attempts RENAME TO theirs",
            "CREATE VIEW metastudio.sync_attempts AS SELECT command FROM metastudio.theirs",
        ],
    ],
    ids=["lost column", "view"],
)
def test_a_table_of_attempts_that_cannot_be_written_costs_only_itself_until_an_audit(
    sim, synced, run, folder, query, caplog, damage
):
    with duckdb.connect(str(folder / "videos.duckdb")) as database:
        for statement in damage:
            database.execute(statement)
    sim.clock.advance(3_600)
    sim.tenant.change_some(create=2, update=3)

    synced_again = run("sync", "--json")
    assert (synced_again.code, synced_again.json["rows_loaded"] > 0) == (0, True)
    assert "No attempt can be written to the table sync_attempts" in caplog.text
    assert list_failed(run("status", "--json").json) == []
    assert run("prune", "--older-than", "30").code == 0

    assert run("audit").code == 0
    assert query(ATTEMPTS)[-2:] == [("sync", 0), ("audit", 0)]


def test_a_table_of_somebody_else_and_a_damaged_log_do_not_hold_up_a_sync(synced, run, folder, query):
    with duckdb.connect(str(folder / "videos.duckdb")) as database:
        database.execute("DELETE FROM metastudio.sync_attempts")
        database.execute("ALTER TABLE metastudio.sync_attempts ADD COLUMN theirs INTEGER")
        database.execute("UPDATE metastudio.sync_attempts SET theirs = 1")
    (folder / "state" / "pipelines" / "metastudio.attempts.jsonl").write_bytes(b'{"run_id": "half a li\n\xff\n')

    assert run("sync").code == 0
    assert query(ATTEMPTS) == [("sync", 0)]


@pytest.mark.usefixtures("folder")
def test_on_postgresql_attempts_are_rows_too(sim, postgres_url, monkeypatch):
    for name, value in {**make_settings(sim), "DESTINATION__POSTGRES__CREDENTIALS": postgres_url}.items():
        monkeypatch.setenv(name, value)
    options = Options(destination="postgres", dataset="attempts")
    codes = []
    for secret in ("wrong", sim.secret_key, "wrong"):
        monkeypatch.setenv(f"{SECTION}CREDENTIALS__SECRET_KEY", secret)
        codes.append(run_sync(options, LogProgress()).exit_code)
    assert codes == [3, 0, 3]

    status = read_status(options)

    assert status.error is None
    assert status.details["tables"]["sync_attempts"] == 3
    pruned = run_prune(options, 1)
    assert (pruned.error, pruned.details["attempts"]) == (None, 0)
    assert pruned.details["old_windows"] >= pruned.details["windows"] >= 0
    assert [attempt["exit_code"] for attempt in status.details["last_failed_attempts"]] == [3, 3]


@pytest.mark.usefixtures("folder")
def test_a_process_of_the_same_number_is_not_taken_for_the_one_that_was_killed():
    log = AttemptLog(Options())
    log.put(begin_attempt("running", "sync", Options()))
    lines = (path := next(Path("state").rglob("*.jsonl"))).read_text()
    assert [line.is_running for line in log.read()] == [True]
    assert log.list_pending() == []

    path.write_text(lines.replace(str(name_process(os.getpid())), f"{os.getpid()} 1"))

    assert [attempt.run_id for attempt in log.list_pending()] == ["running"]
