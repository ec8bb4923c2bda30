"""The warehouse that tests of the models and of the report share: built once, as that takes dbt some seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from tests.e2e.warehouse import Warehouse, make_warehouse


@pytest.fixture(scope="session")
def built_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    from metastudio.pipeline import Options

    folder = tmp_path_factory.mktemp("warehouse")
    with make_warehouse(folder, Options(), str(folder / "metastudio.duckdb")) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(built_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The warehouse, and the settings that belong to it. Who changes it puts it back."""
    built_warehouse.configure(monkeypatch)
    return built_warehouse


@pytest.fixture
def ask(warehouse: Warehouse) -> Callable[[str], list[tuple[Any, ...]]]:
    """Ask the warehouse's file, in UTC."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(warehouse.credentials) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    return ask
