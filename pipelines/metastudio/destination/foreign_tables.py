"""Finds other people's tables under the names that this package uses."""

from __future__ import annotations

from collections.abc import Iterator

from dlt.common.schema.typing import LOADS_TABLE_NAME, PIPELINE_STATE_TABLE_NAME, VERSION_TABLE_NAME

from metastudio.destination.connection import TenantTables
from metastudio.errors import ConfigurationError
from metastudio.records.schema import TABLES, Table

_TYPES = {
    "text": ("char", "text"),
    "timestamp": ("timestamp with time zone",),
    "double": ("double", "float", "real"),
    "bigint": ("int",),
    "bool": ("bool",),
}
"""Parts of the names that databases have for a dlt type."""

_DLT_COLUMNS = {
    LOADS_TABLE_NAME: {"load_id", "schema_name", "status"},
    PIPELINE_STATE_TABLE_NAME: {"version", "pipeline_name", "state"},
    VERSION_TABLE_NAME: {"version", "schema_name", "version_hash"},
}

Columns = dict[str, str]
"""Data types by column."""


def list_tables(tables: TenantTables) -> dict[str, Columns]:
    """Return the columns of each table that the dataset has, or nothing if a query cannot tell."""
    if not tables.capabilities.takes_inserts:
        return {}
    with tables.connect() as client:
        rows = client.execute_sql(
            "SELECT columns.table_name, column_name, data_type, table_type FROM information_schema.columns"
            " JOIN information_schema.tables ON tables.table_catalog = columns.table_catalog"
            " AND tables.table_schema = columns.table_schema AND tables.table_name = columns.table_name"
            " WHERE columns.table_catalog = current_database() AND columns.table_schema = %s",
            client.dataset_name,
        )
    found: dict[str, Columns] = {}
    for table, column, data_type, table_type in rows or ():
        found.setdefault(table, {})[column] = data_type.lower() if table_type == "BASE TABLE" else "view"
    return found


def require_own_tables(tables: TenantTables) -> None:
    """Check that the tables of the dataset, if there are any, can be those of this package.

    Raises:
        ConfigurationError: somebody else's table or view has the name of one of them.
    """
    for name, reason in find_foreign_tables(list_tables(tables)):
        raise ConfigurationError(
            f"The dataset {tables.dataset_name} has a table {name} that is not metastudio's: {reason}.",
            hint="Rename that table, or choose another dataset with --dataset NAME.",
        )


def find_foreign_tables(found: dict[str, Columns]) -> Iterator[tuple[str, str]]:
    """Yield the name of each table that is not this package's, and what is wrong with it."""
    for table in TABLES:
        if table.name in found and (reason := _find_difference(table, found[table.name])):
            yield table.name, reason
    for name, expected in _DLT_COLUMNS.items():
        if name in found and (lacking := sorted(expected - found[name].keys())):
            yield name, f"it has no column {lacking[0]}"


def _find_difference(table: Table, columns: Columns) -> str | None:
    if "view" in columns.values():
        return "it is a view"
    for column in table.columns:
        data_type = columns.get(column.name)
        if data_type is None and not column.nullable:
            return f"it has no column {column.name}"
        if data_type is not None and not any(part in data_type for part in _TYPES[column.data_type]):
            return f"its column {column.name} has another type"
    return None
