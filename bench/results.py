"""What was measured, kept as JSON lines under `.bench/results/`: an interrupted run goes on, a page can be written anew.

One file a part: the first line tells when, where and of what code; each later line is a whole round. Rounds of other code
are never mixed with those of this one.
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

from .figures import Figures
from .measuring import Record
from .places import PEERS, REQUIREMENTS, ROOT


@dataclass(frozen=True, slots=True)
class Store:
    """The results of one kind of run, a file for each part."""

    folder: Path

    def rounds(self, part: str) -> list[list[Record]]:
        """The whole rounds of a part that were measured with the code as it is now."""
        head, *rounds = self._read(part) or [{}]
        return rounds if head.get("code") == fingerprint() else []

    def begin(self, part: str) -> None:
        """Forget what was measured of a part."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path(part).write_text(json.dumps(describe_run()) + "\n", encoding="utf-8")

    def add(self, part: str, records: list[Record]) -> None:
        """Keep a whole round."""
        with self._path(part).open("a", encoding="utf-8") as file:
            file.write(json.dumps(records) + "\n")

    def note_absent(self, absent: dict[str, str]) -> None:
        """Keep which peers could not be measured, and why."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "absent.json").write_text(json.dumps(absent), encoding="utf-8")

    def absent(self) -> dict[str, str]:
        """Which peers could not be measured, and why."""
        path = self.folder / "absent.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}

    def heads(self) -> dict[str, dict[str, Any]]:
        """When, where and of what code each part was measured."""
        return {path.stem: self._read(path.stem)[0] for path in sorted(self.folder.glob("*.jsonl"))}

    def figures(self) -> Figures:
        """All that was measured, whatever the code was; parts as they are."""
        return Figures({part: self._read(part)[1:] for part in self.heads()})

    def _path(self, part: str) -> Path:
        return self.folder / f"{part}.jsonl"

    def _read(self, part: str) -> list[Any]:
        if not self._path(part).exists():
            return []
        return [json.loads(line) for line in self._path(part).read_text(encoding="utf-8").splitlines()]


def fingerprint() -> str:
    """A digest of all code whose figures may be compared: the packages, the peers and the locks."""
    digest = hashlib.sha256()
    for folder, pattern in ((ROOT / "pipelines", "**/*.py"), (PEERS, "*.py"), (REQUIREMENTS, "*.lock")):
        for path in sorted(folder.glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    digest.update((ROOT / "requirements.lock").read_bytes())
    return digest.hexdigest()[:16]


def describe_run() -> dict[str, Any]:
    """When, on what machine, with what code."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "code": fingerprint(),
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
