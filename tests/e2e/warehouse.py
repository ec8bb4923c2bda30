"""A warehouse that tests of the models share: an odd tenant, synced and audited, with the reporting models that the sync built."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from metastudio.console import LogWatcher
from metastudio.pipeline import Options, open_pipeline, run_audit, run_sync
from metastudio.reporting.models import Models
from metastudio_simulator import Simulator

NOW = "2026-01-15T12:00:00Z"


@dataclass(frozen=True)
class Warehouse:
    """What was synced from where."""

    sim: Simulator
    options: Options
    folder: Path
    first_log: str

    @property
    def models(self) -> Models:
        return Models(open_pipeline(self.options))

    def sync(self) -> None:
        outcome = run_sync(self.options, LogWatcher())
        assert outcome.error is None, outcome.error


def make_odd_tenant(sim: Simulator) -> None:
    """Give a tenant what real ones have: other spellings, unknown states, times that run backwards, records that are none."""
    jobs = [job["job_id"] for job in sim.tenant.visible() if job["state"] == "SUCCEED"]
    oddities = ({"state": "SUCCESS"}, {"state": "THAWED"}, {"start_time": "2020-01-01T00:00:00Z"}, {"job_type": None})
    for job_id, oddity in zip(jobs[-10:], oddities, strict=False):
        sim.tenant.spoil(job_id, **oddity)
        sim.tenant.update(job_id, asset_name="odd")
    sim.tenant.add_raw({"state": "SUCCEED"}, at="2026-01-15T12:59:00Z")


@contextmanager
def make_warehouse(folder: Path, options: Options, credentials: str) -> Iterator[Warehouse]:
    """Sync an odd tenant into a destination, have a job vanish, audit; its settings stay in the environment meanwhile."""
    with Simulator(jobs=600, days=90, seed=7, now=NOW) as sim, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("SOURCES__", "DESTINATION__", "DLT_"))]:
            patch.delenv(name)
        patch.chdir(folder)
        for name, value in {
            "DLT_DATA_DIR": str(folder / "state"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "SOURCES__METASTUDIO__ENDPOINT": sim.url,
            "SOURCES__METASTUDIO__PROJECT_ID": sim.project_id,
            "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY": sim.access_key,
            "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY": sim.secret_key,
            "SOURCES__METASTUDIO__REQUESTS_PER_SECOND": "1000",
            f"DESTINATION__{options.destination.upper()}__CREDENTIALS": credentials,
        }.items():
            patch.setenv(name, value)
        warehouse = Warehouse(sim, options, folder, "")
        with _collect_log() as lines:
            warehouse.sync()
        sim.tenant.vanish(sim.tenant.visible()[100]["job_id"])
        sim.clock.advance(3600)
        assert run_audit(options, LogWatcher(), repair=True).error is None
        make_odd_tenant(sim)
        warehouse.sync()
        yield Warehouse(sim, options, folder, "\n".join(lines))


@contextmanager
def _collect_log() -> Iterator[list[str]]:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("metastudio")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
