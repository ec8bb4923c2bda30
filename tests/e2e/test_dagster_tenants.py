"""Dagster with several tenants: runs into one PostgreSQL, and how runs wait for each other."""

from __future__ import annotations

import pytest
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES
from metastudio_simulator import Simulator

from tests.e2e.orchestrated import Orchestrated, Queue, checked, make_instance, materialized, orchestrate, tags
from tests.support.postgres import drop_dataset

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)
SECTION = "SOURCES__METASTUDIO__"
OPTIONS = Options(destination="postgres", dataset="company")


@pytest.fixture(scope="module")
def osaka():
    with Simulator(jobs=150, days=90, seed=1) as sim:
        yield sim


@pytest.fixture(scope="module")
def company(postgres_url: str, osaka: Simulator, tmp_path_factory: pytest.TempPathFactory):
    """Start two tenants: berlin with the common settings, and osaka with settings of its own."""
    settings = {
        "PIPELINES__METASTUDIO__DESTINATION_TYPE": OPTIONS.destination,
        "PIPELINES__METASTUDIO__DATASET_NAME": OPTIONS.dataset,
        f"{SECTION}TENANTS": "berlin,osaka",
        f"{SECTION}OSAKA__ENDPOINT": osaka.url,
        f"{SECTION}OSAKA__PROJECT_ID": osaka.project_id,
        f"{SECTION}OSAKA__CREDENTIALS__ACCESS_KEY": osaka.access_key,
        f"{SECTION}OSAKA__CREDENTIALS__SECRET_KEY": osaka.secret_key,
    }
    with (
        orchestrate(tmp_path_factory.mktemp("company"), OPTIONS, postgres_url, **settings) as orchestrated,
        orchestrated.configured(),
    ):
        yield orchestrated
    drop_dataset(postgres_url, OPTIONS.dataset)


@pytest.fixture(scope="module")
def runs(company: Orchestrated):
    """Run three syncs: berlin with a wrong key, osaka, and berlin again."""
    with pytest.MonkeyPatch.context() as wrong:
        wrong.setenv(f"{SECTION}CREDENTIALS__SECRET_KEY", "wrong")
        failed = company.execute("metastudio_sync_berlin")
    return failed, company.execute("metastudio_sync_osaka"), company.execute("metastudio_sync_berlin")


@pytest.fixture
def queue(tmp_path):
    with make_instance(tmp_path) as instance:
        yield Queue(instance)


def ask(sql: str) -> list[tuple]:
    with open_pipeline(OPTIONS).sql_client() as client:
        return client.execute_sql(sql)


def touched(result) -> set[tuple]:
    """Return the key prefixes of the assets that a run touched."""
    return {tuple(event.asset_key.path[:-1]) for event in result.all_events if event.is_step_event and event.asset_key}


def tick(defs, instance, schedule_name: str):
    """Evaluate a schedule that requests a run, and return its job."""
    from dagster import build_schedule_context

    schedule = defs.resolve_schedule_def(schedule_name)
    assert schedule.evaluate_tick(build_schedule_context(instance=instance)).run_requests
    return defs.resolve_job_def(schedule.job_name)


# Runs


def test_a_failing_tenant_is_named_and_does_not_block_the_others(company, runs):
    from dagster import build_run_status_sensor_context

    failed, other, later = runs
    assert [run.success for run in runs] == [False, True, True]
    assert [tags(company, run).get("metastudio/exit_code") for run in runs] == ["3", None, None]
    assert not materialized(failed)
    assert touched(other) == {("metastudio", "osaka"), ("metastudio_reporting",)}
    assert touched(later) == {("metastudio", "berlin"), ("metastudio_reporting",)}
    assert checked(other)["completeness"].passed and checked(later)["completeness"].passed
    sensor = company.defs.resolve_sensor_def("metastudio_after_failure")
    run = company.instance.get_run_by_id(failed.run_id)
    context = build_run_status_sensor_context(sensor.name, failed.get_run_failure_event(), company.instance, run)
    assert sensor(context.for_run_failure()).job_name == "metastudio_health_berlin"


def test_each_tenants_tables_count_its_own_rows(company, osaka, runs):
    from dagster import AssetKey

    for name, sim in (("berlin", company.sim), ("osaka", osaka)):
        jobs = {job["job_id"] for job in sim.tenant.visible()}
        sql = f"SELECT job_id FROM company.digital_human_videos WHERE project_id = '{sim.project_id}'"
        assert {job_id for (job_id,) in ask(sql)} == jobs
        for table in TABLES:
            event = company.instance.get_latest_materialization_event(AssetKey(["metastudio", name, table.name]))
            count = event.asset_materialization.metadata["dagster/row_count"].value
            sql = f"SELECT count(*) FROM company.{table.name} WHERE project_id = '{sim.project_id}'"
            assert [(count,)] == ask(sql)


def test_the_models_are_built_by_the_first_tenants_run_and_hold_all_of_them(company, osaka, runs):
    assert [materialized(run)["daily_production"]["built"] for run in runs[1:]] == [True, False]
    for model, figure in (("video_jobs", "count(*)"), ("daily_production", "sum(created)")):
        rows = ask(f"SELECT project_id, {figure} FROM company_reporting.{model} GROUP BY 1")
        assert dict(rows) == {sim.project_id: len(sim.tenant.visible()) for sim in (company.sim, osaka)}


# The queue


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        (Options(), ["metastudio_sync_berlin"], ["metastudio_sync_osaka"]),
        (OPTIONS, ["metastudio_sync_berlin", "metastudio_sync_osaka"], ["metastudio_backfill_berlin"]),
    ],
    ids=["duckdb", "postgres"],
)
def test_one_run_at_a_time_per_tenant_and_in_total_on_duckdb(company, queue, monkeypatch, options, first, second):
    from metastudio.orchestration import make_definitions

    monkeypatch.setenv(f"{SECTION}BUILD_MODELS", "false")
    defs = make_definitions(options)
    for name in ("berlin", "osaka"):
        queue.put(tick(defs, queue.instance, f"metastudio_sync_schedule_{name}"))
    for what in ("backfill", "audit", "health"):
        queue.put(defs.resolve_job_def(f"metastudio_{what}_berlin"))

    assert queue.launch() == first
    assert queue.launch() == []
    queue.end("metastudio_sync_berlin")
    assert queue.launch() == second
    assert queue.launch() == []


def test_a_pool_with_limit_0_keeps_it(company, queue):
    queue.instance.event_log_storage.set_concurrency_slots("metastudio_osaka", 0)

    tick(company.defs, queue.instance, "metastudio_sync_schedule_osaka")
    tick(company.defs, queue.instance, "metastudio_sync_schedule_berlin")

    limits = {pool.name: pool.limit for pool in queue.instance.event_log_storage.get_pool_limits()}
    assert limits == {"metastudio_osaka": 0, "metastudio_berlin": 1}


def test_a_run_that_a_reboot_interrupted_releases_its_pool(company, queue, monkeypatch):
    from dagster._daemon.monitoring import run_monitoring

    sync = tick(company.defs, queue.instance, "metastudio_sync_schedule_osaka")
    queue.put(sync)
    queue.launch()
    queue.start("metastudio_sync_osaka")
    queue.put(sync)
    queue.monitor()
    assert queue.launch() == []
    now = run_monitoring.get_current_timestamp()
    monkeypatch.setattr(run_monitoring, "get_current_timestamp", lambda: now + 7 * 3600)
    queue.monitor()

    assert queue.launch() == ["metastudio_sync_osaka"]
