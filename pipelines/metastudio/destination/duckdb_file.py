"""The file of a DuckDB destination: its name, and the other processes that use it."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from shlex import quote
from typing import Any

import duckdb
from dlt.common.runtime import signals
from dlt.destinations.exceptions import DatabaseException, DestinationConnectionError
from dlt.destinations.sql_client import SqlClientBase

from metastudio.error_mapping import find_lock_holder
from metastudio.errors import ConfigurationError

log = logging.getLogger("metastudio")

_ASK_DATABASE = """
SELECT database_name, path, lower(database_name) IN (
    SELECT lower(name)
    FROM (
        SELECT schema_name AS name FROM duckdb_schemas() WHERE internal
        UNION ALL
        SELECT database_name AS name FROM duckdb_databases() WHERE internal
    )
)
FROM duckdb_databases()
WHERE database_name = current_database()
"""
"""Name and path of the open database, and whether DuckDB itself uses the name in another case."""

POLL_SECONDS = 0.2
"""Pause between two attempts to open a file that another process uses."""


def check_new_file(client: SqlClientBase[Any]) -> bool:
    """Check the name of a DuckDB file before the file is created. Return whether it exists already.

    Raises:
        ConfigurationError: the database would have the name of a dataset that is used here.
    """
    location = find_file(client)
    file = Path(location)
    if location.startswith(":") or file.exists():  # :external: is a connection of the caller
        return True
    _check_catalog(client, file, _ask_name(file.name))
    return False


def _ask_name(file_name: str) -> str:
    """Ask DuckDB for the name that it would give to the database in a file.

    Raises:
        ConfigurationError: a database in a file of this name does not work.
    """
    folder = tempfile.TemporaryDirectory(prefix="metastudio-")
    try:
        with folder, duckdb.connect(str(Path(folder.name, file_name))) as connection:
            connection.execute("CREATE SCHEMA probe")
            return str(connection.execute("SELECT current_catalog()").fetchall()[0][0])
    except duckdb.Error:
        raise ConfigurationError(
            f"DuckDB cannot use a file that is named {file_name}: it uses this name itself.",
            hint="Rename it, or set DESTINATION__DUCKDB__CREDENTIALS to another name.",
        ) from None


def open_file(client: SqlClientBase[Any], lock_seconds: float) -> None:
    """Open a DuckDB file and check the database in it. Wait for a process that uses it.

    DuckDB names the database after the file, or after the target of a symbolic link, but may change
    the name. In the database `metastudio`, the name `metastudio.digital_human_videos` is ambiguous,
    and DuckDB refuses it.

    Raises:
        ConfigurationError: the database has the name of a dataset that is used here, or one that
            DuckDB uses itself, or exists in memory only.
        DestinationConnectionError: the file is still in use after `lock_seconds`, or cannot be
            opened.
    """
    file = Path(find_file(client))
    try:
        _open_when_free(client, lock_seconds)
        _check_open_file(client)
    except (DestinationConnectionError, DatabaseException) as error:
        if find_lock_holder(str(error)) is None and file.is_file():
            _ask_name(file.name)
        raise


def _check_open_file(client: SqlClientBase[Any]) -> None:
    location = find_file(client)
    for catalog, path, is_ambiguous in client.execute_sql(_ASK_DATABASE) or ():
        _check_catalog(client, Path(location), str(catalog))
        if is_ambiguous:
            _ask_name(Path(location).name)
        if path is None and not location.startswith(":"):
            raise ConfigurationError(
                f"{Path(location).name} is not a DuckDB database: DuckDB would read it, and lose what is loaded.",
                hint="Set DESTINATION__DUCKDB__CREDENTIALS to another file.",
            )


def find_file(client: SqlClientBase[Any]) -> str:
    """Return the path of the file that the settings lead to, or dlt's `:external:`."""
    return str(getattr(client, "credentials").database or "")  # noqa: B009 - only DuckDB's client has it


def _check_catalog(client: SqlClientBase[Any], path: Path, catalog: str) -> None:
    dataset = str(client.dataset_name)
    datasets = {dataset, str(client.staging_dataset_name), f"{dataset}_reporting", "information_schema"}
    if catalog.casefold() not in {name.casefold() for name in datasets}:
        return
    free = catalog == "metastudio" and not path.with_name("videos.duckdb").exists()
    better = "videos.duckdb" if free else f"{catalog}_videos.duckdb"
    rename = f"rename it ({make_rename_command(path, better)}) and " if path.exists() else ""
    raise ConfigurationError(
        f"The DuckDB file {path.name} has the name of the dataset {catalog}: DuckDB cannot tell them apart.",
        hint=f"Use a file of another name: {rename}set DESTINATION__DUCKDB__CREDENTIALS={better}.",
    )


def make_rename_command(file: Path, name: str) -> str:
    """Return the shell command that renames a DuckDB file and its write-ahead log."""
    old, new = file.name, name
    command = f"mv {quote(old)} {quote(new)}"
    return f"{command} && mv {quote(old + '.wal')} {quote(new + '.wal')}" if Path(f"{file}.wal").exists() else command


def _open_when_free(client: SqlClientBase[Any], lock_seconds: float) -> None:
    deadline = time.monotonic() + lock_seconds
    is_waiting = False
    while True:
        try:
            client.open_connection()
            return
        except DestinationConnectionError as error:
            holder = find_lock_holder(str(error))
            if holder is None or time.monotonic() >= deadline:
                raise
            if not is_waiting:
                log.info("The DuckDB file is in use by %s: waiting up to %.0f s.", holder, lock_seconds)
            is_waiting = True
            signals.sleep(POLL_SECONDS)
            signals.raise_if_signalled()
