"""Jobs, schedules and the sensor that runs the checks after a failed sync."""

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

AUDIT_SCHEDULE = "47 2 * * *"
MODELS_SCHEDULE = "17 3 * * *"
"""Each night in UTC: the models are tested after the audit repaired the tables."""

WAITING = [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.QUEUED, DagsterRunStatus.STARTING]


def make_sync_job(names: TenantNames, models: AssetSelection) -> UnresolvedAssetJobDefinition:
    """Return the job of a tick: the raw tables, their checks, and the models without tests."""
    return define_asset_job(
        names.name("metastudio_sync"),
        AssetSelection.assets(*names.table_keys) | models.without_checks(),
        description="Updates the raw tables, checks them, and builds the reporting models if they are outdated.",
        executor_def=in_process_executor,
    )


def make_backfill_job(names: TenantNames) -> UnresolvedAssetJobDefinition:
    """Return the job that an operator starts for some months."""
    return define_asset_job(
        names.name("metastudio_backfill"),
        AssetSelection.assets(names.key("backfill")),
        description="Reads the jobs created in some months again, into the raw tables.",
        executor_def=in_process_executor,
    )


def make_audit_job(names: TenantNames) -> UnresolvedAssetJobDefinition:
    """Return the job of an audit."""
    return define_asset_job(
        names.name("metastudio_audit"),
        AssetSelection.assets(names.key("audit")),
        description="Compares the raw tables with the API, repairs differences and marks deleted jobs.",
        executor_def=in_process_executor,
    )


def make_health_job(names: TenantNames) -> UnresolvedAssetJobDefinition:
    """Return the job that only checks the raw tables."""
    return define_asset_job(
        names.name("metastudio_health"),
        AssetSelection.checks_for_assets(*[AssetKey(key) for key in names.table_keys]),
        description="Checks freshness, completeness and rejected records. Runs after each failed sync.",
        executor_def=in_process_executor,
    )


def make_models_job(models: AssetSelection) -> UnresolvedAssetJobDefinition:
    """Return the job that builds the models and tests them on the data."""
    return define_asset_job(
        "metastudio_models",
        models,
        description="Builds the reporting models and runs their tests on the data.",
        executor_def=in_process_executor,
    )


def make_schedule(names: TenantNames, job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Return the schedule of a tenant's sync. A tick is skipped while an earlier run waits.

    Raises:
        ConfigurationError: the setting `schedule` is not a valid cron expression.
    """

    def tick(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        limit_pool(context.instance, names.pool)
        is_waiting = context.instance.get_run_records(RunsFilter(job_name=job.name, statuses=WAITING), limit=1)
        return SkipReason("The run of an earlier tick is still waiting.") if is_waiting else RunRequest()

    make = schedule(
        job=job,
        name=names.name("metastudio_sync_schedule"),
        cron_schedule=names.settings.schedule,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Runs one sync at a time: the next run waits in its pool, and further ticks are skipped.",
    )
    try:
        return make(tick)
    except DagsterInvalidDefinitionError:
        raise ConfigurationError(
            "sources.metastudio.schedule is not a valid cron expression.",
            hint='Write minute, hour, day, month and weekday: "*/15 * * * *" is every 15 minutes.',
        ) from None


def limit_pool(instance: DagsterInstance, pool: str) -> None:
    """Set the default limit of a pool that is new to an instance.

    Dagster's queue does so, too, but only after it started all waiting runs of the pool.
    """
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        known = storage.get_concurrency_info(pool)
        if known.using_default_limit and not known.slot_count:
            storage.initialize_concurrency_limit_to_default(pool)


def make_audit_schedule(names: TenantNames, job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Return the schedule of a tenant's audits."""
    return ScheduleDefinition(
        name=names.name("metastudio_audit_schedule"),
        job=job,
        cron_schedule=AUDIT_SCHEDULE,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Compares the raw tables with the API and repairs differences, each night.",
    )


def make_models_schedule(job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Return the schedule of the models' tests."""
    return ScheduleDefinition(
        job=job,
        cron_schedule=MODELS_SCHEDULE,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description="Tests the reporting models on the data, each night.",
    )


def make_failure_sensor(
    sync_jobs: Sequence[UnresolvedAssetJobDefinition], health_jobs: Sequence[UnresolvedAssetJobDefinition]
) -> SensorDefinition:
    """Return the sensor that runs the checks after a failed sync, to update their results."""
    follow = {sync.name: health.name for sync, health in zip(sync_jobs, health_jobs, strict=True)}

    @run_failure_sensor(
        name="metastudio_after_failure",
        monitored_jobs=sync_jobs,
        request_jobs=health_jobs,
        default_status=DefaultSensorStatus.RUNNING,
        description="Runs the checks after a failed sync.",
    )
    def after_failure(context: RunFailureSensorContext) -> RunRequest:
        return RunRequest(run_key=context.dagster_run.run_id, job_name=follow[context.dagster_run.job_name])

    return after_failure
