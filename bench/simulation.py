"""The benchmark's hand on the simulated tenants, which run as a process of their own (`service.py`)."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

from .places import ROOT


@dataclass(frozen=True, slots=True)
class Tenant:
    """Where a tenant is served, and what opens it."""

    url: str
    project_id: str
    access_key: str
    secret_key: str
    token: str


class Simulation:
    """So many tenants of so many jobs, served while the `with` block runs."""

    def __init__(self, jobs: int, tenants: int = 1) -> None:
        command = [sys.executable, "-m", "bench.service", str(tenants), str(jobs)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.tenants = [Tenant(**one) for one in self.do("describe")]

    def do(self, command: str, **arguments: Any) -> Any:
        """Have a method of `service.Service` done, and give what it answers.

        Raises:
            RuntimeError: the service has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the simulated tenants ended with {self._process.wait()} at {command}")
        return json.loads(answer)

    def stats(self) -> dict[str, float]:
        """Requests and refusals since the last reset, and the CPU seconds that serving took so far."""
        return cast(dict[str, float], self.do("stats"))

    def __enter__(self) -> Simulation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
