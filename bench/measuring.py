"""Measured runs: a peer's command as a process of its own, its wall time, CPU, peak memory, requests, and its rows judged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .judge import judge
from .peers import Peer
from .places import RESULTS, ROOT, WORK
from .simulation import Simulation, Tenant

LIMIT_SECONDS = 1200
NO_QUOTA = 1000  # the most that this project can be set to
QUIET = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "AIRBYTE_OFFLINE_MODE": "1",
    "DO_NOT_TRACK": "1",
    "LANG": "C.UTF-8",
}
"""No telemetry, and nothing of the caller's environment but PATH: each run finds the same."""

Record = dict[str, Any]


class Bench:
    """Runs peers against one simulation, each in a folder of its own that outlives a run and ends with the bench."""

    def __init__(self, simulation: Simulation, part: str) -> None:
        self.simulation = simulation
        self.part = part
        self.folder = WORK / part
        self._shown = self.folder / "shown.csv"
        self._is_shown = False

    def __enter__(self) -> Bench:
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def change(self, command: str, **arguments: Any) -> None:
        """Change the tenants; what they show is asked for anew by the next judgement."""
        self.simulation.do(command, **arguments)
        self._is_shown = False

    def forget(self, peer: Peer) -> None:
        """Have the peer's next run be its first."""
        shutil.rmtree(self.folder / peer.name, ignore_errors=True)

    def measure(self, peer: Peer, step: str, *, quota: int | None = None) -> Record:
        """One run of a peer, measured and judged."""
        folder = self.folder / peer.name
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        self.simulation.do("reset")
        before = self.simulation.stats()
        figures = run(peer.command, folder, {**self._settings(folder, quota), **dict(peer.settings)})
        after = self.simulation.stats()
        record = {"step": step, "peer": peer.name, **figures, "server_cpu": after["cpu"] - before["cpu"]}
        record |= {"requests": after["requests"], "throttled": after["throttled"]}
        if figures["exit"]:
            log = RESULTS / "logs" / f"{self.part}-{peer.name}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "run.log", log)
            return record
        if not self._is_shown:
            self.simulation.do("snapshot", path=str(self._shown))
            self._is_shown = True
        return record | judge(folder / "jobs.duckdb", peer.table, peer.cover_url, self._shown)

    def _settings(self, folder: Path, quota: int | None) -> dict[str, str]:
        first, *others = self.simulation.tenants
        settings = {f"BENCH_{name.upper()}": getattr(first, name) for name in Tenant.__slots__}
        settings |= {"BENCH_QUOTA": str(quota or "")}
        settings |= {"DESTINATION__DUCKDB__CREDENTIALS": "jobs.duckdb", "DLT_DATA_DIR": str(folder / "dlt")}
        settings["SOURCES__METASTUDIO__REQUESTS_PER_SECOND"] = str(quota or NO_QUOTA)
        if not others:
            return settings | _our_settings("", first)
        names = [f"t{number:02}" for number in range(1, len(others) + 2)]
        settings["SOURCES__METASTUDIO__TENANTS"] = json.dumps(names)
        for name, tenant in zip(names, self.simulation.tenants, strict=True):
            settings |= _our_settings(f"{name.upper()}__", tenant)
        return settings


def _our_settings(tenant_prefix: str, tenant: Tenant) -> dict[str, str]:
    prefix = f"SOURCES__METASTUDIO__{tenant_prefix}"
    return {
        f"{prefix}ENDPOINT": tenant.url,
        f"{prefix}PROJECT_ID": tenant.project_id,
        f"{prefix}CREDENTIALS__ACCESS_KEY": tenant.access_key,
        f"{prefix}CREDENTIALS__SECRET_KEY": tenant.secret_key,
    }


def run(command: tuple[str, ...], folder: Path, settings: dict[str, str]) -> Record:
    """Run a command in a folder: `wall` and `cpu` seconds, peak `memory` in bytes, `exit`; its output goes to `run.log`."""
    environment = {**QUIET, "PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder / "tmp"), **settings}
    launcher = [sys.executable, "-S", "-E", str(ROOT / "bench" / "launch.py"), str(LIMIT_SECONDS), *command]
    with (folder / "run.log").open("wb") as log:
        done = subprocess.run(launcher, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, check=True)
    return dict(json.loads(done.stdout))
