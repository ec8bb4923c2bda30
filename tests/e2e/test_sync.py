"""The main job over real HTTP into a real DuckDB file: what a user relies on, row by row."""

from __future__ import annotations

from datetime import timedelta

import pytest
from metastudio.records.schema import TABLES

from tests.support.rows import held_rows, newest_update, shown_rows


def test_the_first_sync_loads_every_job_exactly_as_the_api_shows_it(sim, settings, run, query):
    ended = run("sync", "--json")

    assert ended.code == 0
    assert held_rows(query) == shown_rows(sim)
    assert ended.json["ok"] is True
    assert ended.json["mode"] == "backfill"
    assert ended.json["rows_loaded"] >= 600
    assert ended.json["requests"] == sim.stats.requests
    assert ended.json["watermark"] == newest_update(sim)
    assert ended.json["error"] is None
    assert len(ended.json["load_ids"]) >= 1
    assert query("SELECT DISTINCT project_id, region, deleted_at FROM metastudio.digital_human_videos") == [
        (sim.project_id, "cn-north-4", None)
    ]


def test_the_json_summary_has_exactly_the_fields_of_the_interface(synced, run):
    assert list(run("sync", "--json").json) == [
        *("command", "ok", "at", "pipeline", "exit_code", "mode", "requests", "retries", "throttled"),
        *("windows", "rows_read", "rows_loaded", "rejected", "marked_deleted", "gaps", "missing"),
        *("scrubbed", "scrub_changed", "lacking", "surplus", "watermark", "seconds", "load_ids", "error"),
    ]


def test_an_update_to_an_old_job_arrives_with_the_next_sync(sim, synced, run, query):
    oldest = sim.tenant.visible()[0]["job_id"]
    sim.clock.advance(3600)
    sim.tenant.update(oldest, asset_name="renamed after a year")

    ended = run("sync", "--json")

    assert (ended.code, ended.json["mode"]) == (0, "changes")
    assert held_rows(query) == shown_rows(sim)
    assert query(
        f"SELECT output_asset_config__asset_name FROM metastudio.digital_human_videos WHERE job_id = '{oldest}'"
    ) == [("renamed after a year",)]


def test_a_month_of_work_ends_in_the_tenants_tables(sim, synced, run, query):
    for _ in range(2):
        sim.tenant.live(15 * 86_400)
        assert run("sync").code == 0
    assert run("audit").code == 0

    assert held_rows(query) == shown_rows(sim)


def test_every_state_seen_stays_in_the_history_and_is_there_once(sim, settings, run, query):
    job = sim.tenant.create(1, state="WAITING")[0]
    run("sync")
    for state in ("PROCESSING", "FAILED", "SUCCEED"):
        sim.clock.advance(60)
        sim.tenant.update(job, state=state)
        run("sync")
        run("sync")

    assert query(
        f"SELECT state, count(*) FROM metastudio.digital_human_video_states WHERE job_id = '{job}'"
        " GROUP BY state, lastupdate_time ORDER BY lastupdate_time"
    ) == [("WAITING", 1), ("PROCESSING", 1), ("FAILED", 1), ("SUCCEED", 1)]


def test_all_tables_and_columns_are_there_and_typed_before_any_row_is(sim, settings, run, query):
    for job in sim.tenant.visible():
        sim.tenant.vanish(job["job_id"])

    assert run("sync").code == 0

    types = dict(
        query(
            "SELECT table_name || '.' || column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'metastudio' AND table_name NOT LIKE '\\_dlt%' ESCAPE '\\'"
        )
    )
    assert len(types) == sum(len(table.columns) for table in TABLES) == 62
    for name in ("create_time", "lastupdate_time", "start_time", "end_time", "deleted_at"):
        assert types[f"digital_human_videos.{name}"] == "TIMESTAMP WITH TIME ZONE"
    assert types["digital_human_videos.duration"] == "DOUBLE"
    assert types["rejected_records.record"] == "VARCHAR"
    assert types["extraction_windows.complete"] == "BOOLEAN"


def test_the_ledger_proves_every_window_of_every_run(sim, synced, run, query):
    run("sync")

    assert query("SELECT count(*) FROM metastudio.extraction_windows WHERE NOT complete") == [(0,)]
    assert query(
        "SELECT mode, sum(\"count\") >= 600 FROM metastudio.extraction_windows WHERE mode = 'backfill' GROUP BY 1"
    ) == [("backfill", True)]
    runs = query('SELECT run_id, list("window" ORDER BY "window") FROM metastudio.extraction_windows GROUP BY 1')
    assert len(runs) == 2
    assert all(windows == list(range(1, len(windows) + 1)) for _, windows in runs)


def test_backfill_reads_a_range_again_and_leaves_the_watermark(sim, synced, run, query):
    ended = run("backfill", "--since", "2025-06-01", "--until", "2025-12-31", "--json")

    assert (ended.code, ended.json["mode"], ended.json["watermark"]) == (0, "backfill", newest_update(sim))
    assert (
        ended.json["rows_read"]
        == query(
            "SELECT count(*) FROM metastudio.digital_human_videos WHERE create_time BETWEEN '2025-06-01' AND '2025-12-31'"
        )[0][0]
    )


def test_five_thousand_jobs_take_at_most_ninety_requests(folder, run, settings, monkeypatch):
    from metastudio_simulator import Simulator

    with Simulator(jobs=5000, days=400, seed=1) as sim:
        monkeypatch.setenv("SOURCES__METASTUDIO__ENDPOINT", sim.url)
        monkeypatch.setenv("SOURCES__METASTUDIO__PROJECT_ID", sim.project_id)
        monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY", sim.access_key)
        monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY", sim.secret_key)
        ended = run("sync", "--json")
        assert (ended.code, ended.json["rows_read"] >= 5000) == (0, True)
        assert sim.stats.requests <= 90


def test_an_endpoint_that_ignores_the_order_is_noticed_and_read_by_windows(sim, settings, run, query):
    sim.behavior.update_time_sorting = "ignored"
    run("sync")
    sim.clock.advance(3600)
    recent = sim.tenant.visible()[-5]["job_id"]
    sim.tenant.update(recent, asset_name="changed")

    ended = run("sync", "--json")

    assert (ended.code, ended.json["mode"]) == (0, "rescan")
    assert held_rows(query) == shown_rows(sim)
    assert all(past["complete"] for past in run("status", "--json").json["last_runs"])


def test_new_jobs_of_the_very_second_of_the_sync_are_not_lost(sim, synced, run, query):
    sim.tenant.create(3, at=sim.clock.now() + timedelta(milliseconds=400))
    sim.clock.advance(1)

    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_a_misspelled_setting_is_pointed_out(settings, run, monkeypatch, caplog):
    monkeypatch.setenv("SOURCES__METASTUDIO__REGOIN", "cn-east-3")
    run("check")
    assert "did you mean SOURCES__METASTUDIO__REGION?" in caplog.text


@pytest.mark.parametrize("command", ["status", "report"])
def test_reading_commands_give_their_errors_as_json_too(settings, run, command):
    ended = run(command, "--json")

    assert (ended.code, ended.json["ok"]) == (2, False)
    assert "metastudio sync first" in ended.json["error"]["hint"]
