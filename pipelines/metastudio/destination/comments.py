"""Writes the descriptions of tables and columns as comments, once per schema version."""

from __future__ import annotations

import logging

from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.sql_client import SqlClientBase

from metastudio.destination.connection import TenantTables
from metastudio.records.schema import SCHEMA_VERSION, TABLES

log = logging.getLogger("metastudio")

_MARK = f" (metastudio, schema version {SCHEMA_VERSION})"


def write_comments(tables: TenantTables) -> None:
    """Write the comments unless the destination has this version of them.

    If a destination refuses comments, that is logged, and its tables have none.
    """
    query = tables.capabilities.table_comment_query
    if query is None:
        return
    try:
        with tables.connect() as client:
            written = client.execute_sql(query, client.dataset_name, TABLES[-1].name) or []
            if [tuple(row) for row in written] != [(TABLES[-1].description + _MARK,)]:
                _write(client)
    except DatabaseException as error:
        log.warning("The descriptions of the tables could not be written as comments: %s.", type(error).__name__)


def _write(client: SqlClientBase[object]) -> None:
    """Write all comments in one transaction; the last one marks the version."""
    with client.begin_transaction():
        for table in TABLES:
            name = client.make_qualified_table_name(table.name)
            for column in table.columns:
                column_name = client.escape_column_name(column.name)
                client.execute_sql(f"COMMENT ON COLUMN {name}.{column_name} IS {_quote(column.description)}")
            client.execute_sql(f"COMMENT ON TABLE {name} IS {_quote(table.description + _MARK)}")


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
