"""Dagster, in process: a tick, a partition, a failing check, and each exit code, against a simulated tenant and a real DuckDB file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from metastudio.errors import ConfigurationError
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES

from tests.e2e.orchestrated import Orchestrated, checked, clear_settings, materialized, orchestrate, tags

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
    ),
    pytest.mark.xdist_group("dagster"),
]
SECTION = "SOURCES__METASTUDIO__"
VIDEOS = ["metastudio", "digital_human_videos"]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory):
    with orchestrate(tmp_path_factory.mktemp("dagster")) as orchestrated:
        yield orchestrated


@pytest.fixture(scope="module")
def first_tick(fresh: Orchestrated):
    """The first tick of the schedule, and the run that it asks for: the backfill, the checks and the models."""
    return tick(fresh)


@pytest.fixture
def lab(fresh: Orchestrated, first_tick) -> Orchestrated:
    """What the first tick left. Who changes it puts it back."""
    assert first_tick.success
    return fresh


@pytest.fixture
def impatient(monkeypatch):
    from metastudio.orchestration import results

    monkeypatch.setattr(results, "RETRY_SECONDS", 0)
    monkeypatch.setenv(f"{SECTION}RETRY_SECONDS", "0")


def tick(lab: Orchestrated):
    from dagster import build_schedule_context

    schedule = lab.defs.resolve_schedule_def("metastudio_sync_schedule")
    [request] = schedule.evaluate_tick(build_schedule_context(instance=lab.instance)).run_requests
    return lab.execute(schedule.job_name, tags=request.tags)


def execute(lab: Orchestrated, job: str):
    """Run a job; where it has partitions, for the current month."""
    months = lab.defs.resolve_job_def(job).partitions_def
    return lab.execute(job, **({"partition_key": months.get_last_partition_key()} if months else {}))


def failure(result):
    """The failure of the only step that failed."""
    [event] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    return event.step_failure_data.user_failure_data


# What there is


def test_definitions_load_without_settings_and_ask_and_write_nothing(fresh, tmp_path, monkeypatch):
    from metastudio.orchestration import make_definitions

    asked = fresh.sim.stats.requests
    monkeypatch.chdir(tmp_path)
    make_definitions()
    assert fresh.sim.stats.requests == asked
    clear_settings(monkeypatch)

    defs = make_definitions()

    assert {job.name for job in defs.resolve_all_job_defs()} >= {"metastudio_sync", "metastudio_backfill"}
    assert not list(tmp_path.iterdir())


def test_the_lineage_runs_from_the_api_through_every_raw_table_to_the_report(fresh):
    from dagster import AssetKey

    graph = fresh.defs.resolve_asset_graph()
    for model in ("daily_production", "failure_reasons", "backlog", "output_assets"):
        upstream = graph.get_ancestor_asset_keys(AssetKey(["metastudio_reporting", model]))
        assert {AssetKey(["metastudio", "api"]), AssetKey(VIDEOS)} <= upstream
    for table in TABLES:
        node = graph.get(AssetKey(["metastudio", table.name]))
        assert node.parent_keys == {AssetKey(["metastudio", "api"])}
        assert {key.path[0] for key in node.child_keys} == {"metastudio_reporting"}
        assert [(column.name, column.description) for column in node.metadata["dagster/column_schema"].columns] == [
            (column.name, column.description) for column in table.columns
        ]


def test_every_asset_is_described_by_itself_and_grouped(fresh):
    graph = fresh.defs.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert len({node.description for node in nodes} - {None, ""}) == len(nodes)
    groups = ("api", "maintenance", "raw", "staging", "reporting")
    assert {node.group_name for node in nodes} == {f"metastudio_{group}" for group in groups}


def test_everything_runs_in_one_process_and_one_pool_and_nothing_is_told_to_the_vendor(fresh):
    from dagster._core.instance.config import PoolGranularity

    assert {job.executor_def.name for job in fresh.defs.resolve_all_job_defs()} == {"in_process"}
    pools = {node.pool for assets in fresh.defs.assets if hasattr(assets, "op") for node in [assets.op]}
    pools |= {checks.op.pool for checks in fresh.defs.asset_checks}
    assert pools == {"metastudio"}
    limits = fresh.instance.get_concurrency_config().pool_config
    assert (limits.pool_granularity, limits.default_pool_limit) == (PoolGranularity.RUN, 1)
    assert not fresh.instance.telemetry_enabled


def test_the_schedule_is_a_setting_and_a_wrong_one_says_what_to_do(fresh, monkeypatch):
    from dagster import DefaultScheduleStatus
    from metastudio.orchestration import make_definitions

    name = "metastudio_sync_schedule"
    default = fresh.defs.resolve_schedule_def(name)
    assert (default.cron_schedule, default.default_status) == ("*/15 * * * *", DefaultScheduleStatus.RUNNING)
    monkeypatch.setenv(f"{SECTION}BUILD_MODELS", "false")
    monkeypatch.setenv(f"{SECTION}SCHEDULE", "5 * * * *")
    assert make_definitions().resolve_schedule_def(name).cron_schedule == "5 * * * *"
    monkeypatch.setenv(f"{SECTION}SCHEDULE", "every morning")
    with pytest.raises(ConfigurationError, match=r"schedule is not a valid cron expression\. .*15 minutes"):
        make_definitions()


def test_audit_and_models_tests_run_each_night_one_after_the_other(fresh):
    from dagster import DefaultScheduleStatus

    found = [fresh.defs.resolve_schedule_def(f"metastudio_{name}_schedule") for name in ("audit", "models")]
    assert [schedule.job_name for schedule in found] == ["metastudio_audit", "metastudio_models"]
    assert [schedule.cron_schedule for schedule in found] == ["47 2 * * *", "17 3 * * *"]
    assert {schedule.default_status for schedule in found} == {DefaultScheduleStatus.RUNNING}


def test_models_that_are_left_to_the_users_own_project_are_no_assets(fresh, monkeypatch):
    from metastudio.orchestration import make_definitions

    monkeypatch.setenv(f"{SECTION}BUILD_MODELS", "false")
    keys = make_definitions().resolve_asset_graph().get_all_asset_keys()
    assert {key.path[0] for key in keys} == {"metastudio"}


def test_each_tenant_has_assets_jobs_schedule_and_checks_of_its_own_and_all_feed_the_models(fresh, monkeypatch):
    from dagster import AssetKey
    from metastudio.orchestration import make_definitions

    for name, value in (("TENANTS", "berlin,paris"), ("PARIS__SCHEDULE", "0 * * * *"), ("PARIS__PROJECT_ID", "b")):
        monkeypatch.setenv(f"{SECTION}{name}", value)

    defs = make_definitions()

    graph = defs.resolve_asset_graph()
    for city, cron in (("berlin", "*/15 * * * *"), ("paris", "0 * * * *")):
        own = [key for key in graph.get_all_asset_keys() if key.path[:2] == ["metastudio", city]]
        assert {key.path[2] for key in own} == {"api", "audit", "backfill", *(table.name for table in TABLES)}
        assert defs.resolve_schedule_def(f"metastudio_sync_schedule_{city}").cron_schedule == cron
        assert defs.resolve_schedule_def(f"metastudio_audit_schedule_{city}").job_name == f"metastudio_audit_{city}"
        selected = defs.resolve_job_def(f"metastudio_sync_{city}").asset_layer.selected_asset_keys
        assert {key.path[1] for key in selected if len(key.path) == 3} == {city}
        assert AssetKey(["metastudio_reporting", "daily_production"]) in selected
    parents = graph.get(AssetKey(["metastudio_reporting", "stg_video_jobs"])).parent_keys
    assert parents == {AssetKey(["metastudio", city, "digital_human_videos"]) for city in ("berlin", "paris")}
    pools = {checks.op.pool for checks in defs.asset_checks}
    assert pools == {"metastudio"}  # a DuckDB file has one writer
    on_a_warehouse = make_definitions(Options(destination="postgres"))
    pools = {
        assets.op.pool for assets in [*on_a_warehouse.assets, *on_a_warehouse.asset_checks] if hasattr(assets, "op")
    }
    assert pools == {"metastudio_berlin", "metastudio_paris", None}  # of the models: they would have all wait for one


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


def test_each_materialisation_shows_what_its_run_took(lab, first_tick):
    for table in TABLES:
        shown = materialized(first_tick)[table.name]
        assert (shown["mode"], shown["requests"] >= 5, 0 < shown["quota_percent"] < 100) == ("backfill", True, True)
        assert (shown["rows_loaded"] >= 400, shown["throttled"], shown["seconds"] > 0) == (True, 0, True)
        assert abs(shown["watermark"] - datetime.now(UTC).timestamp()) < 600


def test_a_tick_without_changes_costs_one_request_and_no_dbt(lab, monkeypatch):
    from metastudio.orchestration import dbt_assets

    monkeypatch.setattr(dbt_assets, "rebuild_models", None)
    asked = lab.sim.stats.requests

    result = tick(lab)

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
    assert len(checks) > 70 and all(check.passed for check in checks.values())
    assert "unique_together_video_jobs_project_id__job_id" in checks


# Backfills


def test_a_month_that_lost_rows_is_whole_again_after_its_partition_ran(lab):
    months = lab.defs.resolve_assets_def(["metastudio", "backfill"]).partitions_def.get_partition_keys()
    month = months[-2]
    condition = f"strftime(create_time, '%Y-%m-01') = '{month}'"
    [(held,)] = lab.ask(f"SELECT count(*) FROM digital_human_videos WHERE {condition}")
    lab.ask(f"DELETE FROM digital_human_videos WHERE {condition}")

    result = lab.execute("metastudio_backfill", partition_key=month)

    assert result.success and held
    assert lab.ask(f"SELECT count(*) FROM digital_human_videos WHERE {condition}") == [(held,)]
    [event] = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    assert (event.partition, event.materialization.metadata["rows_read"].value) == (month, held)
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


def test_an_audit_mends_what_differs_marks_what_vanished_and_says_so(lab):
    jobs = {job["state"]: job["job_id"] for job in lab.sim.tenant.visible()}
    gone, lost = jobs["SUCCEED"], jobs["FAILED"]
    lab.sim.tenant.vanish(gone)
    lab.ask(f"DELETE FROM digital_human_videos WHERE job_id = '{lost}'")

    result = lab.execute("metastudio_audit")

    assert result.success
    found = materialized(result)["audit"]
    assert (found["mode"], found["missing"], found["other_state"], found["marked_deleted"]) == ("audit", 1, 0, 1)
    assert found["requests"] > 1 and found["rows_read"] > 0
    assert lab.ask("SELECT job_id FROM digital_human_videos WHERE deleted_at IS NOT NULL") == [(gone,)]
    assert lab.ask(f"SELECT count(*) FROM digital_human_videos WHERE job_id = '{lost}'") == [(1,)]


# Checks


@pytest.fixture
def unproved(lab):
    """A window of a last run that could not be proved whole, and a rejected record."""
    lab.ask(
        "INSERT INTO extraction_windows SELECT * REPLACE ('broken' AS run_id, now() + INTERVAL 1 DAY AS finished_at,"
        " false AS complete, 'backfill' AS mode) FROM extraction_windows LIMIT 1"
    )
    lab.ask(
        "INSERT INTO rejected_records (project_id, record_hash, record, reason, rejected_at)"
        " SELECT project_id, 'broken', '{}', '', now() FROM extraction_windows LIMIT 1"
    )
    yield
    lab.ask("DELETE FROM extraction_windows WHERE run_id = 'broken'")
    lab.ask("DELETE FROM rejected_records WHERE record_hash = 'broken'")


def test_an_unproved_window_fails_the_check_and_holds_the_models_back(lab, unproved):
    result = tick(lab)

    check = checked(result)["completeness"]
    assert (result.success, check.passed, check.blocking) == (False, False, True)
    assert "1 window of the last run could not be proved complete" in check.description
    assert materialized(result).keys() == {table.name for table in TABLES}
    assert checked(result)["freshness"].passed and not checked(result)["rejected"].passed


def test_the_ledger_tells_the_same_as_the_model_where_that_is_not_built(lab, unproved, monkeypatch):
    from metastudio.orchestration.checks import find_health

    modeled = find_health(lab.warehouse.options)
    monkeypatch.setattr("metastudio.reporting.model_version.make_fingerprint", lambda: "newer")
    counted = find_health(lab.warehouse.options)

    assert counted.pop("freshness_seconds") == pytest.approx(modeled["freshness_seconds"], abs=60)
    assert counted.items() <= modeled.items()
    assert counted["last_complete_sync_at"] is not None
    assert (counted["incomplete_windows"], counted["rejected_records"]) == (1, 1)


def test_stale_tables_warn_and_later_are_an_error():
    from dagster import AssetCheckSeverity
    from metastudio.orchestration.checks import check_completeness, check_freshness, check_rejected

    synced = {"last_complete_sync_at": datetime(2026, 1, 15, 12, tzinfo=UTC), "incomplete_windows": 0}
    found = [check_freshness({**synced, "freshness_seconds": hours * 3600.0}, 3600) for hours in (1, 2, 5)]
    assert [result.passed for result in found] == [True, False, False]
    assert [result.severity for result in found[1:]] == [AssetCheckSeverity.WARN, AssetCheckSeverity.ERROR]
    rejected = check_rejected({"rejected_records": 2})
    assert (rejected.passed, rejected.severity) == (False, AssetCheckSeverity.WARN)
    never = {"last_complete_sync_at": None, "freshness_seconds": None, "incomplete_windows": 0}
    assert not check_freshness(never, 3600).passed and not check_completeness(never).passed


def test_a_check_says_what_the_report_says(lab, unproved):
    from metastudio.commands.report import run_report
    from metastudio.reporting.health import describe_health

    results = checked(lab.execute("metastudio_health"))
    sentences = [sentence for _, sentence in describe_health(run_report(lab.warehouse.options).health)]

    assert {results["completeness"].description, results["rejected"].description} <= set(sentences)
    assert results["freshness"].description.split(", ")[0] == sentences[0].split(", ")[0]


# Exit codes


def test_an_unreachable_api_is_tried_again_and_then_fails_without_alert(lab, impatient, monkeypatch):
    monkeypatch.setenv(f"{SECTION}ENDPOINT", "http://127.0.0.1:1")

    result = tick(lab)

    retries = [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert (result.success, len(retries)) == (False, 3)
    metadata = failure(result).metadata
    assert (metadata["exit_code"].value, metadata["alert"].value) == (4, False)
    assert tags(lab, result)["metastudio/exit_code"] == "4"
    assert "metastudio/alert" not in tags(lab, result)
    assert not materialized(result)


@pytest.mark.parametrize("job", ["metastudio_sync", "metastudio_backfill", "metastudio_audit"])
def test_a_run_beside_another_one_is_skipped_and_no_failure(lab, job):
    with lock_pipeline(Options()):
        result = execute(lab, job)

    assert result.success
    assert not materialized(result) and not checked(result)
    assert any("Skipped: Another run of the pipeline" in line for line in logged(lab, result))


def test_what_cannot_be_proved_fails_at_once_with_an_alert(lab, monkeypatch):
    lab.sim.tenant.add_raw({"state": "SUCCEED"}, at=datetime.now(UTC).isoformat(timespec="seconds"))
    monkeypatch.setenv(f"{SECTION}MAX_REJECTED", "0")

    result = tick(lab)

    assert not result.success
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    metadata = {name: value.value for name, value in failure(result).metadata.items()}
    assert (metadata["exit_code"], metadata["alert"]) == (5, True)
    assert "more than max_rejected" in metadata["message"] and "rejected_records" in metadata["hint"]
    assert tags(lab, result).items() >= {"metastudio/exit_code": "5", "metastudio/alert": "true"}.items()


@pytest.mark.parametrize("job", ["metastudio_sync", "metastudio_backfill", "metastudio_audit"])
def test_whatever_loads_fails_with_its_exit_code(lab, job, monkeypatch):
    monkeypatch.setenv(f"{SECTION}CREDENTIALS__SECRET_KEY", "wrong")

    result = execute(lab, job)

    assert not result.success and not materialized(result)
    assert failure(result).metadata["exit_code"].value == 3
    assert tags(lab, result)["metastudio/exit_code"] == "3"


def test_after_a_failed_sync_the_checks_run_on_their_own(lab, monkeypatch):
    from dagster import build_run_status_sensor_context

    with monkeypatch.context() as wrong:
        wrong.setenv(f"{SECTION}PROJECT_ID", "no project!")
        failed = tick(lab)
    assert failure(failed).metadata["exit_code"].value == 2
    sensor = lab.defs.resolve_sensor_def("metastudio_after_failure")
    run = lab.instance.get_run_by_id(failed.run_id)
    context = build_run_status_sensor_context(sensor.name, failed.get_run_failure_event(), lab.instance, run)

    request = sensor(context.for_run_failure())
    result = lab.execute(request.job_name)

    assert result.success and not materialized(result)
    assert checked(result).keys() == {"freshness", "completeness", "rejected"}


def test_refused_credentials_are_not_tried_again_and_no_secret_is_kept(lab, monkeypatch):
    monkeypatch.delenv(f"{SECTION}CREDENTIALS__ACCESS_KEY")
    monkeypatch.delenv(f"{SECTION}CREDENTIALS__SECRET_KEY")
    for name, value in (("USERNAME", "somebody"), ("PASSWORD", "pass-w0rd-of-mine"), ("DOMAIN_NAME", "nowhere")):
        monkeypatch.setenv(f"{SECTION}CREDENTIALS__{name}", value)
    monkeypatch.setenv(f"{SECTION}CREDENTIALS__IAM_ENDPOINT", lab.sim.url)

    result = tick(lab)

    assert failure(result).metadata["exit_code"].value == 3
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    kept = b"".join(path.read_bytes() for path in lab.home.rglob("*") if path.is_file())
    kept += b"".join(path.read_bytes() for path in Path(lab.warehouse.folder, "state", "metastudio").iterdir())
    assert b"digital_human_videos" in kept
    assert lab.sim.secret_key.encode() not in kept and b"pass-w0rd-of-mine" not in kept


def logged(lab: Orchestrated, result) -> list[str]:
    return [entry.user_message for entry in lab.instance.all_logs(result.run_id)]
