"""Runs a peer in its own process; measures time, CPU, memory and requests; compares its rows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.compare import compare_rows
from bench.paths import RESULTS, ROOT, WORK
from bench.peers import Peer
from bench.postgres import PostgresServer
from bench.simulation import Simulation, Tenant

TIMEOUT_SECONDS = 1200
NO_QUOTA = 1000  # the highest value that the setting accepts
QUIET = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "AIRBYTE_OFFLINE_MODE": "1",
    "DO_NOT_TRACK": "1",
    "LANG": "C.UTF-8",
}
"""Telemetry off. Only PATH is passed on from the caller, so that runs are comparable."""


class Runner:
    """Runs peers against simulated tenants.

    Each peer has a folder that lasts until the `with` block ends, so that a second run of a peer
    finds what its first run loaded.
    """

    def __init__(self, name: str, jobs: int, tenants: int = 1, *, postgres: PostgresServer | None = None) -> None:
        self.folder = WORK / name
        self._name = name
        self._simulation = Simulation(jobs, tenants)
        self._postgres = postgres
        self._shown = self.folder / "shown.csv"

    def __enter__(self) -> Runner:
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._simulation.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def change(self, method: str, **arguments: Any) -> None:
        """Call a method of `simulator_process.Tenants` that may change the rows."""
        self._simulation.call(method, **arguments)
        self._shown.unlink(missing_ok=True)

    def reset(self, peer: Peer) -> None:
        """Delete what a peer has loaded, so that its next run is its first."""
        shutil.rmtree(self.folder / peer.name, ignore_errors=True)
        if self._postgres:
            self._postgres.drop_tables()

    def measure(self, peer: Peer, step: str, *, quota: int | None = None) -> dict[str, Any]:
        """Run a peer once and return the record of its cost and rows."""
        folder = self.folder / peer.name
        settings = self._make_settings(folder, quota)
        self._simulation.call("reset")
        before = self._simulation.call("stats")
        cost = run_command(peer.command, folder, {**settings, **peer.settings})
        after = self._simulation.call("stats")
        record = {"step": step, "peer": peer.name, **cost, "server_cpu": after["cpu"] - before["cpu"]}
        record |= {"requests": after["requests"], "throttled": after["throttled"]}
        if cost["exit"]:
            shutil.copy(folder / "run.log", make_log_path(f"{self._name}-{peer.name}"))
            return record
        return record | self._compare_rows(peer, folder)

    def measure_command(self, command: tuple[str, ...], peer: Peer) -> dict[str, Any]:
        """Run another command in the folder of a peer and return its cost."""
        return run_command(command, self.folder / peer.name, {})

    def _compare_rows(self, peer: Peer, folder: Path) -> dict[str, int]:
        database = folder / "jobs.duckdb"
        if self._postgres and peer.uses_postgres:
            self._postgres.export(peer.table, peer.cover_url, database)
        if not self._shown.exists():
            self._simulation.call("snapshot", path=str(self._shown))
        return compare_rows(database, peer.table, peer.cover_url, self._shown)

    def _make_settings(self, folder: Path, quota: int | None) -> dict[str, str]:
        """Return the environment variables in which all peers find their tenant."""
        first, *others = self._simulation.tenants
        settings = {f"BENCH_{name.upper()}": value for name, value in asdict(first).items()}
        settings |= {"BENCH_QUOTA": str(quota or "")}
        settings |= {"DESTINATION__DUCKDB__CREDENTIALS": "jobs.duckdb", "DLT_DATA_DIR": str(folder / "dlt")}
        settings["SOURCES__METASTUDIO__REQUESTS_PER_SECOND"] = str(quota or NO_QUOTA)
        if self._postgres:
            settings["DESTINATION__POSTGRES__CREDENTIALS"] = self._postgres.url
        if not others:
            return settings | _make_tenant_settings("", first)
        names = [f"t{number:02}" for number in range(1, len(others) + 2)]
        settings["SOURCES__METASTUDIO__TENANTS"] = json.dumps(names)
        for name, tenant in zip(names, self._simulation.tenants, strict=True):
            settings |= _make_tenant_settings(f"{name.upper()}__", tenant)
        return settings


def _make_tenant_settings(tenant_prefix: str, tenant: Tenant) -> dict[str, str]:
    prefix = f"SOURCES__METASTUDIO__{tenant_prefix}"
    return {
        f"{prefix}ENDPOINT": tenant.url,
        f"{prefix}PROJECT_ID": tenant.project_id,
        f"{prefix}CREDENTIALS__ACCESS_KEY": tenant.access_key,
        f"{prefix}CREDENTIALS__SECRET_KEY": tenant.secret_key,
    }


def make_log_path(name: str) -> Path:
    """Return the path of the log of a failed run, and create its folder."""
    path = RESULTS / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def run_command(command: tuple[str, ...], folder: Path, settings: dict[str, str]) -> dict[str, Any]:
    """Run a command in a folder and return its cost. Its output goes to `run.log`.

    Returns:
        `wall` and `cpu` in seconds, `memory` (peak) in bytes and `exit`, the exit code.
    """
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    environment = {**QUIET, "PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder / "tmp"), **settings}
    launcher = [sys.executable, "-S", "-E", str(ROOT / "bench" / "timed_run.py"), str(TIMEOUT_SECONDS), *command]
    with (folder / "run.log").open("wb") as log:
        done = subprocess.run(launcher, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, check=True)
    return dict(json.loads(done.stdout))
