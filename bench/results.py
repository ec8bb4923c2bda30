"""Keeps the records as JSON lines in `.bench/results/`, so that an interrupted benchmark continues.

There is one file for each scenario. Its first line describes date, machine and code; each later
line is a whole round. Rounds of different code are never mixed.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.measurements import Measurements
from bench.paths import PEERS, REQUIREMENTS, ROOT


@dataclass(frozen=True, slots=True)
class ResultStore:
    """The results of full or of quick runs."""

    folder: Path

    def count_rounds(self, scenario: str) -> int:
        """Return the number of complete rounds that were measured with the current code."""
        header, *rounds = self._read(scenario) or [{}]
        return len(rounds) if header.get("code") == compute_fingerprint() else 0

    def begin(self, scenario: str) -> None:
        """Delete the rounds of a scenario and write its header."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path(scenario).write_text(json.dumps(describe_run()) + "\n", encoding="utf-8")

    def add(self, scenario: str, records: list[dict[str, Any]]) -> None:
        """Append a whole round."""
        with self._path(scenario).open("a", encoding="utf-8") as file:
            file.write(json.dumps(records) + "\n")

    def write_absent(self, absent: dict[str, str]) -> None:
        """Keep the reasons why peers could not be measured."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "absent.json").write_text(json.dumps(absent), encoding="utf-8")

    def read_absent(self) -> dict[str, str]:
        """Return the reasons why peers could not be measured, by peer."""
        path = self.folder / "absent.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}

    def read_headers(self) -> dict[str, dict[str, Any]]:
        """Return date, machine and code of each scenario that was measured."""
        return {path.stem: self._read(path.stem)[0] for path in sorted(self.folder.glob("*.jsonl"))}

    def read(self) -> Measurements:
        """Return all measurements, whatever code they were made with."""
        return Measurements({scenario: self._read(scenario)[1:] for scenario in self.read_headers()})

    def _path(self, scenario: str) -> Path:
        return self.folder / f"{scenario}.jsonl"

    def _read(self, scenario: str) -> list[Any]:
        if not self._path(scenario).exists():
            return []
        return [json.loads(line) for line in self._path(scenario).read_text(encoding="utf-8").splitlines()]


def compute_fingerprint() -> str:
    """Return a digest of what figures depend on: packages, scenarios, peers and lock files."""
    digest = hashlib.sha256()
    paths = [*(ROOT / "pipelines").rglob("*.py"), *PEERS.glob("*.py"), *REQUIREMENTS.glob("*.lock")]
    paths += [ROOT / name for name in ("requirements.lock", "bench/scenarios.py", "bench/sizes.py")]
    for path in sorted(paths):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def describe_run() -> dict[str, Any]:
    """Return date, machine and code."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "code": compute_fingerprint(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "processor": _find_processor(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("metastudio", "dlt", "duckdb", "pyarrow", "aiohttp", "orjson")},
    }


def _find_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
