"""Lets a DuckDB file and the dataset in it have the same name, as `metastudio.duckdb` and `metastudio` do.

DuckDB names a database after its file and then calls `metastudio.some_table` ambiguous; dlt writes just that. With this, dlt writes
`metastudio.metastudio.some_table` there, and elsewhere what it always did.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient


def find_catalog(path: str) -> str:
    """Give the name that DuckDB gives to the database in a file: the file's name up to its first dot."""
    return Path(path).name.split(".")[0]


def _catalog_name(self: DuckDbSqlClient, quote: bool = True, casefold: bool = True) -> str | None:
    if type(self).__name__ != "DuckDbSqlClient":  # those of MotherDuck and DuckLake name their databases themselves
        return None
    catalog = find_catalog(str(getattr(self.credentials, "database", None) or ""))
    if catalog.lower() not in {self.dataset_name.lower(), self.staging_dataset_name.lower()}:
        return None
    return str(self.capabilities.escape_identifier(catalog)) if quote else catalog


def allow_same_names() -> None:
    """Teach dlt's DuckDB client to name the database where the name of the dataset alone would be ambiguous."""
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

    DuckDbSqlClient.catalog_name = _catalog_name  # type: ignore[method-assign, assignment]
    DuckDbSqlClient.warn_if_catalog_equals_dataset_name = lambda self: None  # type: ignore[method-assign]
