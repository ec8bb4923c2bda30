"""Builds the reporting models if they are missing or outdated, and tests them on request."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dlt

from metastudio.commands.result import CommandResult
from metastudio.config.tenant import find_tenant_keys
from metastudio.destination.jobs import Destination
from metastudio.destination.lock import hold_lock
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError, IncompleteError, MetaStudioError
from metastudio.pipeline.factory import open_existing
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.dbt_profile import find_adapter
from metastudio.reporting.dbt_runner import TestResults, build_models, is_installed
from metastudio.reporting.model_version import Models, TenantName, make_dataset_name, merge_names

log = logging.getLogger("metastudio")


@dataclass(kw_only=True)
class ModelsResult(CommandResult):
    """How `metastudio models` ended.

    Args:
        dataset: the schema of the models.
    """

    dataset: str


def run_models(
    options: Options, time_zone: str | None = None, sla_seconds: int | None = None, *, force: bool = False
) -> ModelsResult:
    """Build the models and test them on the data. A failed test is the error of the result.

    Args:
        time_zone: the zone in which a day begins; by default the zone of the last build, or UTC.
        sla_seconds: how long a job may take; by default as in the last build, or an hour.
        force: drop what somebody has built on models whose columns change.

    Raises:
        MetaStudioError: nothing was synced yet, another run is going on, or the build failed.
    """
    started = time.monotonic()
    try:
        if time_zone is not None:
            _check_time_zone(time_zone)
        destination, _ = open_existing(options, keep_state=False)
        with lock_pipeline(options), hold_lock(destination, "pipeline"):
            tests = rebuild_models(destination.pipeline, time_zone, sla_seconds, test=True, force=force)
    except Exception as error:
        raise to_metastudio_error(error) from None
    details = {
        "passed": tests.passed,
        "warned": list(tests.warned),
        "failed": list(tests.failed),
        "seconds": round(time.monotonic() - started, 3),
    }
    return ModelsResult(
        command="models",
        pipeline=options.name,
        error=make_test_error(tests),
        details=details,
        dataset=make_dataset_name(options.dataset),
    )


def make_test_error(tests: TestResults) -> MetaStudioError | None:
    """Return an error that names the failed tests, or None if no test failed."""
    if not tests.failed:
        return None
    return IncompleteError(
        f"{len(tests.failed)} tests of the reporting models failed: {'; '.join(tests.failed)}.",
        hint="The models are built, but the data breaks their promises: run metastudio audit, and report what remains.",
    )


def has_outdated_models(destination: Destination) -> bool:
    """Return whether the models can be built here and are missing, broken or outdated."""
    return find_adapter(destination.pipeline) is not None and not Models(destination).is_current(find_names())


def find_names() -> list[TenantName]:
    """Return the names of the configured tenants, which the models show."""
    return [TenantName(*key, name) for name, key in find_tenant_keys().items()]


def build_outdated(pipeline: dlt.Pipeline) -> None:
    """Build the models after a sync. Failures are logged; the sync itself is done."""
    if not is_installed(pipeline):
        log.info("The reporting models are not built: they need metastudio with the extra reporting.")
        return
    log.info("Building the reporting models, which are missing or of another version.")
    try:
        rebuild_models(pipeline)
    except Exception as error:
        log.warning("The sync is done, but its reporting models are not: %s", to_metastudio_error(error))


def rebuild_models(
    pipeline: dlt.Pipeline,
    time_zone: str | None = None,
    sla_seconds: int | None = None,
    *,
    test: bool = False,
    force: bool = False,
) -> TestResults:
    """Build the models, by default with the variables of the last build, and test them on request.

    Raises:
        MetaStudioError: the build failed.
    """
    destination = Destination(pipeline)
    with hold_lock(destination, "reporting models"):
        models = Models(destination)
        last = models.last_settings()
        version = last._replace(
            time_zone=time_zone or last.time_zone,
            sla_seconds=sla_seconds or last.sla_seconds,
            tenants=merge_names(last.tenants, find_names()),
        )
        models.keep_settings(version)
        return build_models(pipeline, version, test=test, force=force)


def _check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            "--time-zone is not a valid time zone.", hint="Use a name such as UTC, Asia/Shanghai or Europe/Berlin."
        ) from None
