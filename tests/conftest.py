"""Fixtures for all tests: a simulated tenant, settings that sync from it, the command line."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest
from metastudio_simulator import Simulator

from tests.support.command_line import NOW, Ended

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background processes ignore Ctrl-C

MEMORY = Path("/dev/shm")  # a disk takes milliseconds for each commit of SQLite, DuckDB and PostgreSQL
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**31:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


class WithoutPandas(MetaPathFinder):
    """Says at once that pandas is not installed: DuckDB looks for it with each query parameter."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")


if find_spec("pandas") is None:
    sys.meta_path.insert(0, WithoutPandas())


with suppress(ImportError):  # the environment of the lake has no property tests
    import hypothesis

    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("busy machine", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("busy machine")

TENANT: dict[str, Any] = {"jobs": 600, "days": 400, "seed": 7, "now": NOW}
"""The simulated tenant. It is always the same, because its clock stands still."""


GROUPS = {
    "models": (
        *("test_models_postgres", "test_views_postgres", "test_reporting", "test_models", "test_report_tenants"),
        *("test_docs", "test_demo", "test_scrub_figures"),
    ),
    "dagster": (
        *("test_dagster_definitions", "test_dagster_runs", "test_dagster_failures", "test_dagster_tenants"),
        *("test_gap_figures", "test_sessions"),
    ),
    "postgres": ("test_books", "test_postgres", "test_shared_destination", "test_postgres_errors", "test_attempts"),
    "killed": ("test_killed",),
    "guarantee": ("test_guarantee",),
}
"""Files whose tests run in one process, in this order, because they share steps that take seconds:
imports and parsing by dbt and Dagster, a built warehouse, a server. The longest group comes first.
Each other file is a group of its own.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest groups."""
    files = [file for files in GROUPS.values() for file in files]
    items.sort(
        key=lambda item: next((at for at, file in enumerate(files) if fnmatch(item.path.stem, file)), len(files))
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a group, instead of a file, to one process."""
    from xdist.scheduler import LoadFileScheduling

    class LoadGroups(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return find_group(nodeid)

    return LoadGroups(config, log) if config.getoption("dist") == "loadfile" else None


def find_group(nodeid: str) -> str:
    """Return the name of a test's group, which is by default that of its file."""
    path = nodeid.partition("::")[0]
    groups = (name for name, files in GROUPS.items() if any(fnmatch(Path(path).stem, file) for file in files))
    return next(groups, path)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(**TENANT) as simulator:
        yield simulator


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new working directory without any configuration."""
    for name in list(os.environ):
        if name.startswith(
            ("SOURCES__", "DESTINATION__", "HUAWEICLOUD_SDK", "CLOUD_SDK_", "DLT_", "LOAD__", "RUNTIME__")
        ):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGUAGE", "en")  # whatever the developer's locale is
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("SOURCES__METASTUDIO__BUILD_MODELS", "false")  # dbt takes seconds; only its own tests run it
    return tmp_path


@pytest.fixture
def settings(sim: Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the environment variables that sync into a DuckDB file in the working directory."""
    values = {
        "SOURCES__METASTUDIO__ENDPOINT": sim.url,
        "SOURCES__METASTUDIO__PROJECT_ID": sim.project_id,
        "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY": sim.access_key,
        "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY": sim.secret_key,
        "SOURCES__METASTUDIO__REQUESTS_PER_SECOND": "1000",
        "SOURCES__METASTUDIO__BUILD_MODELS": "false",
        "DESTINATION__DUCKDB__CREDENTIALS": str(folder / "videos.duckdb"),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture(scope="session")
def first_sync(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the DuckDB file and the state that a first sync of `sim` leaves."""
    from metastudio.pipeline.options import Options

    from tests.support.warehouse import Warehouse

    folder = tmp_path_factory.mktemp("first-sync")
    with Simulator(**TENANT) as simulator, pytest.MonkeyPatch.context() as patch:
        warehouse = Warehouse(simulator, Options(), folder, str(folder / "videos.duckdb"))
        warehouse.configure(patch)
        patch.setenv("SOURCES__METASTUDIO__BUILD_MODELS", "false")
        warehouse.sync()
    return folder


@pytest.fixture
def synced(settings: dict[str, str], folder: Path, first_sync: Path) -> None:
    """Set the working directory up as `run("sync")` would: a copy costs less than a sync."""
    shutil.copytree(first_sync, folder, dirs_exist_ok=True)


@pytest.fixture
def run(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Ended]]:
    """Call the command line in this process."""
    from metastudio.cli import app as cli

    def call(*args: str) -> Ended:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["metastudio", *args])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    yield call
    logging.getLogger("metastudio").setLevel(logging.NOTSET)


@pytest.fixture
def query(folder: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Return a function that queries the DuckDB file, in UTC."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(folder / "videos.duckdb"), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql(sql).fetchall()

    return ask
