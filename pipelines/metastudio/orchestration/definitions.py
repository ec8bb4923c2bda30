"""Puts assets, checks, jobs, schedules and the sensor together, from dlt's settings; whose jobs and with which key is asked later."""

from __future__ import annotations

import logging

from dagster import AssetsDefinition, AssetSelection, Definitions, in_process_executor

from metastudio.orchestration.audit import make_audit
from metastudio.orchestration.backfill import make_backfill
from metastudio.orchestration.checks import make_checks
from metastudio.orchestration.dbt_assets import make_models
from metastudio.orchestration.jobs import (
    make_audit_job,
    make_audit_schedule,
    make_backfill_job,
    make_failure_sensor,
    make_health_job,
    make_models_job,
    make_models_schedule,
    make_schedule,
    make_sync_job,
)
from metastudio.orchestration.raw_assets import make_api, make_raw_tables
from metastudio.orchestration.tenant_names import TenantNames, make_lanes
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.dbt_profile import find_adapter
from metastudio.reporting.dbt_runner import is_installed

log = logging.getLogger("metastudio")


def make_definitions(options: Options | None = None) -> Definitions:
    """Make everything that Dagster shows and runs.

    Args:
        options: the pipeline, its destination and dataset; what dlt's section `pipelines.metastudio` says without.

    Raises:
        ConfigurationError: a setting is wrong, two tenants would hold the same jobs, or dlt does not know the destination.
        MetaStudioError: dbt could not read the project of the models.
    """
    lanes = make_lanes(options)
    models = _make_models_if_wanted(lanes)
    selected = AssetSelection.assets(*models)
    sync_jobs = [make_sync_job(lane, selected) for lane in lanes]
    audit_jobs = [make_audit_job(lane) for lane in lanes]
    health_jobs = [make_health_job(lane) for lane in lanes]
    models_jobs = [make_models_job(selected)] if models else []
    return Definitions(
        assets=[
            *(make(lane) for make in (make_api, make_raw_tables) for lane in lanes),
            *(make(lane) for make in (make_backfill, make_audit) for lane in lanes),
            *models,
        ],
        asset_checks=[make_checks(lane) for lane in lanes],
        jobs=[*sync_jobs, *(make_backfill_job(lane) for lane in lanes), *audit_jobs, *health_jobs, *models_jobs],
        schedules=[
            *(make_schedule(lane, job) for lane, job in zip(lanes, sync_jobs, strict=True)),
            *(make_audit_schedule(lane, job) for lane, job in zip(lanes, audit_jobs, strict=True)),
            *(make_models_schedule(job) for job in models_jobs),
        ],
        sensors=[make_failure_sensor(sync_jobs, health_jobs)],
        executor=in_process_executor,  # another process for each step would import everything again
    )


def _make_models_if_wanted(lanes: list[TenantNames]) -> list[AssetsDefinition]:
    """Make the models, unless they are left to a project of the user's own, or cannot be built here."""
    pipeline = open_pipeline(lanes[0].options)
    if not lanes[0].settings.build_models or find_adapter(pipeline) is None:
        return []
    if not is_installed(pipeline):
        log.warning("The reporting models are left out: they need pip install 'metastudio[reporting]'.")
        return []
    return [make_models(lanes)]
