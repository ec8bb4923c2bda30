"""Tries what a sync does in the destination, and leaves nothing behind."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.connection import Client, TenantTables
from metastudio.destination.dlt_internals.places import open_bucket
from metastudio.destination.duckdb_file import find_file
from metastudio.destination.foreign_tables import require_own_tables
from metastudio.errors import ConfigurationError
from metastudio.records.schema import TABLES

_PROBE = "metastudio_check"


class _RollbackError(Exception):
    """Ends a transaction that must not be committed."""


def try_destination(tables: TenantTables, schemas: Sequence[str]) -> str:
    """Try whether a sync could write, and return a sentence about the result.

    Args:
        schemas: the names of all schemas that a sync writes to.

    Raises:
        ConfigurationError: a schema, table or file cannot be used; the message names it.
    """
    capabilities = tables.capabilities
    if capabilities.is_duckdb_file and not tables.check_file():
        _try_new_file(Path(find_file(tables.pipeline.sql_client())))
        return "does not exist yet and can be created"
    if capabilities.table_format:
        return _try_bucket(tables)
    if not capabilities.takes_inserts:
        with tables.connect():
            return "reached; whether it can be written to is not tested on this destination"
    with tables.share_connection(), tables.connect() as client:
        for schema in schemas:
            _try_schema(client, schema)
        require_own_tables(tables)
        for table in TABLES:
            with suppress(DestinationUndefinedEntity):  # the table does not exist yet
                _try_table(client, table.name)
    return f"schemas {', '.join(schemas)} can be written to"


def _try_new_file(file: Path) -> None:
    """Create a database beside the file, under another name, and remove it."""
    probe = file.with_name(f"{_PROBE}_{uuid.uuid4().hex}.duckdb")
    try:
        duckdb.connect(str(probe)).close()
    except (duckdb.Error, OSError):
        reason = "no file can be created there" if file.parent.is_dir() else "there is no such folder"
        raise ConfigurationError(
            f"The DuckDB file {file} cannot be created: {reason}.",
            hint="Check the path in DESTINATION__DUCKDB__CREDENTIALS, and that you may write to its folder.",
        ) from None
    finally:
        for left in (probe, Path(f"{probe}.wal")):
            left.unlink(missing_ok=True)


def _try_bucket(tables: TenantTables) -> str:
    """Write a file to the bucket, and remove it."""
    if find_spec("deltalake") is None:
        raise ConfigurationError(
            "The package deltalake is not installed.", hint="Install metastudio with the extra lake: see docs/lake.md."
        )
    filesystem, folder, _ = open_bucket(tables.pipeline)
    path, is_new = f"{folder}/{_PROBE}_{uuid.uuid4().hex}", not filesystem.exists(folder)
    try:
        if is_new:
            filesystem.makedirs(folder, exist_ok=True)
        filesystem.pipe_file(path, b"")
        filesystem.rm_file(path)
        if is_new:
            filesystem.rmdir(folder)
    except Exception as error:
        raise ConfigurationError(
            f"No file can be written to the bucket: {type(error).__name__}.",
            hint="Check DESTINATION__FILESYSTEM__BUCKET_URL and its credentials.",
        ) from error
    return "the bucket can be written to"


def _try_schema(client: Client, schema: str) -> None:
    """Create the schema if it is missing, and a table in it; write a row; roll everything back."""
    with client.with_alternative_dataset_name(schema):
        with _name_failure(f"The schema {schema} cannot be created"), _roll_back(client):
            if not client.has_dataset():
                client.create_dataset()
        with _name_failure(f"No table can be created in the schema {schema}"), _roll_back(client):
            if not client.has_dataset():
                client.create_dataset()
            name = client.make_qualified_table_name(_PROBE)
            client.execute_sql(f"CREATE TABLE {name} (i integer)")
            client.execute_sql(f"INSERT INTO {name} VALUES (1)")


def _try_table(client: Client, table: str) -> None:
    """Insert into a table and delete from it, with statements that match no row."""
    name = client.make_qualified_table_name(table)
    with _name_failure(f"The table {table} cannot be written to"), _roll_back(client):
        client.execute_sql(f"INSERT INTO {name} SELECT * FROM {name} WHERE 1 = 0")
        client.execute_sql(f"DELETE FROM {name} WHERE 1 = 0")


@contextmanager
def _roll_back(client: Client) -> Iterator[None]:
    try:
        with client.begin_transaction():
            yield
            raise _RollbackError
    except _RollbackError:
        pass


@contextmanager
def _name_failure(what: str) -> Iterator[None]:
    """Turn a failure of the database into an error that names what failed, and the error class."""
    try:
        yield
    except DestinationUndefinedEntity:
        raise
    except DatabaseException as error:
        cause: Any = error.dbapi_exception
        raise ConfigurationError(
            f"{what}: {type(cause).__name__}.",
            hint="The destination's user needs CREATE on the database, and must own schemas and tables that it did not"
            " create itself.",
        ) from error
