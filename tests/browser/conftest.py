"""Shared by browser tests: a warehouse of a simulated tenant, and a browser limited to loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from metastudio.pipeline.options import Options

from tests.browser.chromium import Tab, open_chromium
from tests.support.warehouse import Warehouse, make_warehouse

TIMEOUT_SECONDS = 60


@pytest.fixture(scope="session")
def built_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("warehouse")
    with make_warehouse(folder, Options(), str(folder / "videos.duckdb")) as warehouse:
        yield warehouse


@pytest.fixture
def browse(tmp_path: Path) -> Callable[[Callable[[Tab], Coroutine[Any, Any, Any]]], Any]:
    """Run a coroutine function with a new browser."""

    def browse(work: Callable[[Tab], Coroutine[Any, Any, Any]]) -> Any:
        async def run() -> Any:
            async with asyncio.timeout(TIMEOUT_SECONDS), open_chromium(tmp_path / "browser") as tab:
                return await work(tab)

        return asyncio.run(run())

    return browse
