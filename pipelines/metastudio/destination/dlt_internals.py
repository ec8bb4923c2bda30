"""Everything that uses undocumented parts of dlt, as of dlt 1.31.0.

Review this file before you allow a newer minor version of dlt.
"""

from __future__ import annotations

import atexit
import base64
import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import dlt
import tomlkit
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.container import Container
from dlt.common.configuration.plugins import manager
from dlt.common.configuration.providers import (
    ConfigTomlProvider,
    CustomLoaderDocProvider,
    EnvironProvider,
    SecretsTomlProvider,
)
from dlt.common.configuration.providers.toml import CONFIG_TOML, SECRETS_TOML, SettingsTomlProvider
from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs import ConfigSectionContext
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.destination.client import WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.pipeline import PipelineContext, get_dlt_pipelines_dir
from dlt.common.storages import LoadStorage, NormalizeStorage, PackageStorage
from dlt.destinations.exceptions import DatabaseException
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from metastudio.destination.capabilities import find_capabilities
from metastudio.destination.connection import TenantTables
from metastudio.destination.session import set_session_variables
from metastudio.records.schema import ATTEMPTS

log = logging.getLogger("metastudio")

StateMark = tuple[int, str]
"""Version and hash of a pipeline's state: two states that grew apart can have the same version."""

_BASE = "extracted_over"
"""Key in the local state: which state of the destination the newest package goes with."""


_PINNED: dict[str, Any] = {}
_DEFAULTS: dict[str, Any] = {}


def set_default_settings(defaults: Mapping[str, Any], *, replace: bool = False) -> None:
    """Provide settings of dlt that count where no variable and no file sets another value.

    Args:
        replace: whether these settings replace those of an earlier call.
    """
    if replace or not _DEFAULTS:
        _DEFAULTS.update(defaults)
    _provide("defaults of metastudio", _DEFAULTS, first=False)


def list_config_files() -> list[Path]:
    """Return the files that dlt reads its configuration from, whether they exist or not."""
    context = manager().hook.plug_run_context(run_dir=None, runtime_kwargs=None)
    folders = dict.fromkeys((context.settings_dir, context.global_dir))
    return [Path(folder) / name for folder in folders if folder for name in (CONFIG_TOML, SECRETS_TOML)]


def accept_byte_order_marks() -> None:
    """Let dlt read configuration files with a byte-order mark, as Windows writes them."""
    context: Any = manager().hook.plug_run_context(run_dir=None, runtime_kwargs=None)
    folders = context.settings_dir, context.global_dir
    context.initial_providers = lambda: [EnvironProvider(), _Secrets(*folders), _Config(*folders)]
    Container()[PluggableRunContext] = PluggableRunContext(context)


class _MarkReader(SettingsTomlProvider):
    def _read_toml_file(self, toml_path: str) -> Any:
        path = Path(toml_path)
        return tomlkit.parse(path.read_text(encoding="utf-8-sig")) if path.is_file() else None


class _Secrets(_MarkReader, SecretsTomlProvider): ...


class _Config(_MarkReader, ConfigTomlProvider): ...


def pin_settings(pipeline: dlt.Pipeline) -> list[str]:
    """Set what the guarantee rests on for a pipeline, before every variable and file.

    A failed job fails the run, the state is kept in the destination, no run begins by emptying
    tables, and sessions are in UTC and UTF-8. Return the settings that had another value.
    """
    if find_capabilities(pipeline).is_postgres:
        set_session_variables()
    name = pipeline.pipeline_name
    _PINNED.pop(name, None)
    found: list[Any] = [dlt.config.get(f"{section}load.raise_on_failed_jobs") for section in (f"{name}.", "")]
    changed = {
        "load.raise_on_failed_jobs": next((value for value in found if value is not None), True) is not True,
        "restore_from_destination": not pipeline.config.restore_from_destination,
        "refresh": pipeline.refresh is not None,
        "dev_mode": pipeline.config.dev_mode,
    }
    _PINNED[name] = {"load": {"raise_on_failed_jobs": True}}
    _provide("pinned by metastudio", _PINNED, first=True)
    pipeline.config.restore_from_destination = True
    pipeline.refresh = None
    return [setting for setting, is_changed in changed.items() if is_changed]


