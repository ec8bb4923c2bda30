"""Writes the descriptions of tables and columns into the destination as comments, where it has such: once per version of the schema."""

from __future__ import annotations

import logging

from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.sql_client import SqlClientBase

from metastudio.destination.jobs import Destination
from metastudio.records.schema import SCHEMA_VERSION, TABLES

log = logging.getLogger("metastudio")

_MARK = f" (metastudio, schema version {SCHEMA_VERSION})"
_READ = {
    "dlt.destinations.duckdb": "SELECT comment FROM duckdb_tables() WHERE database_name = current_database()"
    " AND schema_name = %s AND table_name = %s",
    "dlt.destinations.postgres": "SELECT obj_description(c.oid, 'pg_class') FROM pg_class AS c"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
}
"""dlt's destinations that have comments -> how to read a table's."""


def write_comments(destination: Destination) -> None:
    """Write the comments unless this version of them is there; a destination that refuses is told of and goes without."""
    read = _READ.get(destination.pipeline.destination.destination_type)
    if read is None:
        return
    try:
        with destination.connect() as client:
            held = client.execute_sql(read, client.dataset_name, TABLES[-1].name) or []
            if [tuple(row) for row in held] != [(TABLES[-1].description + _MARK,)]:
                _write(client)
    except DatabaseException as error:
        log.warning("The descriptions of the tables could not be written as comments: %s.", type(error).__name__)


def _write(client: SqlClientBase[object]) -> None:
    """Write all comments in one transaction; the last table's, by which they are recognised, comes last."""
    with client.begin_transaction():
        for table in TABLES:
            name = client.make_qualified_table_name(table.name)
            for column in table.columns:
                column_name = client.escape_column_name(column.name)
                client.execute_sql(f"COMMENT ON COLUMN {name}.{column_name} IS {_quote(column.description)}")
            client.execute_sql(f"COMMENT ON TABLE {name} IS {_quote(table.description + _MARK)}")


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
