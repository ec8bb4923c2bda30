"""A Dagster instance with our settings, on a simulated tenant and a DuckDB file: jobs run in this process, as a tick would run them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import duckdb
import pytest
from metastudio.pipeline.options import Options
from metastudio_simulator import Simulator

from tests.support.warehouse import Warehouse


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
def orchestrate(
    folder: Path, options: Options | None = None, credentials: str | None = None, **settings: str
) -> Iterator[Orchestrated]:
    """Make an instance and its definitions; nothing has run yet, and the settings are in the environment."""
    home = folder / "home"
    with Simulator(jobs=400, days=90, seed=7) as sim, pytest.MonkeyPatch.context() as environment:
        warehouse = Warehouse(sim, options or Options(), folder, credentials or str(folder / "videos.duckdb"))
        warehouse.configure(environment)
        for name, value in {"DAGSTER_HOME": str(home), **settings}.items():
            environment.setenv(name, value)
        from metastudio.orchestration import make_definitions

        with make_instance(home) as instance:
            yield Orchestrated(warehouse, home, instance, make_definitions())


@contextmanager
def make_instance(home: Path) -> Iterator[Any]:
    """Make a Dagster instance with our settings, on which nothing ever ran."""
    from dagster import DagsterInstance
    from metastudio.orchestration.__main__ import write_instance_settings

    write_instance_settings(home)
    with DagsterInstance.from_config(str(home)) as instance:
        yield instance


class Queue:
    """The queue of an instance, as Dagster's daemon works it off; the runs that it lets go only seem to start."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance
        self._runs: dict[str, Any] = {}

    def put(self, job: Any) -> None:
        """Let a run of a job wait, as a tick or an operator does."""
        from dagster import DagsterRunStatus
        from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

        place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("metastudio.orchestration"), "__repository__")
        self._runs[job.name] = self.instance.create_run_for_job(
            job, status=DagsterRunStatus.QUEUED, remote_job_origin=RemoteJobOrigin(place, job.name)
        )

    def let_go(self) -> list[str]:
        """Have the daemon look once: the jobs whose runs it starts."""
        from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

        with (
            patch.object(type(self.instance.run_launcher), "launch_run") as launch,
            QueuedRunCoordinatorDaemon(interval_seconds=1) as daemon,
        ):
            list(daemon.run_iteration(Mock(instance=self.instance)))
        return [call.args[0].dagster_run.job_name for call in launch.call_args_list]

    def start(self, job: str) -> None:
        """Let the run of a job begin its work."""
        from dagster import DagsterEvent, DagsterEventType

        event = DagsterEvent(DagsterEventType.RUN_START.value, job)
        self.instance.report_dagster_event(event, self._runs[job].run_id)

    def monitor(self) -> None:
        """Have the daemon look once at the runs that are under way, if the settings say that it does."""
        from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

        if self.instance.run_monitoring_enabled:
            list(execute_run_monitoring_iteration(Mock(instance=self.instance), logging.getLogger("dagster")))

    def end(self, job: str) -> None:
        """Let the run of a job end, however it ends."""
        self.instance.report_run_failed(self._runs.pop(job))


def materialized(result: Any) -> dict[str, dict[str, Any]]:
    """The assets that a run materialized, by their last word, with their metadata."""
    events = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    return {
        event.asset_key.path[-1]: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in events
    }


def checked(result: Any) -> dict[str, Any]:
    """What a run's checks found, by their names."""
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def tags(lab: Orchestrated, result: Any) -> dict[str, str]:
    """The tags of a run, those that it was given while it ran included."""
    return lab.instance.get_run_by_id(result.run_id).tags


def clear_settings(patch: pytest.MonkeyPatch) -> None:
    """Take everything out of the environment that a definition could read."""
    for name in [name for name in os.environ if name.startswith(("SOURCES__", "DESTINATION__"))]:
        patch.delenv(name)
