"""A warehouse with reporting models: an odd tenant, synced and audited, for several tests."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from metastudio.commands import report
from metastudio.commands.load import run_audit, run_sync
from metastudio.commands.progress import LogProgress
from metastudio.destination.jobs import Destination
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.model_version import Models
from metastudio_simulator import Simulator

from tests.support.simulated import NOW

PAGE = Path(__file__).parents[2] / "docs" / "data-model.md"

ODD_REASON = "[/x.mp4] [bold] :cat: \x1b[31m磁盘 ✓ <b>&"


@dataclass(frozen=True)
class Warehouse:
    """A synced destination, and the simulator that it was synced from."""

    sim: Simulator
    options: Options
    folder: Path
    credentials: str
    log: str = ""

    def configure(self, patch: pytest.MonkeyPatch) -> None:
        """Set the environment variables that sync from this simulator into this destination."""
        for name in [name for name in os.environ if name.startswith(("SOURCES__", "DESTINATION__", "DLT_"))]:
            patch.delenv(name)
        patch.chdir(self.folder)
        for name, value in {
            "DLT_DATA_DIR": str(self.folder / "state"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "SOURCES__METASTUDIO__ENDPOINT": self.sim.url,
            "SOURCES__METASTUDIO__PROJECT_ID": self.sim.project_id,
            "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY": self.sim.access_key,
            "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY": self.sim.secret_key,
            "SOURCES__METASTUDIO__REQUESTS_PER_SECOND": "1000",
            f"DESTINATION__{self.options.destination.upper()}__CREDENTIALS": self.credentials,
        }.items():
            patch.setenv(name, value)
        patch.setattr(report, "read_clock", self.sim.clock.now)

    @property
    def models(self) -> Models:
        return Models(Destination(open_pipeline(self.options)))

    def sync(self) -> None:
        result = run_sync(self.options, LogProgress())
        assert result.error is None, result.error


def make_odd_tenant(sim: Simulator) -> None:
    """Add oddities of real tenants: spellings, unknown states, reversed times, bad records."""
    jobs = [job["job_id"] for job in sim.tenant.visible() if job["state"] == "SUCCEED"]
    oddities = ({"state": "SUCCESS"}, {"state": "THAWED"}, {"start_time": "2020-01-01T00:00:00Z"}, {"job_type": None})
    for job_id, oddity in zip(jobs[-10:], oddities, strict=False):
        sim.tenant.corrupt(job_id, **oddity)
        sim.tenant.update(job_id, asset_name="odd")
    sim.tenant.add_raw({"state": "SUCCEED"}, at="2026-01-15T12:59:00Z")


def make_failures_odd(sim: Simulator) -> None:
    """Set failure reasons that a terminal, a table or a page could treat as commands."""
    for job in sim.tenant.visible():
        if job["state"] == "FAILED":
            sim.tenant.corrupt(job["job_id"], error_info={**job["error_info"], "error_msg": ODD_REASON})


@contextmanager
def make_warehouse(folder: Path, options: Options, credentials: str) -> Iterator[Warehouse]:
    """Sync a tenant, let a job vanish, audit, make the tenant odd, and sync again."""
    with Simulator(jobs=600, days=90, seed=7, now=NOW) as sim:
        warehouse = Warehouse(sim, options, folder, credentials)
        with pytest.MonkeyPatch.context() as patch, collect_log() as lines:
            warehouse.configure(patch)
            make_failures_odd(sim)
            warehouse.sync()
            sim.tenant.vanish(sim.tenant.visible()[100]["job_id"])
            sim.clock.advance(3600)
            assert run_audit(options, LogProgress(), repair=True).error is None
            sim.clock.advance(60)
            make_odd_tenant(sim)
            warehouse.sync()
        yield replace(warehouse, log="\n".join(lines))


def read_readme_queries() -> list[str]:
    """Read the queries in `Questions and queries` of the page on the data model."""
    section = re.split(r"^#+ Questions and queries$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    return re.findall(r"```sql\n(.*?)```", re.split(r"^#+ ", section, flags=re.MULTILINE)[0], re.DOTALL)


@contextmanager
def collect_log() -> Iterator[list[str]]:
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