def _provide(name: str, settings: dict[str, Any], *, first: bool) -> None:
    """Add a provider of settings, which reads the dictionary each time, unless it is there."""
    context = Container()[PluggableRunContext].providers
    if name not in context:
        context.add_provider(CustomLoaderDocProvider(name, lambda: settings, locations=[]))
        if first:
            context.providers.insert(0, context.providers.pop())


def find_changed_dispositions() -> list[str]:
    """Return the resources of the running source whose rows would not be merged."""
    resources = dlt.current.source().resources.selected.items()
    return [name for name, resource in resources if resource.write_disposition != "merge"]


def is_refreshed() -> bool:
    """Return whether the running extraction empties or drops tables before it loads."""
    return bool(dlt.current.load_package_state()["state"].get("refresh"))


def find_pipelines_dir() -> Path:
    """Return the folder that holds the local state of all pipelines."""
    return Path(get_dlt_pipelines_dir())


def make_temporary_pipelines_dir() -> str:
    """Return a folder for the local state of pipelines that only read; it goes with the process."""
    folder = tempfile.mkdtemp(prefix="metastudio-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def count_pending(pipeline_name: str) -> int:
    """Return the number of load packages that a killed run left to the next one."""
    folder = find_pipelines_dir() / pipeline_name
    extracted = folder / "normalize" / NormalizeStorage.EXTRACTED_FOLDER
    normalized = folder / "load" / LoadStorage.NORMALIZED_FOLDER
    # os.path: a folder that this user cannot reach is not one
    return sum(len(os.listdir(packages)) for packages in (extracted, normalized) if os.path.isdir(packages))


def drop_local_state(pipeline_name: str) -> None:
    """Delete the local state of a pipeline that dlt cannot open, and hence cannot drop."""
    shutil.rmtree(find_pipelines_dir() / pipeline_name, ignore_errors=True)


def find_active_pipeline() -> dlt.Pipeline | None:
    """Return the pipeline that was made last in this context and can load, or None."""
    context = Container()[PipelineContext]
    pipeline = context.pipeline() if context.is_active() else None
    return pipeline if isinstance(pipeline, dlt.Pipeline) and pipeline.destination else None


def read_local_mark(pipeline: dlt.Pipeline) -> StateMark:
    """Return the mark of the local state."""
    state = pipeline.state
    return int(state["_state_version"]), str(state.get("_version_hash", ""))


def read_committed_mark(tables: TenantTables) -> StateMark:
    """Return the mark of the state that was committed in the destination last, or (0, "").

    As for dlt, the state of a load that was killed before its end does not count.
    """
    rows = tables.query(
        "SELECT version, version_hash FROM {pipeline_state} JOIN {loads} ON load_id = _dlt_load_id"
        " WHERE pipeline_name = %s AND status = 0 ORDER BY load_id DESC LIMIT 1",
        tables.pipeline.pipeline_name,
    )
    return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")


def record_base_state(tables: TenantTables) -> None:
    """Record, before a package is extracted, which state of the destination it goes with."""
    tables.pipeline.set_local_state_val(_BASE, read_committed_mark(tables))


def read_base_mark(pipeline: dlt.Pipeline) -> StateMark:
    """Return the mark that was recorded last, or one that no destination has."""
    version, version_hash = cast(Any, pipeline.state["_local"]).get(_BASE, (-1, ""))
    return version, version_hash


def read_committed_source_state(pipeline: dlt.Pipeline, source: str) -> dict[str, Any]:
    """Return the state of a source that was committed last in the destination."""
    state: Mapping[str, Any] | None = pipeline.state
    with pipeline.destination_client() as client:
        if isinstance(client, WithStateSync):
            try:
                state = load_pipeline_state_from_destination(pipeline.pipeline_name, client)
            except DestinationUndefinedEntity:
                state = None
    return dict((state or {}).get("sources", {}).get(source, {}))


def read_column_types(tables: TenantTables, table: str) -> dict[str, str]:
    """Return the dlt types of the columns that a table of the destination has."""
    from dlt.destinations.job_client_impl import SqlJobClientBase

    with tables.pipeline.destination_client() as client:
        if not isinstance(client, SqlJobClientBase):
            return {}
        columns = client.get_storage_table(table)[1]
    return {name: column.get("data_type") or "text" for name, column in columns.items()}


def read_known_columns(tables: TenantTables, schema: dlt.Schema, table: str) -> set[str]:
    """Return the columns of a table in a schema, and in all stored ones of the same name."""
    known = set(schema.tables.get(table, {}).get("columns", {}))
    with tables.connect() as client:
        column = client.escape_column_name("schema")
    for (text,) in tables.query(f"SELECT {column} FROM {{versions}} WHERE schema_name = %s", schema.name):
        plain = text if text.startswith("{") else zlib.decompress(base64.b64decode(text))  # large ones are packed
        known |= json.loads(plain)["tables"].get(table, {}).get("columns", {}).keys()
    return known


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


def lacks_tables(tables: TenantTables) -> bool:
    """Return whether tables or columns of the schema may be missing in the destination, or in a
    staging dataset that exists.
    """
    columns = tables.list_columns()
    if columns is None:
        return True
    schema = tables.pipeline.default_schema
    data_tables = schema.data_table_names(seen_data_only=True)
    held, staged = columns
    expected = {name: schema.get_table_columns(name).keys() for name in (*data_tables, *schema.dlt_table_names())}
    lacking = {(table, column) for table, names in expected.items() for column in names} - held
    unstaged = {(table, column) for table in data_tables for column in expected[table]} - staged
    return bool(held and lacking) or bool(staged and unstaged)


def restore_missing_tables(pipeline: dlt.Pipeline) -> set[str]:
    """Create the tables and columns of the schema that somebody dropped, also in staging.

    dlt looks for them only where `_dlt_version` lacks the schema. Return the names of the tables
    outside of staging. Nothing depends on the table of the attempts, so a sync can do without.
    """
    from dlt.destinations.job_client_impl import SqlJobClientWithStagingDataset

    with pipeline.destination_client() as client:
        if not isinstance(client, SqlJobClientWithStagingDataset) or not client.is_storage_initialized():
            return set()
        schema = client.schema
        names = {*schema.data_table_names(seen_data_only=True), *schema.dlt_table_names()}
        restored = _restore_tables(client, names - {ATTEMPTS})
        try:
            return restored | (_restore_tables(client, {ATTEMPTS}) if ATTEMPTS in names else set())
        except DatabaseException as error:
            log.debug("The table %s cannot be mended: %s.", ATTEMPTS, type(error.dbapi_exception).__name__)
            return restored


def _restore_tables(client: Any, names: set[str]) -> set[str]:
    with client.maybe_ddl_transaction():
        restored = set(client._execute_schema_update_sql(sorted(names), store_schema=False))
    staged = names - set(client.schema.dlt_table_names()) | names & {client.schema.version_table_name}
    with client.with_staging_dataset():
        if client.is_storage_initialized():
            with client.maybe_ddl_transaction():
                client._execute_schema_update_sql(sorted(staged), store_schema=False)
    return restored


def merge_pending(pipeline: dlt.Pipeline) -> None:
    """Let normalized packages merge what they would append: a load that was interrupted may have
    appended a file, and not have recorded it.
    """
    packages = pipeline._get_load_storage().normalized_packages
    for load_id in pipeline.list_normalized_load_packages():
        schema = packages.load_schema(load_id)
        appended = [table for table in schema.data_tables() if table.get("write_disposition") == "append"]
        for table in appended:
            table["write_disposition"] = "merge"
        if appended:
            packages.save_schema(load_id, schema)


def repair_working_dir(pipeline: dlt.Pipeline) -> None:
    """Finish what a kill interrupted, where dlt does not recover by itself.

    - A storage without the folder that is made last was just being made, and is empty.
    - A normalized package is complete, because dlt renames it into place. Its extracted twin is
      removed.
    - A package that is marked as completed is in the destination. It moves to the loaded ones.
    """
    folder = Path(pipeline.working_dir)
    normalized, loaded = folder / "load" / LoadStorage.NORMALIZED_FOLDER, folder / "load" / LoadStorage.LOADED_FOLDER
    if not loaded.exists():
        shutil.rmtree(loaded.parent, ignore_errors=True)
    extracted = pipeline.list_extracted_load_packages()
    for load_id in pipeline.list_normalized_load_packages():
        if load_id in extracted:
            shutil.rmtree(folder / "normalize" / NormalizeStorage.EXTRACTED_FOLDER / load_id)
        elif (normalized / load_id / PackageStorage.PACKAGE_COMPLETED_FILE_NAME).exists():
            (normalized / load_id).rename(loaded / load_id)
