"""Jobs, schedules and the sensor that runs the checks after a failed sync."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    run_failure_sensor,
    schedule,
)

from metastudio.errors import ConfigurationError
from metastudio.orchestration.tenant_names import TenantNames

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as Job

AUDIT_SCHEDULE = "47 2 * * *"
MODELS_SCHEDULE = "17 3 * * *"
"""Each night in UTC: the models are tested after the audit repaired the tables."""

WAITING = [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.QUEUED, DagsterRunStatus.STARTING]


def make_jobs(names: TenantNames, models: AssetSelection) -> dict[str, Job]:
    """Return a tenant's jobs by what they do. A sync includes the models, but not their tests."""
    tables = AssetSelection.assets(*names.table_keys)
    jobs = {
        "sync": (
            tables | models.without_checks(),
            "Updates the raw tables, checks them, and builds the reporting models if they are outdated.",
        ),
        "backfill": (
            AssetSelection.assets(names.key("backfill")),
            "Reads the jobs created in some months again, into the raw tables.",
        ),
        "audit": (
            AssetSelection.assets(names.key("audit")),
            "Compares the raw tables with the API, repairs differences and marks deleted jobs.",
        ),
        "health": (
            AssetSelection.checks_for_assets(*map(AssetKey, names.table_keys)),
            "Checks freshness, completeness and rejected records. Runs after each failed sync.",
        ),
    }
    return {
        what: define_asset_job(names.name(f"metastudio_{what}"), selection, description=description)
        for what, (selection, description) in jobs.items()
    }


def make_models_job(models: AssetSelection) -> Job:
    """Return the job that builds the models and tests them on the data."""
    description = "Builds the reporting models and runs their tests on the data."
    return define_asset_job("metastudio_models", models, description=description)


def make_schedules(names: TenantNames, jobs: Mapping[str, Job]) -> list[ScheduleDefinition]:
    """Return the schedules of a tenant's syncs and audits."""
    description = "Compares the raw tables with the API and repairs differences, each night."
    name = names.name("metastudio_audit_schedule")
    return [
        make_sync_schedule(names, jobs["sync"]),
        make_nightly_schedule(name, jobs["audit"], AUDIT_SCHEDULE, description),
    ]


def make_models_schedule(job: Job) -> ScheduleDefinition:
    """Return the schedule of the models' tests."""
    description = "Tests the reporting models on the data, each night."
    return make_nightly_schedule("metastudio_models_schedule", job, MODELS_SCHEDULE, description)


def make_sync_schedule(names: TenantNames, job: Job) -> ScheduleDefinition:
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


def make_nightly_schedule(name: str, job: Job, cron: str, description: str) -> ScheduleDefinition:
    return ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description=description,
    )


def make_failure_sensor(sync_jobs: Sequence[Job], health_jobs: Sequence[Job]) -> SensorDefinition:
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
