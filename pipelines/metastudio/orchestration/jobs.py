"""What runs by itself: the sync on its schedule, audit and models' tests each night, and the checks alone after a sync that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    DagsterInvalidDefinitionError,
    DagsterRunStatus,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RunFailureSensorContext,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SensorDefinition,
    SkipReason,
    define_asset_job,
    in_process_executor,
    run_failure_sensor,
    schedule,
)

from metastudio.errors import ConfigurationError
from metastudio.orchestration.tenant_names import TenantNames

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

AUDITS = "47 2 * * *"
MODELS_TESTS = "17 3 * * *"
"""Each night, UTC: what the audit mended is tested by the models."""

WAITING = [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.QUEUED, DagsterRunStatus.STARTING]


def make_sync_job(lane: TenantNames, models: AssetSelection) -> UnresolvedAssetJobDefinition:
    """Make the job that a tick runs: the raw tables, their checks, and the models without their tests."""
    return define_asset_job(
        lane.name("metastudio_sync"),
        AssetSelection.assets(*lane.table_keys) | models.without_checks(),
        description="Brings the raw tables up to date, checks them, and builds the reporting models where they are outdated.",
        executor_def=in_process_executor,
    )


def make_backfill_job(lane: TenantNames) -> UnresolvedAssetJobDefinition:
    """Make the job that an operator starts for some months."""
    return define_asset_job(
        lane.name("metastudio_backfill"),
        AssetSelection.assets(lane.key("backfill")),
        description="Reads the jobs that were created in some months again, into the raw tables.",
        executor_def=in_process_executor,
    )


def make_audit_job(lane: TenantNames) -> UnresolvedAssetJobDefinition:
    """Make the job that proves the raw tables equal to the API, or mends them."""
    return define_asset_job(
        lane.name("metastudio_audit"),
        AssetSelection.assets(lane.key("audit")),
        description="Compares the raw tables with the API, mends what differs and marks the jobs that vanished.",
        executor_def=in_process_executor,
    )


def make_health_job(lane: TenantNames) -> UnresolvedAssetJobDefinition:
    """Make the job that only checks the raw tables."""
    return define_asset_job(
        lane.name("metastudio_health"),
        AssetSelection.checks_for_assets(*[AssetKey(key) for key in lane.table_keys]),
        description="Checks freshness, completeness and rejected records; runs by itself after a sync that failed.",
        executor_def=in_process_executor,
    )


def make_models_job(models: AssetSelection) -> UnresolvedAssetJobDefinition:
    """Make the job that builds the models and tests them on the data."""
    return define_asset_job(
        "metastudio_models",
        models,
        description="Builds the reporting models and runs their tests on the data.",
        executor_def=in_process_executor,
    )


def make_schedule(lane: TenantNames, job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Make the schedule of a lane's sync, on from the start; a tick is skipped while a run of an earlier one still waits.

    Raises:
        ConfigurationError: the setting `schedule` is no cron expression.
    """

    def tick(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        limit_pool(context.instance, lane.pool)
        waiting = context.instance.get_run_records(RunsFilter(job_name=job.name, statuses=WAITING), limit=1)
        return SkipReason("The run of an earlier tick is still waiting.") if waiting else RunRequest()

    make = schedule(
        job=job,
        name=lane.name("metastudio_sync_schedule"),
        cron_schedule=lane.settings.schedule,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="One run at a time: the pool holds back the next one while one is under way, and a third is not asked for.",
    )
    try:
        return make(tick)
    except DagsterInvalidDefinitionError:
        raise ConfigurationError(
            "sources.metastudio.schedule is no cron expression.",
            hint='Write minute, hour, day, month and weekday: "*/15 * * * *" is every 15 minutes.',
        ) from None


def limit_pool(instance: DagsterInstance, pool: str) -> None:
    """Give a pool that is new to an instance its limit: Dagster's queue does so too, but only after it let all of its runs go."""
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        known = storage.get_concurrency_info(pool)
        if known.using_default_limit and not known.slot_count:
            storage.initialize_concurrency_limit_to_default(pool)


def make_audit_schedule(lane: TenantNames, job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Make the schedule of a lane's audits."""
    return ScheduleDefinition(
        name=lane.name("metastudio_audit_schedule"),
        job=job,
        cron_schedule=AUDITS,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Proves the raw tables equal to the API, or mends them, each night.",
    )


def make_models_schedule(job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Make the schedule of the models' tests."""
    return ScheduleDefinition(
        job=job,
        cron_schedule=MODELS_TESTS,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Tests the reporting models on the data, once a day.",
    )


def make_failure_sensor(
    sync_jobs: Sequence[UnresolvedAssetJobDefinition], health_jobs: Sequence[UnresolvedAssetJobDefinition]
) -> SensorDefinition:
    """Make the sensor that has the checks run on their own after a sync failed, so that they show what is so now."""
    follow = {sync.name: health.name for sync, health in zip(sync_jobs, health_jobs, strict=True)}

    @run_failure_sensor(
        name="metastudio_after_failure",
        monitored_jobs=sync_jobs,
        request_jobs=health_jobs,
        default_status=DefaultSensorStatus.RUNNING,
        description="Has the checks run on their own after a sync that failed.",
    )
    def after_failure(context: RunFailureSensorContext) -> RunRequest:
        return RunRequest(run_key=context.dagster_run.run_id, job_name=follow[context.dagster_run.job_name])

    return after_failure
