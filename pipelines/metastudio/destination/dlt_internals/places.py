"""Where the data of a pipeline is: a DuckDB file, a database, or a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs import ConfigSectionContext

from metastudio.destination.capabilities import find_capabilities


def make_duckdb_credentials(pipeline_name: str, file: Path, *, read_only: bool) -> Any:
    """Return dlt's credentials of a DuckDB file, with their settings.

    Otherwise, dlt would look up all settings again for each of its clients, and import SQLAlchemy
    to recognize or show a URL.
    """
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

    @configspec(init=False)
    class FileCredentials(DuckDbCredentials):
        def __str__(self) -> str:
            return f"duckdb:///{self.database}"

    given = {"database": str(file), "read_only": read_only}
    with inject_section(ConfigSectionContext(pipeline_name=pipeline_name)):
        return resolve_configuration(FileCredentials(), sections=("destination", "duckdb"), explicit_value=given)


def refresh_duckdb_credentials(pipeline: dlt.Pipeline) -> None:
    """Read the settings of a DuckDB file again after a change."""
    params: Any = pipeline.destination and pipeline.destination.config_params
    if file := _find_duckdb_file(pipeline):
        read_only = bool(params["credentials"].read_only)
        params["credentials"] = make_duckdb_credentials(pipeline.pipeline_name, Path(file), read_only=read_only)


def _find_duckdb_file(pipeline: dlt.Pipeline) -> str:
    """Return the path of the file that `make_duckdb_credentials` was given, or an empty text."""
    if not pipeline.destination or not find_capabilities(pipeline).is_duckdb_file:
        return ""
    return str(getattr(pipeline.destination.config_params.get("credentials"), "database", None) or "")


def find_location(pipeline: dlt.Pipeline) -> str:
    """Return the file, or host and database, that the settings of a pipeline lead to."""
    if file := _find_duckdb_file(pipeline):
        return file
    try:
        return str(pipeline.destination_client().config.data_location())
    except Exception:  # a setting is missing or wrong, or the destination has no such place
        return ""


def open_bucket(pipeline: dlt.Pipeline) -> tuple[Any, str, str]:
    """Return where a pipeline's dataset of files is.

    The result has the file system, the folder of all datasets, and the dataset's name in it.
    """
    client: Any = pipeline.destination_client()
    return client.fs_client, str(client.bucket_path), str(client.dataset_name)
