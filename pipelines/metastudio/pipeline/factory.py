"""The only place that makes a dlt pipeline, and holds it for one run at a time."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.pipeline.exceptions import PipelineStepFailed
from filelock import FileLock, Timeout

from metastudio.config.settings import find_setting
from metastudio.destination.duckdb_catalog import allow_same_names
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import is_known_error, to_metastudio_error
from metastudio.errors import BusyError, ConfigurationError
from metastudio.extraction.state import State
from metastudio.records.schema import SCHEMA_VERSION
from metastudio.source.state import read_committed_state

log = logging.getLogger("metastudio")

DEFAULTS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG": '{"memory_limit": "80MB", "threads": 1}',  # it takes all it finds
    "LOAD__TRUNCATE_STAGING_DATASET": "true",  # 24 MB per 100,000 rows stay behind otherwise
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}
"""What we set of dlt's own configuration where the user's environment does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which pipeline, into which destination and dataset, and for which of several tenants."""

    pipeline: str = "metastudio"
    destination: str = "duckdb"
    dataset: str = "metastudio"
    tenant: str | None = None

    @property
    def name(self) -> str:
        """The name of the dlt pipeline: each tenant has one of its own, and with it state, lock and staging tables."""
        return f"{self.pipeline}_{self.tenant}" if self.tenant else self.pipeline


def set_defaults() -> None:
    """Set what we set of dlt's configuration; to be called before dlt reads any, for its telemetry starts when it does."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def open_pipeline(options: Options) -> dlt.Pipeline:
    """Make the dlt pipeline; nothing is asked or written yet.

    Raises:
        ConfigurationError: dlt does not know the destination, or misses a part of its settings.
    """
    set_defaults()
    if not options.pipeline:
        raise ConfigurationError("The pipeline has no name.", hint="Give --pipeline a name, or leave it out.")
    try:
        if options.destination == "duckdb":
            allow_same_names()
        return dlt.pipeline(options.name, destination=make_destination(options), dataset_name=options.dataset)
    except (ConfigurationException, PipelineStepFailed, ValueError, ImportError) as error:
        raise to_metastudio_error(error) from None


def open_or_restore(options: Options) -> dlt.Pipeline:
    """Make the dlt pipeline; a local state that a crash left half written or half deleted is dropped: the destination holds it, too.

    Raises:
        ConfigurationError: as `open_pipeline`.
    """
    try:
        pipeline = open_pipeline(options)
        if pipeline.default_schema_name:
            _ = pipeline.default_schema
        return pipeline
    except Exception as error:
        if is_known_error(error):
            raise
        log.warning("The local state cannot be read: going on from what the destination holds.")
        shutil.rmtree(Path(get_dlt_pipelines_dir()) / options.name, ignore_errors=True)
        return open_pipeline(options)


def make_destination(options: Options) -> Any:
    """Give dlt's destination, with staging tables of this pipeline's own: two that load one table at a time would mix them up.

    DuckDB's file is named from the working directory: dlt would go on using that of the pipeline's first run.
    """
    given: dict[str, Any] = {}
    sections = ("destination", f"destination.{options.destination}")
    if all(find_setting(f"{section}.staging_dataset_name_layout") is None for section in sections):
        given["staging_dataset_name_layout"] = f"%s_staging_{options.name}"
    if options.destination == "duckdb":
        file = find_setting("destination.duckdb.credentials") or f"{options.pipeline}.duckdb"
        if isinstance(file, str) and ":" not in file:
            from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

            credentials = DuckDbCredentials()  # of a text, dlt would import SQLAlchemy to see whether it is a URL
            credentials.database = str(Path(file).absolute())
            given["credentials"] = credentials
    return dlt.destination(options.destination, **given)


def open_existing(options: Options, *, of_any_release: bool = False) -> tuple[Destination, State]:
    """Open the destination of a pipeline that synced before, to read from it, with the state that was committed there.

    Raises:
        ConfigurationError: nothing was synced yet, the destination cannot be opened, or it was written by an older release.
    """
    pipeline = open_pipeline(options)
    try:
        state = read_committed_state(pipeline) if exists(pipeline) else {}
        if state and not pipeline.default_schema_name:
            pipeline.sync_destination()
    except Exception as error:
        raise to_metastudio_error(error) from None
    if "identity" not in state:
        raise ConfigurationError("Nothing was synced here yet.", hint="Run metastudio sync first.")
    is_older = state.get("schema_version", 1) < SCHEMA_VERSION
    if is_older and not of_any_release:
        raise ConfigurationError(
            "The tables are as an older release wrote them.", hint="Run metastudio sync first, which takes them over."
        )
    identity = state["identity"]
    app_user_id = None if is_older else identity["app_user_id"]  # version 1 has no column for it
    return Destination(pipeline, str(identity["project_id"]), app_user_id), state


def exists(pipeline: dlt.Pipeline) -> bool:
    """Tell whether there is a DuckDB file, which to ask would make; any other destination tells by itself."""
    database = getattr(pipeline.destination_client().config.credentials, "database", None)
    return (
        pipeline.destination.destination_type != "dlt.destinations.duckdb"
        or database is None
        or Path(database).exists()
    )


@contextmanager
def lock_pipeline(options: Options) -> Iterator[None]:
    """Hold the pipeline for one run.

    Raises:
        BusyError: another run holds it.
    """
    folder = Path(get_dlt_pipelines_dir())
    lock = FileLock(folder / f"{options.name}.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise BusyError(
            f"Another run of the pipeline {options.name} is under way.",
            hint="Nothing was touched; the next scheduled run will do.",
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"The state directory cannot be written: {error.strerror}.",
            hint="Make it writable, or set DLT_DATA_DIR to one that is.",
        ) from None
    try:
        yield
    finally:
        lock.release()
