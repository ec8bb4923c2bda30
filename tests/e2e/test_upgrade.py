"""What an earlier release wrote is taken over as it is: `released/VERSION.zip` holds the DuckDB file and dlt's data directory it left.

Two datasets of a simulated tenant are in it, each synced twice: `metastudio`, and `of_user`, narrowed to the app user `user-1`.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from metastudio_simulator import Simulator

from tests.conftest import NOW
from tests.support.rows import COLUMNS, held_rows, shown_rows

RELEASES = sorted(Path(__file__).with_name("released").glob("*.zip"))
OF_USER = ("--pipeline", "of_user", "--dataset", "of_user")


@pytest.fixture(params=RELEASES, ids=lambda path: path.stem)
def released(request, folder, monkeypatch):
    """The tenant of a release, two hours after its last sync, in a folder as that release left it."""
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(folder)
    with Simulator(jobs=60, days=200, seed=11, now=NOW) as sim:
        sim.clock.advance(7200)
        for name, value in {
            "SOURCES__METASTUDIO__ENDPOINT": sim.url,
            "SOURCES__METASTUDIO__PROJECT_ID": sim.project_id,
            "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY": sim.access_key,
            "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY": sim.secret_key,
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
    assert run("status", "--json").json["schema_version"] == 3
    assert run("audit", "--dry-run").code == 0


def test_rows_of_an_app_user_learn_whose_they_are(released, run, query, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__APP_USER_ID", "user-1")
    held = f"SELECT {', '.join(COLUMNS)} FROM of_user.digital_human_videos ORDER BY job_id"
    before = query(held)

    assert run("sync", *OF_USER).code == 0

    assert query(held) == before
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
