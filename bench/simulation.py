"""Controls the simulated tenants, which run in the process of `simulator_process.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from bench.paths import ROOT


@dataclass(frozen=True, slots=True)
class Tenant:
    """The address and credentials of a simulated tenant."""

    url: str
    project_id: str
    access_key: str
    secret_key: str
    token: str


class Simulation:
    """Tenants with a number of jobs each, served while the `with` block runs."""

    def __init__(self, jobs: int, tenants: int = 1) -> None:
        command = [sys.executable, "-m", "bench.simulator_process", str(tenants), str(jobs)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.tenants = [Tenant(**fields) for fields in self.call("describe")]

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of `simulator_process.Tenants` and return its result.

        Raises:
            RuntimeError: the process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"method": method, **arguments}) + "\n")
        self._process.stdin.flush()
        result = self._process.stdout.readline()
        if not result:
            raise RuntimeError(f"the simulated tenants ended with {self._process.wait()} during {method}")
        return json.loads(result)

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
