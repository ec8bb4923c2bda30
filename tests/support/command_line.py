"""The command line as tests call it, in a process of its own, and how it ended."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

NOW = "2026-01-15T12:00:00Z"
"""The simulated tenants' time."""

COMMAND = (sys.executable, "-m", "metastudio")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out.splitlines()[-1])


def run_in_process(*arguments: str) -> Ended:
    """Run a command to its end. dlt reads its files once per process."""
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def start_process(*arguments: str) -> subprocess.Popen[str]:
    """Start a command whose standard error is read while it works."""
    return subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True)
