"""All Dagster definitions, made from dlt's settings. Runs read project and credentials later."""

from __future__ import annotations

import logging

from dagster import AssetsDefinition, AssetSelection, Definitions, in_process_executor

from metastudio.orchestration.checks import make_checks
from metastudio.orchestration.dbt_assets import make_models
from metastudio.orchestration.jobs import (
    make_failure_sensor,
    make_jobs,
    make_models_job,
    make_models_schedule,
    make_schedules,
)
from metastudio.orchestration.maintenance_assets import make_audit, make_backfill
from metastudio.orchestration.raw_assets import make_api, make_raw_tables
from metastudio.orchestration.tenant_names import TenantNames, make_tenant_names
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.dbt_profile import find_adapter
from metastudio.reporting.dbt_runner import is_installed

log = logging.getLogger("metastudio")


def make_definitions(options: Options | None = None) -> Definitions:
    """Return all definitions.

    Args:
        options: the pipeline, its destination and dataset; by default dlt's settings in the section
            `pipelines.metastudio`.

    Raises:
        ConfigurationError: a setting is invalid, two tenants would load the same jobs, or dlt does
            not know the destination.
        MetaStudioError: dbt could not parse the project of the models.
    """
    tenants = make_tenant_names(options)
    models = _make_models_if_wanted(tenants)
    selected = AssetSelection.assets(*models)
    jobs = [make_jobs(names, selected) for names in tenants]
    models_jobs = [make_models_job(selected)] if models else []
    return Definitions(
        assets=[
            *(make(names) for make in (make_api, make_raw_tables) for names in tenants),
            *(make(names) for make in (make_backfill, make_audit) for names in tenants),
            *models,
        ],
        asset_checks=[make_checks(names) for names in tenants],
        jobs=[*(job for own in jobs for job in own.values()), *models_jobs],
        schedules=[
            *(schedule for names, own in zip(tenants, jobs, strict=True) for schedule in make_schedules(names, own)),
            *(make_models_schedule(job) for job in models_jobs),
        ],
        sensors=[make_failure_sensor([own["sync"] for own in jobs], [own["health"] for own in jobs])],
        executor=in_process_executor,  # a process per step would import everything again
    )


def _make_models_if_wanted(tenants: list[TenantNames]) -> list[AssetsDefinition]:
    """Return the models, unless `build_models` is false or they cannot be built here."""
    pipeline = open_pipeline(tenants[0].options)
    if not tenants[0].settings.build_models or find_adapter(pipeline) is None:
        return []
    if not is_installed(pipeline):
        log.warning("The reporting models are left out: they need metastudio with the extra reporting.")
        return []
    return [make_models(tenants)]
