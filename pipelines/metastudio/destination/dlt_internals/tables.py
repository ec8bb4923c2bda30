"""The tables of a pipeline's schema: finds their columns, and creates missing ones again."""

from __future__ import annotations

import base64
import json
import logging
import zlib
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.connection import TenantTables
from metastudio.records.schema import ATTEMPTS

log = logging.getLogger("metastudio")


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


def lacks_tables(tables: TenantTables) -> bool:
    """Return whether tables or columns may be missing in the destination or in its staging."""
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

    dlt does so only if `_dlt_version` lacks the schema. Return the names of the tables outside of
    staging. The table of attempts may stay missing, because nothing depends on it.
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
            log.debug("The table %s cannot be repaired: %s.", ATTEMPTS, type(error.dbapi_exception).__name__)
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
