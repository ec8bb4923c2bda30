"""Broken records and undocumented fields."""

from __future__ import annotations

import duckdb
import pytest

from tests.support.rows import held_rows, shown_rows


def test_broken_rows_are_rejected_and_stop_nothing(sim, settings, run, query):
    spoiled = sim.tenant.visible()[10]["job_id"]
    sim.tenant.corrupt(spoiled, lastupdate_time="not-a-time", duration="abc")
    sim.tenant.add_raw({"state": "SUCCEED", "cover_url": "https://x/y?Signature=secret"}, at="2025-11-01T00:00:00Z")
    sim.tenant.add_raw("nonsense", at="2025-11-02T00:00:00Z")

    ended = run("sync", "--json")

    assert (ended.code, ended.json["rejected"]) == (0, 3)
    assert query("SELECT count(*), count(DISTINCT job_id) FROM metastudio.digital_human_videos") == [(600, 600)]
    assert query(
        f"SELECT lastupdate_time, duration FROM metastudio.digital_human_videos WHERE job_id = '{spoiled}'"
    ) == [(None, None)]
    assert sorted(query("SELECT reason FROM metastudio.rejected_records")) == [
        ("not as documented: lastupdate_time, duration",),
        ("the record has no job_id",),
        ("the record is not an object",),
    ]
    assert query(
        "SELECT count(*) FROM metastudio.rejected_records WHERE record LIKE '%Signature%' OR request_id IS NULL"
    ) == [(0,)]


def test_too_many_broken_rows_end_in_exit_code_5_and_stop_nothing(sim, settings, run, query, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__MAX_REJECTED", "2")
    for number in range(3):
        sim.tenant.add_raw(number, at="2025-11-01T00:00:00Z")

    ended = run("sync", "--json")

    assert ended.code == 5
    assert "max_rejected" in ended.err
    assert held_rows(query) == shown_rows(sim)
    assert run("sync").code == 0  # the same records do not count again
    assert "rejected_records" in ended.json["error"]["hint"]


def test_unknown_fields_become_columns_and_unknown_states_count_as_open(sim, settings, run, query):
    sim.behavior.unknown_fields = {"priority": 3, "labels": {"team": "a", "deep": {"x": 1}}, "tags": ["a", "b"]}
    sim.tenant.update(sim.tenant.visible()[0]["job_id"], state="POLISHING")
    assert run("sync").code == 0

    assert query("SELECT DISTINCT priority, labels__team, labels__deep, tags FROM metastudio.digital_human_videos") == [
        (3.0, "a", '{"x":1}', '["a","b"]')
    ]
    assert "POLISHING" in {state for (state,) in query("SELECT state FROM metastudio.digital_human_videos")}


def test_a_schema_contract_forbids_new_fields_and_nothing_is_half_loaded(sim, settings, run, query, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__SCHEMA_CONTRACT", "freeze")
    run("sync")
    before = query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id")
    states = query("SELECT count(*) FROM metastudio.digital_human_video_states")
    sim.clock.advance(3600)
    sim.behavior.unknown_fields = {"priority": 3}
    sim.tenant.update(sim.tenant.visible()[0]["job_id"], state="FAILED")

    ended = run("sync")

    assert ended.code == 5
    assert "schema_contract forbids" in ended.err
    assert query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id") == before
    assert query("SELECT count(*) FROM metastudio.digital_human_video_states") == states
    monkeypatch.setenv("SOURCES__METASTUDIO__SCHEMA_CONTRACT", "discard_value")
    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_a_field_that_changes_its_type_goes_to_a_column_of_its_own(sim, settings, run, query):
    sim.behavior.unknown_fields = {"priority": 3}
    run("sync")
    sim.behavior.unknown_fields = {"priority": "high"}
    sim.clock.advance(3600)
    changed = sim.tenant.visible()[0]["job_id"]
    sim.tenant.update(changed, asset_name="x")
    assert run("sync").code == 0

    assert query(
        f"SELECT priority, priority__v_text FROM metastudio.digital_human_videos WHERE job_id = '{changed}'"
    ) == [(None, "high")]


@pytest.mark.parametrize(
    "fields",
    [
        [{"": 1.5}, {"  ": "text"}],
        [{"priority": {"v_text": 1.5}}, {"priority": 1.5}, {"priority": "high"}],
    ],
    ids=["no name", "a name like that of a variant"],
)
def test_no_name_of_a_field_blocks_the_later_syncs(sim, synced, run, query, fields):
    for job, field in zip(sim.tenant.visible(), fields, strict=False):
        sim.clock.advance(3600)
        sim.tenant.corrupt(job["job_id"], **field)
        sim.tenant.update(job["job_id"], asset_name="changed")
        assert run("sync").code == 0

    assert query(
        "SELECT count(*) FROM metastudio.digital_human_videos WHERE output_asset_config__asset_name = 'changed'"
    ) == [(len(fields),)]


def test_a_package_that_the_destination_refuses_does_not_block_the_later_syncs(
    sim, synced, run, query, folder, monkeypatch
):
    sim.clock.advance(3600)
    sim.tenant.change_some(create=5, update=10)
    sim.tenant.corrupt(sim.tenant.visible()[-1]["job_id"], priority="high")
    with duckdb.connect(str(folder / "videos.duckdb")) as connection:  # as another tenant's sync at the same instant
        connection.execute("ALTER TABLE metastudio.digital_human_videos ADD COLUMN priority DOUBLE")
    with monkeypatch.context() as blind:
        blind.setattr("metastudio.destination.jobs.Destination.column_types", lambda self: {})
        assert run("sync").code == 1
    assert run("sync").code == 0

    assert held_rows(query) == shown_rows(sim)
    assert query("SELECT priority__v_text FROM metastudio.digital_human_videos WHERE priority__v_text IS NOT NULL") == [
        ("high",)
    ]
