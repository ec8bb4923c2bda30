"""Keeps the reporting models of a destination up to date: builds them where they are missing or of another version, else does nothing."""

from __future__ import annotations

import logging

import dlt

from metastudio.destination.jobs import Destination
from metastudio.errors import MetaStudioError
from metastudio.reporting.dbt_profile import find_adapter
from metastudio.reporting.dbt_runner import TestResults, build_models, is_installed
from metastudio.reporting.model_version import UTC, Models, make_fingerprint

log = logging.getLogger("metastudio")


def is_current(models: Models) -> bool:
    """Tell whether the models are there, work, and are of this release's version."""
    version = models.version()
    return version is not None and version.fingerprint == make_fingerprint()


def has_outdated_models(destination: Destination) -> bool:
    """Tell whether the models are to be built: they run on this destination, and are missing, of another version, or do not work."""
    return find_adapter(destination.pipeline) is not None and not is_current(Models(destination))


def build_outdated(pipeline: dlt.Pipeline) -> None:
    """Build the models after a sync; it never fails for their sake."""
    if not is_installed(pipeline):
        log.info("The reporting models are not built: they need pip install 'metastudio[reporting]'.")
        return
    log.info("Building the reporting models, which are missing or of another version.")
    try:
        renew_models(pipeline)
    except MetaStudioError as error:
        log.warning("The sync is done, but its reporting models are not: %s", error)


def renew_models(pipeline: dlt.Pipeline, time_zone: str | None = None, *, test: bool = False) -> TestResults:
    """Build the models, with the days that they had unless a time zone is given, and test them if wanted.

    Raises:
        MetaStudioError: they could not be built.
    """
    version = Models(Destination(pipeline)).version()
    return build_models(pipeline, time_zone or (version.time_zone if version else UTC), test=test)
