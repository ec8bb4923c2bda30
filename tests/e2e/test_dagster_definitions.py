"""Dagster's definitions: assets, lineage, jobs, pools and schedules, before anything has run."""

from __future__ import annotations

import importlib
import sys

import pytest
from metastudio.errors import ConfigurationError
from metastudio.pipeline.options import Options
from metastudio.records.schema import ATTEMPTS, TABLES

from tests.e2e.orchestrated import clear_settings

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)
SECTION = "SOURCES__METASTUDIO__"
VIDEOS = ["metastudio", "digital_human_videos"]


def test_definitions_load_without_settings_or_requests_and_write_nothing(fresh, tmp_path, monkeypatch):
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
        assert {key.path[0] for key in node.child_keys} == (
            {"metastudio_reporting"} if table.name != ATTEMPTS else set()
        )
        assert [(column.name, column.description) for column in node.metadata["dagster/column_schema"].columns] == [
            (column.name, column.description) for column in table.columns
        ]


def test_every_asset_is_described_by_itself_and_grouped(fresh):
    graph = fresh.defs.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert len({node.description for node in nodes} - {None, ""}) == len(nodes)
    groups = ("api", "maintenance", "raw", "staging", "reporting")
    assert {node.group_name for node in nodes} == {f"metastudio_{group}" for group in groups}


def test_everything_runs_in_one_process_and_one_pool_without_telemetry(fresh):
    from dagster._core.instance.config import PoolGranularity

    assert {job.executor_def.name for job in fresh.defs.resolve_all_job_defs()} == {"in_process"}
    pools = {node.pool for assets in fresh.defs.assets if hasattr(assets, "op") for node in [assets.op]}
    pools |= {checks.op.pool for checks in fresh.defs.asset_checks}
    assert pools == {"metastudio"}
    limits = fresh.instance.get_concurrency_config().pool_config
    assert (limits.pool_granularity, limits.default_pool_limit) == (PoolGranularity.RUN, 1)
    assert not fresh.instance.telemetry_enabled


def test_the_schedule_is_a_setting_and_an_invalid_one_says_what_to_do(fresh, monkeypatch):
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


def test_the_module_with_wrong_settings_says_in_one_line_what_is_wrong(fresh, monkeypatch, capfd):
    from metastudio import orchestration

    monkeypatch.setattr(sys, "argv", ["-m"])  # as Python sets it while `python -m` imports the package
    monkeypatch.setenv(f"{SECTION}PAGE_SIZE", "0")
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        importlib.reload(orchestration)

    err = capfd.readouterr().err
    assert (ended.value.code, err.count("\n")) == (2, 1)
    assert "page_size is out of bounds" in err


def test_audit_and_models_tests_run_each_night_one_after_the_other(fresh):
    from dagster import DefaultScheduleStatus

    found = [fresh.defs.resolve_schedule_def(f"metastudio_{name}_schedule") for name in ("audit", "models")]
    assert [schedule.job_name for schedule in found] == ["metastudio_audit", "metastudio_models"]
    assert [schedule.cron_schedule for schedule in found] == ["47 2 * * *", "17 3 * * *"]
    assert {schedule.default_status for schedule in found} == {DefaultScheduleStatus.RUNNING}


def test_models_are_not_assets_if_build_models_is_false(fresh, monkeypatch):
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
    on_a_warehouse = make_definitions(Options(destination="postgres", dataset="company"))
    pools = {
        assets.op.pool for assets in [*on_a_warehouse.assets, *on_a_warehouse.asset_checks] if hasattr(assets, "op")
    }
    assert pools == {
        "metastudio_berlin",
        "metastudio_paris",
        None,
    }  # None for the models: a pool would make tenants wait
