"""Dagster's successful runs: ticks, backfills and audits of a simulated tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from metastudio.records.schema import TABLES
from metastudio.reporting.model_version import MODELS

from tests.e2e.orchestrated import checked, materialized

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)


# Ticks


def test_the_first_tick_loads_all_tables_checks_them_and_builds_the_models(lab, first_tick):
    found, checks = materialized(first_tick), checked(first_tick)

    jobs = {job["job_id"] for job in lab.sim.tenant.visible()}
    assert {row[0] for row in lab.ask("SELECT job_id FROM digital_human_videos")} == jobs
    assert found.keys() >= {table.name for table in TABLES} | {"video_jobs", "daily_production", "sync_health"}
    assert {name: check.passed for name, check in checks.items()} == {
        "freshness": True,
        "completeness": True,
        "rejected": True,
    }
    assert found["digital_human_videos"]["dagster/row_count"] == len(jobs)
    assert found["daily_production"]["built"] is True
    assert lab.ask("SELECT is_complete FROM metastudio_reporting.sync_health") == [(True,)]


def test_each_materialization_shows_the_figures_of_its_run(lab, first_tick):
    for table in TABLES:
        shown = materialized(first_tick)[table.name]
        assert (shown["mode"], shown["requests"] >= 5, 0 < shown["quota_percent"] < 100) == ("backfill", True, True)
        assert (shown["rows_loaded"] >= 400, shown["throttled"], shown["seconds"] > 0) == (True, 0, True)
        assert abs(shown["watermark"] - datetime.now(UTC).timestamp()) < 600


def test_a_tick_without_changes_costs_one_request_and_no_dbt(lab, monkeypatch):
    from metastudio.orchestration import dbt_assets

    monkeypatch.setattr(dbt_assets, "rebuild_models", None)
    asked = lab.sim.stats.requests

    result = lab.tick()

    assert (result.success, lab.sim.stats.requests - asked) == (True, 1)
    found = materialized(result)
    assert (found["digital_human_videos"]["mode"], found["digital_human_videos"]["requests"]) == ("changes", 1)
    assert found["daily_production"]["built"] is False
    assert not [check for check in checked(result) if check not in ("freshness", "completeness", "rejected")]


def test_a_tick_is_skipped_while_the_run_of_an_earlier_one_waits(lab):
    from dagster import DagsterRunStatus, build_schedule_context

    job = lab.defs.resolve_job_def("metastudio_sync")
    run = lab.instance.create_run_for_job(job, status=DagsterRunStatus.STARTING)
    schedule = lab.defs.resolve_schedule_def("metastudio_sync_schedule")
    try:
        ended = schedule.evaluate_tick(build_schedule_context(instance=lab.instance))
    finally:
        lab.instance.delete_run(run.run_id)
    assert not ended.run_requests
    assert "still waiting" in ended.skip_message


def test_the_daily_job_tests_the_models_on_the_data_as_checks(lab):
    result = lab.execute("metastudio_models")

    checks = checked(result)
    assert result.success
    assert all(check.passed for check in checks.values())
    assert checks.keys() >= {f"never_null_{model}" for model in MODELS if model != "models_version"}
    assert "unique_together_video_jobs_project_id__job_id" in checks


# Backfills


def test_a_month_that_lost_rows_is_complete_after_its_partition_ran(lab):
    months = lab.defs.resolve_assets_def(["metastudio", "backfill"]).partitions_def.get_partition_keys()
    month = months[-2]
    condition = f"strftime(create_time, '%Y-%m-01') = '{month}'"
    [(loaded,)] = lab.ask(f"SELECT count(*) FROM digital_human_videos WHERE {condition}")
    lab.ask(f"DELETE FROM digital_human_videos WHERE {condition}")

    result = lab.execute("metastudio_backfill", partition_key=month)

    assert result.success and loaded
    assert lab.ask(f"SELECT count(*) FROM digital_human_videos WHERE {condition}") == [(loaded,)]
    [event] = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    assert (event.partition, event.materialization.metadata["rows_read"].value) == (month, loaded)
    [(since, until)] = lab.ask(
        "SELECT min(since), max(until) FROM extraction_windows"
        " WHERE run_id = (SELECT max_by(run_id, started_at) FROM extraction_windows)"
    )
    assert [f"{time:%Y-%m-%d %X}" for time in (since, until)] == [f"{month} 00:00:00", f"{months[-1]} 00:00:00"]


def test_a_job_of_the_last_second_of_a_month_is_in_its_partition(lab):
    from metastudio.orchestration.maintenance_assets import make_range

    backfill = lab.defs.resolve_assets_def(["metastudio", "backfill"])
    months = backfill.partitions_def.get_partition_keys()
    end = datetime.fromisoformat(f"{months[-1]}T00:00:00+00:00")
    [job_id] = lab.sim.tenant.create(at=end - timedelta(seconds=0.6), state="SUCCEED")

    assert lab.execute("metastudio_backfill", partition_key=months[-2]).success

    assert lab.ask(f"SELECT count(*) FROM digital_human_videos WHERE job_id = '{job_id}'") == [(1,)]
    start = datetime.fromisoformat(f"{months[-2]}T00:00:00+00:00")
    assert make_range(start, end, now=end) == (start.isoformat(), end.isoformat())
    assert make_range(start, end, now=end - timedelta(seconds=1)) == (start.isoformat(), None)


def test_several_months_are_read_in_one_run_and_the_current_one_up_to_now(lab):
    from dagster import AssetKey, BackfillPolicy

    backfill = lab.defs.resolve_assets_def(["metastudio", "backfill"])
    assert backfill.backfill_policy == BackfillPolicy.single_run()
    months = backfill.partitions_def.get_partition_keys()
    assert months[-1] == datetime.now(UTC).strftime("%Y-%m-01")

    result = lab.execute(
        "metastudio_backfill",
        tags={"dagster/asset_partition_range_start": months[-3], "dagster/asset_partition_range_end": months[-1]},
    )

    assert result.success
    key = AssetKey(["metastudio", "backfill"])
    assert lab.instance.get_materialized_partitions(key) >= set(months[-3:])
    since = datetime.fromisoformat(f"{months[-3]}T00:00:00+00:00")
    shown = [job for job in lab.sim.tenant.visible() if datetime.fromisoformat(job["create_time"]) >= since]
    assert materialized(result)["backfill"]["rows_read"] >= len(shown)


@pytest.mark.parametrize(("start_date", "first"), [(None, "2000-01-01"), ("2024-03-17", "2024-03-01")])
def test_the_months_begin_where_a_sync_begins(start_date, first):
    from metastudio.config.settings import Settings
    from metastudio.orchestration.maintenance_assets import make_months

    settings = Settings()
    settings.start_date = start_date or settings.start_date
    assert make_months(settings).get_first_partition_key() == first


# Audits


def test_an_audit_repairs_differences_marks_deleted_jobs_and_reports_both(lab):
    jobs = {job["state"]: job["job_id"] for job in lab.sim.tenant.visible()}
    gone, lost = jobs["SUCCEED"], jobs["FAILED"]
    lab.sim.tenant.vanish(gone)
    lab.ask(f"DELETE FROM digital_human_videos WHERE job_id = '{lost}'")

    result = lab.execute("metastudio_audit")

    assert result.success
    found = materialized(result)["audit"]
    assert (found["mode"], found["not_loaded"], found["other_state"], found["marked_deleted"]) == ("audit", 1, 0, 1)
    assert found["requests"] > 1 and found["rows_read"] > 0
    assert lab.ask("SELECT job_id FROM digital_human_videos WHERE deleted_at IS NOT NULL") == [(gone,)]
    assert lab.ask(f"SELECT count(*) FROM digital_human_videos WHERE job_id = '{lost}'") == [(1,)]
