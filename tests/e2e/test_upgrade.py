"""The tables and the state of an earlier release are upgraded.

`released/VERSION.zip` has the DuckDB file and dlt's data directory that the release left. They have
two datasets of a simulated tenant, each synced twice: `metastudio`, and `of_user`, which is
narrowed to the app user `user-1`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from metastudio.records.parser import RowParser
from metastudio_simulator import Simulator

from tests.support.rows import COLUMNS, held_rows, shown_rows
from tests.support.simulated import NOW, make_settings

RELEASES = sorted(Path(__file__).with_name("released").glob("*.zip"))
RECORD_HASH = hashlib.sha256(b"{}").hexdigest()
OF_USER = ("--pipeline", "of_user", "--dataset", "of_user")


@pytest.fixture(params=RELEASES, ids=lambda path: path.stem)
def released(request, folder, monkeypatch):
    """Start a release's tenant two hours after its last sync, in the folder that it left."""
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(folder)
    with Simulator(jobs=60, days=200, seed=11, now=NOW) as sim:
        sim.clock.advance(7200)
        for name, value in {
            **make_settings(sim),
            "DESTINATION__DUCKDB__CREDENTIALS": str(folder / "videos.duckdb"),
        }.items():
            monkeypatch.setenv(name, value)
        yield sim


@pytest.mark.parametrize("is_state_lost", [False, True], ids=["with its state", "with its state lost"])
def test_tables_and_state_of_a_release_are_taken_over(released, run, query, folder, is_state_lost):
    before = held_rows(query)
    released.tenant.update(released.tenant.visible()[0]["job_id"], asset_name="renamed long after")
    if is_state_lost:
        shutil.rmtree(folder / "state")

    ended = run("sync", "--json")

    assert ended.code == 0, ended.err
    assert (ended.json["mode"], ended.json["requests"]) == ("changes", 1)
    assert held_rows(query) == shown_rows(released) != before
    assert query("SELECT count(*), count(app_user_id) FROM metastudio.digital_human_videos") == [(60, 0)]
    assert run("status", "--json").json["schema_version"] == 4
    assert run("audit", "--dry-run").code == 0


@pytest.fixture
def default_file(released, folder, monkeypatch):
    """Return the folder as release 0.1.0 leaves it if no file is configured."""
    (folder / "videos.duckdb").rename(folder / "metastudio.duckdb")
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    return folder / "metastudio.duckdb"


@pytest.mark.parametrize("command", ["sync", "status", "report", "models"])
def test_the_default_file_of_release_0_1_is_to_be_renamed_and_nothing_is_read_again(
    released, default_file, run, query, folder, command
):
    ended = run(command)
    assert ended.code == 2
    assert "This folder holds metastudio.duckdb, the file of release 0.1" in ended.err
    assert "mv metastudio.duckdb videos.duckdb." in ended.err
    assert not (folder / "videos.duckdb").exists()
    subprocess.run(ended.err.partition("in it: ")[2].strip().rstrip("."), shell=True, check=True)
    released.stats.reset()

    ended = run("sync", "--json")

    assert (ended.code, ended.json["mode"], ended.json["requests"]) == (0, "changes", 1)
    assert held_rows(query) == shown_rows(released)


def test_what_a_killed_sync_left_in_the_write_ahead_log_is_renamed_with_the_file(default_file, run, query):
    code = (
        "import duckdb, os, sys; connection = duckdb.connect(sys.argv[1]);"
        "connection.execute('CREATE TABLE metastudio.metastudio.of_a_user AS SELECT 1 AS number'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(default_file)], check=True)

    ended = run("sync")

    assert "mv metastudio.duckdb videos.duckdb && mv metastudio.duckdb.wal videos.duckdb.wal" in ended.err
    subprocess.run(ended.err.partition("in it: ")[2].strip().rstrip("."), shell=True, check=True)
    assert run("sync").code == 0
    assert query("SELECT number FROM metastudio.of_a_user") == [(1,)]


def test_a_configured_file_of_release_0_1_with_the_datasets_name_is_to_be_renamed(
    released, default_file, run, query, monkeypatch
):
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(default_file))

    ended = run("sync")

    assert ended.code == 2
    assert "rename it (mv metastudio.duckdb videos.duckdb) and set DESTINATION__DUCKDB__CREDENTIALS=" in ended.err


def test_rows_of_an_app_user_learn_whose_they_are(released, run, query, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__APP_USER_ID", "user-1")
    jobs = f"SELECT {', '.join(COLUMNS)} FROM of_user.digital_human_videos ORDER BY job_id"
    before = query(jobs)

    with duckdb.connect("videos.duckdb") as connection:
        connection.execute(
            "INSERT INTO of_user.rejected_records (project_id, record_hash, record, reason)"
            f" SELECT DISTINCT project_id, '{RECORD_HASH}', '{{}}', 'old' FROM of_user.digital_human_videos"
        )

    assert run("sync", *OF_USER).code == 0

    parser = RowParser(app_user_id="user-1")
    new_hash = parser.make_rejected({}, "", None, datetime.now(UTC)).record_hash
    assert query("SELECT app_user_id, record_hash FROM of_user.rejected_records") == [("user-1", new_hash)]
    assert query(jobs) == before
    assert query("SELECT DISTINCT app_user_id FROM of_user.digital_human_videos") == [("user-1",)]
    assert query("SELECT DISTINCT app_user_id FROM of_user.extraction_windows") == [("user-1",)]
    assert run("audit", "--dry-run", *OF_USER).code == 0


def test_before_the_first_sync_of_a_new_release_status_works_and_the_report_says_what_to_do(released, run):
    assert run("status", "--json").json["schema_version"] == 1
    ended = run("report")
    assert ended.code == 2
    assert "Run metastudio sync first" in ended.err


def test_what_a_newer_release_wrote_is_refused_and_left_alone(released, run, query, monkeypatch):
    assert run("sync").code == 0
    before = query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id")
    asked = released.stats.requests
    monkeypatch.setattr("metastudio.source.state.SCHEMA_VERSION", 1)

    ended = run("sync")

    assert ended.code == 2
    assert "newer release" in ended.err
    assert "Upgrade" in ended.err
    assert released.stats.requests == asked
    assert query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id") == before
