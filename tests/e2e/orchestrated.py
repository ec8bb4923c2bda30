"""A Dagster instance with our settings, on a simulated tenant and a DuckDB file: jobs run in this process, as a tick would run them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from metastudio.pipeline import Options
from metastudio_simulator import Simulator

from tests.e2e.warehouse import Warehouse


@dataclass(frozen=True)
class Orchestrated:
    """What runs where."""

    warehouse: Warehouse
    home: Path
    instance: Any
    defs: Any

    @property
    def sim(self) -> Simulator:
        return self.warehouse.sim

    def execute(self, job: str, **how: Any) -> Any:
        """Run a job to its end, however it ends."""
        return self.defs.resolve_job_def(job).execute_in_process(instance=self.instance, raise_on_error=False, **how)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask or change the DuckDB file, in UTC."""
        with duckdb.connect(self.warehouse.credentials) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("USE videos.metastudio")
            return connection.execute(sql).fetchall()


@contextmanager
def orchestrate(folder: Path) -> Iterator[Orchestrated]:
    """Make an instance and its definitions; nothing has run yet, and the settings are in the environment."""
    from dagster import DagsterInstance

    home = folder / "home"
    with Simulator(jobs=400, days=90, seed=7) as sim, pytest.MonkeyPatch.context() as patch:
        warehouse = Warehouse(sim, Options(), folder, str(folder / "videos.duckdb"))
        warehouse.configure(patch)
        patch.setenv("DAGSTER_HOME", str(home))
        from metastudio.orchestration import make_definitions
        from metastudio.orchestration.__main__ import write_instance_settings

        write_instance_settings(home)
        with DagsterInstance.from_config(str(home)) as instance:
            yield Orchestrated(warehouse, home, instance, make_definitions())


def clear_settings(patch: pytest.MonkeyPatch) -> None:
    """Take everything out of the environment that a definition could read."""
    for name in [name for name in os.environ if name.startswith(("SOURCES__", "DESTINATION__"))]:
        patch.delenv(name)
