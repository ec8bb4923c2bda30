"""Wrong input ends in one clear sentence and its exit code, without any secret."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from filelock import FileLock

from tests.support.command_line import run_in_process

SECTION = "SOURCES__METASTUDIO__"


def assert_refused(ended, code, *words):
    assert ended.code == code, ended.err
    errors = [line for line in ended.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "Traceback" not in ended.err
    for word in words:
        assert word in errors[0]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PROJECT_ID", None, ["project ID is missing", "SOURCES__METASTUDIO__PROJECT_ID"]),
        ("PROJECT_ID", "../../v3", ["project ID"]),
        ("CREDENTIALS__SECRET_KEY", None, ["credentials are incomplete", "access_key and secret_key"]),
        ("CREDENTIALS__ACCESS_KEY", None, ["credentials are incomplete", "access_key and secret_key"]),
        ("CREDENTIALS__SECRET_KEY", "opensesame\n", ["credentials.secret_key ends with a line break"]),
        ("CREDENTIALS__ACCESS_KEY", " AK", ["credentials.access_key has a space or line break before or after it"]),
        ("ENDPOINT", "http://example.com", ["http"]),
        ("ENDPOINT", "ftp://example.com", ["endpoint"]),
        ("APP_USER_ID", "用户", ["app_user_id", "ASCII"]),
        ("START_DATE", "yesterday-ish", ["start_date is not a valid date", "2024-01-31"]),
        ("START_DATE", "2999-01-01", ["start_date is in the future"]),
        ("PAGE_SIZE", "101", ["page_size is out of bounds", "1 and 100"]),
        ("PAGE_SIZE", "0", ["page_size is out of bounds"]),
        ("OVERLAP_SECONDS", "-1", ["overlap_seconds is out of bounds"]),
        ("OVERLAP_SECONDS", "ten", ["overlap_seconds is of the wrong type"]),
        ("REQUESTS_PER_SECOND", "0", ["requests_per_second is out of bounds"]),
        ("MAX_CONCURRENCY", "0", ["max_concurrency is out of bounds"]),
        ("MAX_ROWS_PER_WINDOW", "0", ["max_rows_per_window is out of bounds"]),
        ("CHUNK_ROWS", "0", ["chunk_rows is out of bounds"]),
        ("MAX_REJECTED", "-1", ["max_rejected is out of bounds"]),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_asked(sim, settings, run, monkeypatch, name, value, words):
    if value is None:
        monkeypatch.delenv(SECTION + name)
    else:
        monkeypatch.setenv(SECTION + name, value)

    ended = run("sync", "--json")

    assert_refused(ended, 2, *words)
    assert ended.json["ok"] is False
    assert ended.json["error"]["message"]
    assert sim.stats.requests == 0
    assert sim.secret_key not in ended.err + ended.out


def test_a_region_that_is_not_listed_needs_an_endpoint_and_is_in_the_rows(settings, run, query, monkeypatch):
    monkeypatch.setenv(f"{SECTION}REGION", "mars-1")
    assert run("sync").code == 0
    assert query("SELECT DISTINCT region FROM metastudio.digital_human_videos") == [("mars-1",)]

    monkeypatch.delenv(f"{SECTION}ENDPOINT")
    assert_refused(run("sync"), 2, "region", "cn-north-4", "cn-east-3", "ap-southeast-3", "endpoint")


def test_missing_credentials_are_reported_with_the_kinds_there_are(settings, run, monkeypatch):
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"{SECTION}CREDENTIALS__{name}")

    assert_refused(run("sync"), 2, "No credentials are set", "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY", "TOKEN")


def test_a_wrong_key_ends_in_exit_code_3_with_the_apis_code(settings, run, monkeypatch):
    monkeypatch.setenv(f"{SECTION}CREDENTIALS__SECRET_KEY", "not-the-key")
    ended = run("sync", "--json")

    assert_refused(ended, 3, "APIGW.0301", "X-Request-Id")
    assert ended.json["error"]["code"] == "APIGW.0301"
    assert ended.json["error"]["request_id"]
    assert "not-the-key" not in ended.err + ended.out


def test_a_wrong_password_ends_in_exit_code_3(sim, settings, run, monkeypatch):
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"{SECTION}CREDENTIALS__{name}")
    for name, value in {
        "USERNAME": sim.username,
        "PASSWORD": "wrong-one",
        "DOMAIN_NAME": sim.domain_name,
        "IAM_ENDPOINT": sim.url,
    }.items():
        monkeypatch.setenv(f"{SECTION}CREDENTIALS__{name}", value)

    ended = run("sync")

    assert_refused(ended, 3)
    assert "wrong-one" not in ended.err


def test_an_unknown_project_is_a_configuration_error(settings, run, monkeypatch):
    monkeypatch.setenv(f"{SECTION}PROJECT_ID", "0" * 32)

    assert_refused(run("sync"), 2, "MSS.00000002")


def test_an_unreachable_host_ends_in_exit_code_4(settings, run, monkeypatch):
    monkeypatch.setenv(f"{SECTION}ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv(f"{SECTION}RETRY_SECONDS", "0.2")

    assert_refused(run("sync"), 4, "127.0.0.1")


def test_a_path_that_cannot_be_written_is_reported(settings, run, folder, monkeypatch):
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "no" / "such" / "folder" / "videos.duckdb"))

    assert_refused(run("sync"), 2, "DuckDB file cannot be opened or written", "DESTINATION__DUCKDB__CREDENTIALS")


def test_a_file_that_is_not_a_database_is_reported(settings, run, folder):
    (folder / "videos.duckdb").write_text("not a database, but long enough to look like something" * 100)

    assert_refused(run("sync"), 2, "The file is not a DuckDB database", "DESTINATION__DUCKDB__CREDENTIALS")


@pytest.mark.parametrize("command", ["sync", "status", "report"])
def test_a_file_that_another_process_uses_is_reported(settings, run, folder, monkeypatch, command):
    monkeypatch.setenv(f"{SECTION}LOCK_SECONDS", "0")
    program = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE TABLE x (i INT)');"
        " print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder / "videos.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "open\n"
        ended = run(command)
        holder.stdin.close()

    assert_refused(ended, 4, "in use by another process", f"PID {holder.pid}")


@pytest.mark.parametrize("command", ["sync", "audit"])
def test_a_state_directory_that_cannot_be_written_is_reported(settings, run, folder, monkeypatch, command):
    (folder / "file").touch()
    monkeypatch.setenv("DLT_DATA_DIR", str(folder / "file"))

    assert_refused(run(command), 2, "Not a directory", "DLT_DATA_DIR")


@pytest.mark.parametrize("command", [["status"], ["check"], ["report"]])
def test_a_command_that_only_reads_leaves_no_file_behind(settings, run, folder, command):
    run(*command)

    assert not list(folder.iterdir())


def test_a_full_disk_is_reported_and_the_next_sync_continues(sim, settings, run, query, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr("dlt.common.storages.file_storage.FileStorage.save", fail)
        assert_refused(run("sync"), 4, "disk is full")

    assert run("sync").code == 0
    assert query("SELECT count(*) FROM metastudio.digital_human_videos") == [(len(sim.tenant.visible()),)]


def test_an_invalid_url_is_reported_without_its_password(settings, run, monkeypatch):
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql//me:opensesame@host:port/x")

    ended = run("sync", "--destination", "postgres")

    assert_refused(ended, 2, "is not a URL", "DESTINATION__POSTGRES__CREDENTIALS")
    assert "opensesame" not in ended.err


@pytest.mark.parametrize("file", ["config.toml", "secrets.toml"])
def test_a_configuration_file_that_cannot_be_read_is_reported(folder, file):
    (folder / file).write_text("[sources.metastudio]\nregion =\nsecret_key = opensesame\n")

    ended = run_in_process("status", "--config-dir", ".", "--json")

    assert_refused(ended, 2, "not valid TOML", file, "line 2")
    assert "opensesame" not in ended.err
    assert ended.json["ok"] is False


def test_a_misspelled_setting_in_a_file_is_pointed_out(folder):
    (folder / "config.toml").write_text(
        '[sources.metastudio]\nregoin = "x"\ntenants = ["a"]\n[sources.metastudio.a]\noverlap_secs = 1\n'
        '[source.metastudio]\nregion = "x"\n[pipelines.metastudio]\ndestination_type = "postgres"\n',
        encoding="utf-8-sig",  # with a byte-order mark
    )

    ended = run_in_process("status", "--config-dir", ".")

    assert "did you mean sources.metastudio.region?" in ended.err
    assert "did you mean sources.metastudio.a.overlap_seconds?" in ended.err
    assert "There is no section source.metastudio.region; did you mean sources.metastudio.region?" in ended.err
    assert "Set DESTINATION__<NAME>__CREDENTIALS" in ended.err  # PostgreSQL's are missing


def test_an_empty_section_in_a_file_is_not_a_mistake(folder):
    (folder / "config.toml").write_text("[sources.metastudio]\n")

    assert_refused(run_in_process("status", "--config-dir", "."), 2, "metastudio sync first")


@pytest.mark.parametrize("command", ["sync", "status"])
def test_a_pipeline_without_a_name_is_refused(settings, run, command):
    assert_refused(run(command, "--pipeline", ""), 2, "no name")


def test_an_unknown_destination_is_reported(settings, run):
    assert_refused(run("sync", "--destination", "oracle8"), 2, "destination")


def test_a_second_sync_of_a_pipeline_stops_at_once_with_exit_code_6(sim, settings, run, folder):
    lock = folder / "state" / "pipelines" / "metastudio.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        ended = run("sync")

    assert_refused(ended, 6, "under way")
    assert sim.stats.requests == 0
    assert not (folder / "videos.duckdb").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("STATE", "SUCCEED"), ("JOB_TYPE", "2D_DIGITAL_HUMAN_VIDEO"), ("APP_USER_ID", "user-1")]
)
def test_a_filter_changed_on_a_pipeline_with_state_is_refused(synced, run, query, monkeypatch, name, value):
    before = query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id")
    monkeypatch.setenv(SECTION + name, value)

    assert_refused(run("sync"), 2, name.lower(), "--pipeline")
    assert query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id") == before


def test_a_filter_that_matches_nothing_is_pointed_out(settings, run, monkeypatch):
    monkeypatch.setenv(f"{SECTION}APP_USER_ID", "nobody")

    checked = {item["name"]: item for item in run("check", "--json").json["items"]}
    ended = run("sync")

    assert checked["project"]["verdict"] == "note"
    assert "no job matches app_user_id" in checked["project"]["text"]
    assert (ended.code, "No job matches app_user_id: check the setting" in ended.err) == (0, True)


@pytest.mark.parametrize("command", [["status"], ["report"], ["audit"], ["backfill", "--since", "2025-01-01"]])
def test_a_command_that_needs_a_synced_pipeline_says_so(settings, run, command, folder):
    assert_refused(run(*command), 2, "metastudio sync first")


@pytest.mark.parametrize(
    "arguments", [["sync", "--no-such-option"], ["no-such-command"], ["backfill"], ["sync", "--config-dir", "nowhere"]]
)
def test_wrong_usage_ends_in_exit_code_2(run, arguments):
    ended = run(*arguments)
    assert ended.code == 2
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("since", ["someday", "2999-01-01"])
def test_a_range_that_is_none_is_refused(settings, run, since):
    assert_refused(run("backfill", "--since", since), 2, "--since")


@pytest.mark.parametrize("until", ["2025-01-01", "2024-12-31"])
def test_a_range_that_holds_nothing_is_refused(synced, run, until):

    assert_refused(run("backfill", "--since", "2025-01-01", "--until", until), 2, "--until")


def test_settings_are_read_from_a_folder_given_on_the_command_line(sim, settings, folder, monkeypatch):
    for name in [name for name in settings if name.startswith(SECTION)]:
        monkeypatch.delenv(name)
    config = folder / "elsewhere"
    config.mkdir()
    (config / "config.toml").write_text(
        f'[sources.metastudio]\nendpoint = "{sim.url}"\nproject_id = "{sim.project_id}"\n'
    )
    (config / "secrets.toml").write_text(
        f'[sources.metastudio.credentials]\naccess_key = "{sim.access_key}"\nsecret_key = "{sim.secret_key}"\n'
    )

    ended = run_in_process("check", "--config-dir", "elsewhere")

    assert (ended.code, ended.err.count("Error")) == (0, 0)
