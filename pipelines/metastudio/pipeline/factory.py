"""The only place that makes a dlt pipeline."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.pipeline.exceptions import PipelineStepFailed

from metastudio.config.settings import find_setting
from metastudio.destination.dlt_internals.places import make_duckdb_credentials
from metastudio.destination.dlt_internals.settings import pin_settings, set_default_settings
from metastudio.destination.dlt_internals.working_dir import drop_local_state, make_temporary_pipelines_dir
from metastudio.destination.duckdb_file import make_rename_command
from metastudio.destination.factories import BY_TYPE
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import is_known_error, to_metastudio_error
from metastudio.errors import ConfigurationError
from metastudio.extraction.state import State
from metastudio.pipeline.names import check_connection_string, check_names
from metastudio.pipeline.options import Options, make_defaults, set_defaults
from metastudio.records.schema import SCHEMA_VERSION
from metastudio.source.state import read_committed_state

log = logging.getLogger("metastudio")

OLD_FILE = Path("metastudio.duckdb")
"""The default DuckDB file of release 0.1."""


def open_pipeline(options: Options, *, read_only: bool = False, keep_state: bool = True) -> dlt.Pipeline:
    """Return the dlt pipeline. Nothing is read from the destination or written to it yet.

    Args:
        read_only: leave the local state alone, and open a DuckDB file in a way that lets other
            processes read it, too.
        keep_state: use the local state, and create it if there is none. Callers that only run SQL
            in the destination need no state.

    Raises:
        ConfigurationError: dlt does not know the destination, or lacks a part of its settings.
    """
    set_defaults()
    set_default_settings(make_defaults())
    check_names(options.pipeline, options.dataset)
    try:
        destination = make_destination(options, read_only=read_only)
        pipeline = dlt.pipeline(
            options.name,
            pipelines_dir="" if keep_state and not read_only else make_temporary_pipelines_dir(),
            destination=destination,
            dataset_name=options.dataset,
            dev_mode=False,
        )
    except (ConfigurationException, PipelineStepFailed, ValueError, ImportError) as error:
        raise to_metastudio_error(error) from None
    if changed := pin_settings(pipeline):
        _warn_once(", ".join(changed))
    return pipeline


@cache
def _warn_once(settings: str) -> None:
    log.warning("Settings of dlt that would lose data are not used for this pipeline: %s.", settings)


def open_or_restore(options: Options) -> dlt.Pipeline:
    """Return the dlt pipeline, after dropping a local state that a crash left half written.

    The pipeline restores the state from the destination, which has the same one.

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
        log.warning("The local state cannot be read: continuing from the state in the destination.")
        drop_local_state(options.name)
        return open_pipeline(options)


def make_destination(options: Options, *, read_only: bool) -> Any:
    """Make dlt's destination, with staging tables of the pipeline's own.

    Two pipelines that share staging tables would mix up their rows.
    """
    check_connection_string(options.destination)
    given: dict[str, Any] = {}
    sections = ("destination", f"destination.{options.destination}")
    if all(find_setting(f"{section}.staging_dataset_name_layout") is None for section in sections):
        given["staging_dataset_name_layout"] = f"%s_staging_{options.staging_suffix}"
    if options.destination == "duckdb":
        file = _find_configured_file() or _choose_default_file(options)
        if isinstance(file, str) and "://" not in file and not file.startswith(":"):
            # absolute, because dlt would keep using the working directory of the first run
            given["credentials"] = make_duckdb_credentials(options.name, _resolve(file), read_only=read_only)
    destination = dlt.destination(options.destination, **given)
    make_own: Any = BY_TYPE.get(destination.destination_type)
    return make_own(**destination.config_params, **destination.caps_params) if make_own else destination


def _resolve(file: str) -> Path:
    """Return the absolute path of a file that symbolic links may lead to.

    DuckDB names a database after the link while there is no file, and after the file later.
    """
    try:
        return Path(os.path.expanduser(file)).resolve()
    except (OSError, RuntimeError):  # links in a circle
        raise ConfigurationError(
            "The path of the DuckDB file leads in a circle or through a folder that cannot be read.",
            hint="Set DESTINATION__DUCKDB__CREDENTIALS to another path.",
        ) from None


def _find_configured_file() -> Any:
    for settings in (dlt.secrets, dlt.config):
        credentials: Any = settings.get("destination.duckdb.credentials")
        if credentials is not None and not (isinstance(credentials, dict) and "database" not in credentials):
            return credentials
    return find_setting("destination.duckdb.credentials.database")


def _choose_default_file(options: Options) -> str:
    """Return the name of the default file.

    Raises:
        ConfigurationError: the folder holds the default file of release 0.1 instead.
    """
    file = Path(options.duckdb_file)
    if options == Options(dataset=options.dataset, tenant=options.tenant) and OLD_FILE.exists() and not file.exists():
        raise ConfigurationError(
            f"This folder holds {OLD_FILE}, the file of release 0.1; its default name is now {file}.",
            hint=f"Rename it, which keeps everything in it: {make_rename_command(OLD_FILE, file.name)}.",
        )
    return str(file)


def open_existing(
    options: Options,
    *,
    of_any_release: bool = False,
    read_only: bool = False,
    keep_state: bool = True,
    lock_seconds: float = 0.0,
) -> tuple[Destination, State]:
    """Open the destination of a pipeline that synced before, for reading, and read its state.

    Args:
        lock_seconds: how long to wait for another process that holds a DuckDB file.

    Raises:
        ConfigurationError: nothing was synced yet, the destination cannot be opened, or an older
            release wrote it.
    """
    pipeline = open_pipeline(options, read_only=read_only, keep_state=keep_state)
    try:
        state = _read_state(pipeline, lock_seconds)
    except Exception as error:
        raise to_metastudio_error(error) from None
    if "identity" not in state:
        raise ConfigurationError("Nothing has been synced yet.", hint="Run metastudio sync first.")
    version = state.get("schema_version", 1)
    if version < SCHEMA_VERSION and not of_any_release:
        raise ConfigurationError(
            "The tables were written by an older release.", hint="Run metastudio sync first, which upgrades them."
        )
    identity = state["identity"]
    app_user_id = None if version == 1 else identity["app_user_id"]  # version 1 has no column for it
    return Destination(pipeline, str(identity["project_id"]), app_user_id, lock_seconds=lock_seconds), state


def open_first(chosen: Sequence[Options], *, read_only: bool = False) -> tuple[Destination, Options]:
    """Open the destination that pipelines share, by the first of them that synced before.

    Raises:
        ConfigurationError: none of them was synced, or the destination cannot be opened.
    """
    for options in chosen[:-1]:
        with suppress(ConfigurationError):
            return open_existing(options, read_only=read_only)[0], options
    return open_existing(chosen[-1], read_only=read_only)[0], chosen[-1]


def _read_state(pipeline: dlt.Pipeline, lock_seconds: float) -> State:
    """Read the committed state; a DuckDB file that does not exist is not created for that."""
    if not Destination(pipeline).check_file():
        return {}
    with Destination(pipeline, lock_seconds=lock_seconds).keep_connection():
        state = read_committed_state(pipeline)
        if state and not pipeline.default_schema_name:
            pipeline.sync_destination()
    return state
