"""A Dagster instance on a simulated tenant and a DuckDB file, whose jobs run in this process."""

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
    """The instance, its definitions, and the warehouse that they load."""

    warehouse: Warehouse
    home: Path
    settings: dict[str, str]
    instance: Any
    defs: Any

    @property
    def sim(self) -> Simulator:
        return self.warehouse.sim

    @contextmanager
    def configured(self) -> Iterator[Orchestrated]:
        """Set the environment variables of the instance and of its settings within the block."""
        with configure(self.warehouse, self.home, self.settings):
            yield self

    def execute(self, job: str, **how: Any) -> Any:
        """Run a job, and return its result even if it fails."""
        return self.defs.resolve_job_def(job).execute_in_process(instance=self.instance, raise_on_error=False, **how)

    def tick(self) -> Any:
        """Evaluate the schedule of the sync once, and run the job that it requests."""
        from dagster import build_schedule_context

        schedule = self.defs.resolve_schedule_def("metastudio_sync_schedule")
        [request] = schedule.evaluate_tick(build_schedule_context(instance=self.instance)).run_requests
        return self.execute(schedule.job_name, tags=request.tags)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement on the DuckDB file, in UTC."""
        with duckdb.connect(self.warehouse.credentials) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("USE videos.metastudio")
            return connection.execute(sql).fetchall()


@contextmanager
def orchestrate(
    folder: Path, options: Options | None = None, credentials: str | None = None, **settings: str
) -> Iterator[Orchestrated]:
    """Provide an instance on which nothing has run, with its definitions.

    Its settings are in the environment while `configured` is open.
    """
    home = folder / "home"
    with Simulator(jobs=400, days=90, seed=7) as sim:
        warehouse = Warehouse(sim, options or Options(), folder, credentials or str(folder / "videos.duckdb"))
        share_manifests(folder)
        with configure(warehouse, home, settings):
            from metastudio.orchestration import make_definitions

            defs = make_definitions()
        with make_instance(home) as instance:
            yield Orchestrated(warehouse, home, settings, instance, defs)


@contextmanager
def configure(warehouse: Warehouse, home: Path, settings: dict[str, str]) -> Iterator[None]:
    """Set the environment variables of a warehouse and of an instance within the block."""
    with pytest.MonkeyPatch.context() as environment:
        warehouse.configure(environment)
        for name, value in {"DAGSTER_HOME": str(home), **settings}.items():
            environment.setenv(name, value)
        yield


def share_manifests(folder: Path) -> None:
    """Let all instances of the session use the manifest that the first one of its kind wrote."""
    shared = folder.parent / "manifests"
    shared.mkdir(exist_ok=True)
    (folder / "state").mkdir()
    (folder / "state" / "metastudio").symlink_to(shared)


@contextmanager
def make_instance(home: Path) -> Iterator[Any]:
    """Provide a Dagster instance with the package's dagster.yaml."""
    from dagster import DagsterInstance
    from metastudio.orchestration.__main__ import write_instance_settings

    write_instance_settings(home)
    with DagsterInstance.from_config(str(home)) as instance:
        yield instance


class Queue:
    """The run queue of an instance, as Dagster's daemon handles it; no run is launched."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance
        self._runs: dict[str, Any] = {}

    def put(self, job: Any) -> None:
        """Queue a run of a job, as a tick or an operator does."""
        from dagster import DagsterRunStatus
        from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

        origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("metastudio.orchestration"), "__repository__")
        self._runs[job.name] = self.instance.create_run_for_job(
            job, status=DagsterRunStatus.QUEUED, remote_job_origin=RemoteJobOrigin(origin, job.name)
        )

    def launch(self) -> list[str]:
        """Run the daemon once, and return the jobs that it launches."""
        from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

        with (
            patch.object(type(self.instance.run_launcher), "launch_run") as launch,
            QueuedRunCoordinatorDaemon(interval_seconds=1) as daemon,
        ):
            list(daemon.run_iteration(Mock(instance=self.instance)))
        return [call.args[0].dagster_run.job_name for call in launch.call_args_list]

    def start(self, job: str) -> None:
        """Report that the run of a job started."""
        from dagster import DagsterEvent, DagsterEventType

        event = DagsterEvent(DagsterEventType.RUN_START.value, job)
        self.instance.report_dagster_event(event, self._runs[job].run_id)

    def monitor(self) -> None:
        """Run the daemon's monitoring of runs once, if the settings enable it."""
        from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

        if self.instance.run_monitoring_enabled:
            list(execute_run_monitoring_iteration(Mock(instance=self.instance), logging.getLogger("dagster")))

    def end(self, job: str) -> None:
        """Report that the run of a job failed."""
        self.instance.report_run_failed(self._runs.pop(job))


def materialized(result: Any) -> dict[str, dict[str, Any]]:
    """Return the metadata of the assets that a run materialized, by the last part of their keys."""
    events = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    return {
        event.asset_key.path[-1]: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in events
    }


def checked(result: Any) -> dict[str, Any]:
    """Return the results of a run's checks by name."""
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def tags(lab: Orchestrated, result: Any) -> dict[str, str]:
    """Return the tags of a run, including those added while it ran."""
    return lab.instance.get_run_by_id(result.run_id).tags


def clear_settings(patch: pytest.MonkeyPatch) -> None:
    """Remove all settings from the environment."""
    for name in [name for name in os.environ if name.startswith(("SOURCES__", "DESTINATION__"))]:
        patch.delenv(name)
