"""Runs the command line in a process of its own, and returns how it ended."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOW = "2026-01-15T12:00:00Z"
"""The time of the simulated tenants."""

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


def run_in_process(*arguments: str, env: Mapping[str, str | None] | None = None, **kwargs: Any) -> Ended:
    """Run a command to its end. dlt reads its files once per process.

    Args:
        env: variables to change; None removes one.
        kwargs: for `subprocess.run`.
    """
    variables = {name: value for name, value in {**os.environ, **(env or {})}.items() if value is not None}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
    ended = subprocess.run([*COMMAND, *arguments], env=variables, text=True, check=False, **streams)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def obey_permissions() -> None:
    """Give up root's right to ignore permissions. For `preexec_fn`."""
    if sys.platform == "linux" and os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP


def start_process(*arguments: str) -> subprocess.Popen[str]:
    """Start a command whose standard error is read while it runs."""
    return subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True)
