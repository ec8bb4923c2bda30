"""Bad networks, failing APIs, signals: a sync succeeds or says why not, and shows no secret."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from metastudio.destination.jobs import Destination
from metastudio_simulator import Simulator

from tests.support.command_line import start_process
from tests.support.rows import held_rows, shown_rows

SECTION = "SOURCES__METASTUDIO__"
FAULTS = ("500", "502", "503", "429", "html", "reset", "truncated", "garbage", "empty", "not_object")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setenv(f"{SECTION}REQUEST_TIMEOUT_SECONDS", "2")


def test_each_kind_of_fault_now_and_then_costs_a_retry_and_nothing_else(sim, settings, run, query):
    sim.behavior.faults = [None, *(answer for fault in FAULTS for answer in (fault, None))]

    ended = run("sync", "--json")

    assert ended.code == 0
    assert held_rows(query) == shown_rows(sim)
    assert sim.behavior.faults == []
    assert 0 < ended.json["retries"] + ended.json["throttled"] <= len(FAULTS)  # fewer if one query met several


def test_all_faults_mixed_at_a_tenth_of_the_requests_do_no_harm(sim, settings, run, query):
    sim.behavior.faults = dict.fromkeys(FAULTS, 0.1 / len(FAULTS))
    sim.behavior.quota_per_second = 1000

    first = run("sync", "--json")
    sim.tenant.live(20 * 86_400)
    later = run("sync", "--json")
    sim.behavior.faults = {}

    assert (first.code, later.code) == (0, 0)
    assert run("audit").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_an_api_that_hangs_is_given_up_by_time_out_and_tried_again(sim, settings, run, query, monkeypatch):
    monkeypatch.setenv(f"{SECTION}REQUEST_TIMEOUT_SECONDS", "1")
    sim.behavior.faults = [None, "hang", "stall"]

    ended = run("sync", "--json")

    assert (ended.code, ended.json["retries"]) == (0, 2)
    assert held_rows(query) == shown_rows(sim)


@pytest.mark.parametrize("fault", ["503", "reset"])
def test_a_dead_api_ends_in_exit_code_4_within_the_bound_and_the_next_sync_continues(
    sim, settings, run, query, monkeypatch, fault
):
    monkeypatch.setenv(f"{SECTION}RETRY_SECONDS", "0.5")
    monkeypatch.setenv(f"{SECTION}CHUNK_ROWS", "200")
    monkeypatch.setenv(f"{SECTION}MAX_ROWS_PER_WINDOW", "100")
    sim.behavior.faults = [None] * 8 + [fault] * 10_000

    ended = run("sync", "--json")
    sim.behavior.faults = {}

    assert ended.code == 4
    assert ended.json["error"]["hint"]
    assert ended.json["seconds"] < 20
    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_tables_that_models_and_attempts_cannot_use_cost_only_them(sim, synced, run, monkeypatch, caplog):
    monkeypatch.setenv(f"{SECTION}BUILD_MODELS", "true")
    with duckdb.connect("videos.duckdb") as connection:
        connection.execute("CREATE TABLE metastudio.reporting_settings (something INTEGER)")
        connection.execute("ALTER TABLE metastudio.sync_attempts RENAME COLUMN mode TO something")

    shown = run("status", "--json")
    assert (shown.code, shown.json["tables"]["digital_human_videos"]) == (0, 600)
    assert "The table sync_attempts cannot be read" in caplog.text
    assert run("sync").code == 0
    assert "The sync is done, but its reporting models are not" in caplog.text


def test_a_wrong_count_is_not_believed_and_delays_nothing(sim, settings, run, query):
    sim.behavior.count_offset = 1

    ended = run("sync", "--json")

    assert ended.code == 5
    assert "missing in" in ended.err
    assert held_rows(query) == shown_rows(sim)
    lines = query('SELECT "count" - rows_read, reason FROM metastudio.extraction_windows WHERE NOT complete')
    assert set(lines) == {(1, "counted, not listed")}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_sync_cleanly_and_the_next_one_finishes_the_work(
    settings, run, query, monkeypatch, folder, number, code
):
    monkeypatch.setenv(f"{SECTION}CHUNK_ROWS", "100")
    monkeypatch.setenv(f"{SECTION}MAX_ROWS_PER_WINDOW", "100")
    monkeypatch.setenv(f"{SECTION}MAX_CONCURRENCY", "1")
    with Simulator(jobs=600, days=400, seed=7, now="2026-01-15T12:00:00Z") as sim:
        monkeypatch.setenv(f"{SECTION}ENDPOINT", sim.url)
        sim.behavior.latency_seconds = 0.3
        with start_process("sync") as process:
            assert process.stderr.readline().count("backfill")  # the first chunk is in
            process.send_signal(number)
            rest = process.stderr.read()
        assert process.returncode == code
        assert "Traceback" not in rest
        assert "nothing is lost" in rest
        sim.behavior.latency_seconds = 0
        assert run("sync").code == 0
        assert held_rows(query) == shown_rows(sim)


def test_a_signal_that_a_library_drops_or_disguises_ends_the_sync_all_the_same(sim, settings, run, monkeypatch):
    def drop(*_) -> set[str]:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return set()

    def disguise(*_, **__):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as interrupt:
            raise RuntimeError("Query interrupted") from interrupt

    monkeypatch.setattr(Destination, "known_rejected", drop)
    assert run("sync").code == 130
    monkeypatch.setattr(Destination, "known_rejected", disguise)
    assert run("sync").code == 143
    monkeypatch.setattr("metastudio.commands.status.open_existing", disguise)
    assert run("status").code == 143


def find_canaries(folder: Path, text: str, canaries: list[str]) -> list[str]:
    """Search what was printed and every file written for secrets."""
    found = [f"{canary} printed" for canary in canaries if canary in text]
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            found += [f"{canary} in {file.name}" for canary in canaries if canary.encode() in content]
    return found


@pytest.mark.parametrize("way", ["key", "token", "password"])
def test_no_secret_is_printed_or_written_whatever_fails(sim, settings, run, folder, monkeypatch, way):
    token = sim.token()
    temporary = sim.temporary_key()
    values = {
        "key": {
            "ACCESS_KEY": temporary.access_key,
            "SECRET_KEY": temporary.secret_key,
            "SECURITY_TOKEN": temporary.security_token,
        },
        "token": {"TOKEN": token},
        "password": {
            "USERNAME": sim.username,
            "PASSWORD": sim.password,
            "DOMAIN_NAME": sim.domain_name,
            "IAM_ENDPOINT": sim.url,
        },
    }[way]
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"{SECTION}CREDENTIALS__{name}")
    for name, value in values.items():
        monkeypatch.setenv(f"{SECTION}CREDENTIALS__{name}", value)
    monkeypatch.setenv(f"{SECTION}RETRY_SECONDS", "0.3")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")
    said = ""
    sim.tenant.corrupt(
        sim.tenant.visible()[5]["job_id"], lastupdate_time="broken", new={"url": "https://x/y?Signature=SIGNED"}
    )
    faults = [*FAULTS, "400", "401", "403", "404", "hang"] if way == "key" else ["400", "401", "reset"]
    monkeypatch.setenv(f"{SECTION}REQUEST_TIMEOUT_SECONDS", "0.2")
    for fault in faults:
        sim.behavior.faults = [None, None, *[fault] * 50]
        ended = run("sync", "-vv", "--json")
        said += ended.out + ended.err
    sim.behavior.faults = {}
    for name in ("RETRY_SECONDS", "REQUEST_TIMEOUT_SECONDS"):
        monkeypatch.delenv(f"{SECTION}{name}")
    for command in (["sync", "-vv", "--json"], ["audit", "-vv"], ["status"], ["check", "-vv"]):
        ended = run(*command)
        assert ended.code == 0, ended.err
        said += ended.out + ended.err

    secret = [value for name, value in values.items() if name not in ("IAM_ENDPOINT", "USERNAME", "DOMAIN_NAME")]
    issued = [token] if way == "token" else []
    canaries = [*secret, *issued, "SDK-HMAC-SHA256", "Signature=", "SIGNED", "AccessKeyId="]
    assert find_canaries(folder, said, canaries) == []


def test_a_secrets_file_that_others_can_read_is_warned_of(sim, settings, run, folder):
    (folder / ".dlt").mkdir()
    secrets = folder / ".dlt" / "secrets.toml"
    secrets.write_text("[sources.metastudio]\n")
    os.chmod(secrets, 0o644)
    assert "chmod 600" in run("check").err
    os.chmod(secrets, 0o600)
    assert "chmod 600" not in run("check").err
