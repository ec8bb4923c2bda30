"""The file of a DuckDB destination: its name, and the other processes that use it."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from dlt.destinations.exceptions import DestinationConnectionError
from dlt.destinations.sql_client import SqlClientBase

from metastudio.error_mapping import find_lock_holder
from metastudio.errors import ConfigurationError

log = logging.getLogger("metastudio")

POLL_SECONDS = 0.2
"""Pause between two attempts to open a file that another process uses."""


def find_catalog(path: str) -> str:
    """Return the name that DuckDB gives to the database in a file."""
    return Path(path).name.split(".")[0]


def check_file_name(client: SqlClientBase[Any]) -> None:
    """Check that DuckDB can tell the database from the schemas in it.

    DuckDB names a database after its file. In `metastudio.duckdb`, the name
    `metastudio.digital_human_videos` is ambiguous, and DuckDB refuses it.

    Raises:
        ConfigurationError: the file has the name of a dataset that is used here.
    """
    path = str(getattr(client, "credentials").database or "")  # noqa: B009 - only DuckDB's client has it
    catalog, dataset = find_catalog(path), str(client.dataset_name)
    datasets = {dataset, str(client.staging_dataset_name), f"{dataset}_reporting"}
    if catalog.casefold() not in {name.casefold() for name in datasets}:
        return
    free = catalog == "metastudio" and not Path(path).with_name("videos.duckdb").exists()
    better = "videos.duckdb" if free else f"{catalog}_videos.duckdb"
    rename = f"rename it ({make_rename_command(Path(path), better)}) and " if Path(path).exists() else ""
    raise ConfigurationError(
        f"The DuckDB file {Path(path).name} has the name of the dataset {catalog}: DuckDB cannot tell them apart.",
        hint=f"Use a file of another name: {rename}set DESTINATION__DUCKDB__CREDENTIALS={better}.",
    )


def make_rename_command(file: Path, name: str) -> str:
    """Return the shell command that renames a DuckDB file and its write-ahead log."""
    command = f"mv {file.name} {name}"
    return f"{command} && mv {file.name}.wal {name}.wal" if Path(f"{file}.wal").exists() else command


def open_when_free(client: SqlClientBase[Any], lock_seconds: float) -> None:
    """Open a connection; wait for a process that uses the file.

    Raises:
        DestinationConnectionError: the file is still in use after `lock_seconds`, or cannot be
            opened.
    """
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
            time.sleep(POLL_SECONDS)
