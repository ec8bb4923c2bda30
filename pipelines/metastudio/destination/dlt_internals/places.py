"""Where the data of a pipeline is: a DuckDB file, a database, or a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs import ConfigSectionContext


def make_duckdb_credentials(pipeline_name: str, file: Path, *, read_only: bool) -> Any:
    """Return dlt's credentials of a DuckDB file, with their settings.

    dlt would look for all settings again for each of its clients, and import SQLAlchemy to find out
    whether a text is a URL, or to show one.
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
    """Look for the settings of a DuckDB file again, which have changed."""
    params: dict[str, Any] = pipeline.destination.config_params if pipeline.destination else {}
    old: Any = params.get("credentials")
    if file := getattr(old, "database", None):
        name = pipeline.pipeline_name
        params["credentials"] = make_duckdb_credentials(name, Path(file), read_only=bool(old.read_only))


def find_location(pipeline: dlt.Pipeline) -> str:
    """Return the file, or host and database, that the settings of a pipeline lead to."""
    try:
        return str(pipeline.destination_client().config.data_location())
    except Exception:  # a setting is missing or wrong, or the destination has no such place
        return ""


def open_bucket(pipeline: dlt.Pipeline) -> tuple[Any, str, str]:
    """Return the file system of a destination of files, the folder of all its datasets, and the
    name that the folder of the pipeline's dataset has in it.
    """
    client: Any = pipeline.destination_client()
    return client.fs_client, str(client.bucket_path), str(client.dataset_name)
