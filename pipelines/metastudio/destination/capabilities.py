"""Answers what a destination can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import dlt


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this package can do on a destination besides loading packages.

    Args:
        is_duckdb_file: the database is a file that one process at a time can write. DuckDB rewrites
            the file whenever its last connection is closed.
        is_postgres: sessions have settings of their own, and the server has advisory locks.
        takes_inserts: single rows can be inserted by SQL, without a load package.
        table_comment_query: SQL that reads the comment of a table, given its schema and its name.
        table_format: the format of tables that consist of files; plain files cannot be merged into.
    """

    is_duckdb_file: bool = False
    is_postgres: bool = False
    takes_inserts: bool = False
    table_comment_query: str | None = None
    table_format: Literal["delta"] | None = None


_BY_TYPE = {
    "dlt.destinations.duckdb": Capabilities(
        is_duckdb_file=True,
        takes_inserts=True,
        table_comment_query="SELECT comment FROM duckdb_tables() WHERE database_name = current_database()"
        " AND schema_name = %s AND table_name = %s",
    ),
    "dlt.destinations.postgres": Capabilities(
        is_postgres=True,
        takes_inserts=True,
        table_comment_query="SELECT obj_description(c.oid, 'pg_class') FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
    ),
    "dlt.destinations.filesystem": Capabilities(table_format="delta"),
}


def find_capabilities(pipeline: dlt.Pipeline) -> Capabilities:
    """Return what the destination of a pipeline can do."""
    return _BY_TYPE.get(pipeline.destination.destination_type, Capabilities())
