"""Dagster's checks, and failed runs: retry, skip or alert by exit code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES

from tests.e2e.orchestrated import Orchestrated, checked, materialized, tags

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)
SECTION = "SOURCES__METASTUDIO__"


@pytest.fixture
def impatient(monkeypatch):
    from metastudio.orchestration import results

    monkeypatch.setattr(results, "RETRY_SECONDS", 0)
    monkeypatch.setenv(f"{SECTION}RETRY_SECONDS", "0")


def execute(lab: Orchestrated, job: str):
    """Run a job; where it has partitions, for the current month."""
    months = lab.defs.resolve_job_def(job).partitions_def
    return lab.execute(job, **({"partition_key": months.get_last_partition_key()} if months else {}))


def failure(result):
    """Return the failure of the only step that failed."""
    [event] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    return event.step_failure_data.user_failure_data


# Checks


@pytest.fixture
def incomplete(lab):
    """Write an incomplete window of the last run, and a rejected record."""
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


def test_an_incomplete_window_fails_the_check_and_blocks_the_models(lab, incomplete):
    result = lab.tick()

    check = checked(result)["completeness"]
    assert (result.success, check.passed, check.blocking) == (False, False, True)
    assert "1 window of the last run could not be proved complete" in check.description
    assert materialized(result).keys() == {table.name for table in TABLES}
    assert checked(result)["freshness"].passed and not checked(result)["rejected"].passed


def test_the_ledger_gives_the_same_health_as_the_model(lab, incomplete):
    from metastudio.orchestration.checks import find_health

    modeled = lab.warehouse.models.query_dicts("SELECT * FROM {sync_health}")[0]
    counted = find_health(lab.warehouse.options)

    assert counted.pop("freshness_seconds") == pytest.approx(modeled["freshness_seconds"], abs=60)
    assert counted.items() <= modeled.items()
    assert counted["last_sync_at"] is not None
    assert (counted["incomplete_windows"], counted["rejected_records"]) == (1, 1)


def test_stale_tables_warn_and_later_are_an_error():
    from dagster import AssetCheckSeverity
    from metastudio.orchestration.checks import check_completeness, check_freshness, check_rejected

    synced = {"last_sync_at": datetime(2026, 1, 15, 12, tzinfo=UTC), "incomplete_windows": 0}
    found = [check_freshness({**synced, "freshness_seconds": hours * 3600.0}, 3600) for hours in (1, 2, 5)]
    assert [result.passed for result in found] == [True, False, False]
    assert [result.severity for result in found[1:]] == [AssetCheckSeverity.WARN, AssetCheckSeverity.ERROR]
    rejected = check_rejected({"rejected_records": 2})
    assert (rejected.passed, rejected.severity) == (False, AssetCheckSeverity.WARN)
    never = {"last_sync_at": None, "freshness_seconds": None, "incomplete_windows": 0, "gaps": 0, "missing": 0}
    assert not check_freshness(never, 3600).passed and not check_completeness(never).passed


def test_a_check_says_what_the_report_says(lab, incomplete):
    from metastudio.commands.report import run_report

    results = checked(lab.execute("metastudio_health"))
    sentences = [finding.sentence for finding in run_report(lab.warehouse.options).findings]

    assert {results["completeness"].description, results["rejected"].description} <= set(sentences)
    assert results["freshness"].description.split(", ")[0] == sentences[0].split(", ")[0]


# Exit codes


def test_an_unreachable_api_is_retried_and_then_fails_without_alert(lab, impatient, monkeypatch):
    monkeypatch.setenv(f"{SECTION}ENDPOINT", "http://127.0.0.1:1")

    result = lab.tick()

    retries = [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert (result.success, len(retries)) == (False, 3)
    metadata = failure(result).metadata
    assert (metadata["exit_code"].value, metadata["alert"].value) == (4, False)
    assert tags(lab, result)["metastudio/exit_code"] == "4"
    assert "metastudio/alert" not in tags(lab, result)
    assert not materialized(result)


@pytest.mark.parametrize("job", ["metastudio_sync", "metastudio_backfill", "metastudio_audit"])
def test_a_run_beside_another_one_is_skipped_without_failure(lab, job):
    with lock_pipeline(Options()):
        result = execute(lab, job)

    assert result.success
    assert not materialized(result) and not checked(result)
    assert any("Skipped: Another run of the pipeline" in line for line in logged(lab, result))


def test_unproved_completeness_fails_at_once_with_an_alert(lab, monkeypatch):
    lab.sim.tenant.add_raw({"state": "SUCCEED"}, at=datetime.now(UTC).isoformat(timespec="seconds"))
    monkeypatch.setenv(f"{SECTION}MAX_REJECTED", "0")

    result = lab.tick()

    assert not result.success
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    metadata = {name: value.value for name, value in failure(result).metadata.items()}
    assert (metadata["exit_code"], metadata["alert"]) == (5, True)
    assert "more than max_rejected" in metadata["message"] and "rejected_records" in metadata["hint"]
    assert tags(lab, result).items() >= {"metastudio/exit_code": "5", "metastudio/alert": "true"}.items()


@pytest.mark.parametrize("job", ["metastudio_sync", "metastudio_backfill", "metastudio_audit"])
def test_each_job_that_loads_fails_with_its_exit_code(lab, job, monkeypatch):
    monkeypatch.setenv(f"{SECTION}CREDENTIALS__SECRET_KEY", "wrong")

    result = execute(lab, job)

    assert not result.success and not materialized(result)
    assert failure(result).metadata["exit_code"].value == 3
    assert tags(lab, result)["metastudio/exit_code"] == "3"


def test_after_a_failed_sync_the_checks_run_on_their_own(lab, monkeypatch):
    from dagster import build_run_status_sensor_context

    with monkeypatch.context() as wrong:
        wrong.setenv(f"{SECTION}PROJECT_ID", "no project!")
        failed = lab.tick()
    assert failure(failed).metadata["exit_code"].value == 2
    sensor = lab.defs.resolve_sensor_def("metastudio_after_failure")
    run = lab.instance.get_run_by_id(failed.run_id)
    context = build_run_status_sensor_context(sensor.name, failed.get_run_failure_event(), lab.instance, run)

    request = sensor(context.for_run_failure())
    result = lab.execute(request.job_name)

    assert result.success and not materialized(result)
    assert checked(result).keys() == {"freshness", "completeness", "rejected"}


def test_refused_credentials_are_not_retried_and_no_secret_is_stored(lab, monkeypatch):
    monkeypatch.delenv(f"{SECTION}CREDENTIALS__ACCESS_KEY")
    monkeypatch.delenv(f"{SECTION}CREDENTIALS__SECRET_KEY")
    for name, value in (("USERNAME", "somebody"), ("PASSWORD", "pass-w0rd-of-mine"), ("DOMAIN_NAME", "nowhere")):
        monkeypatch.setenv(f"{SECTION}CREDENTIALS__{name}", value)
    monkeypatch.setenv(f"{SECTION}CREDENTIALS__IAM_ENDPOINT", lab.sim.url)

    result = lab.tick()

    assert failure(result).metadata["exit_code"].value == 3
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    kept = b"".join(path.read_bytes() for path in lab.home.rglob("*") if path.is_file())
    kept += b"".join(path.read_bytes() for path in Path(lab.warehouse.folder, "state", "metastudio").iterdir())
    assert b"digital_human_videos" in kept
    assert lab.sim.secret_key.encode() not in kept and b"pass-w0rd-of-mine" not in kept


def logged(lab: Orchestrated, result) -> list[str]:
    return [entry.user_message for entry in lab.instance.all_logs(result.run_id)]
