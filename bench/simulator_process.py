"""Serves the simulated tenants of a scenario in their own process, to keep their CPU time apart.

The process reads one JSON command per line from standard input, answers each with one line, and
ends with its input. The clock stands still, so that equal arguments give equal rows. Every row is
serialized before it is requested.
"""

from __future__ import annotations

import csv
import gc
import json
import signal
import sys
import time
from typing import Any

from metastudio_simulator import Simulator
from metastudio_simulator.tenant.index import Query

NOW = "2026-06-01T12:00:00Z"


class Tenants:
    """Several simulators. Each public method is a command."""

    def __init__(self, tenants: int, jobs: int) -> None:
        self.simulators = [Simulator(jobs, seed=1 + number, now=NOW).start() for number in range(tenants)]
        self.set(token_life_seconds=365 * 86_400)  # rounds move the clock by days
        self.add_changes(3600, new=1, updates=0)  # the newest changes of the history are then an hour old

    def describe(self) -> list[dict[str, str]]:
        """Return the address and credentials of each tenant."""
        fields = ("url", "project_id", "access_key", "secret_key")
        return [
            {field: getattr(simulator, field) for field in fields} | {"token": simulator.token()}
            for simulator in self.simulators
        ]

    def set(self, **behavior: Any) -> None:
        """Set the behavior of every tenant."""
        for simulator in self.simulators:
            simulator.behavior.merge(behavior)

    def advance(self, seconds: float) -> None:
        """Advance every clock."""
        for simulator in self.simulators:
            simulator.clock.advance(seconds)

    def add_changes(self, seconds: float, new: int, updates: int) -> None:
        """Advance every clock while new jobs appear at equal intervals and old jobs change."""
        for simulator in self.simulators:
            for _ in range(new):
                simulator.clock.advance(seconds / new)
                simulator.tenant.change_some(create=1, update=updates // new)
        self._serialize_rows()

    def reset(self) -> None:
        """Reset the counters."""
        for simulator in self.simulators:
            simulator.stats.reset()
            simulator.log.clear()

    def stats(self) -> dict[str, float]:
        """Return the requests since the last reset, and the CPU seconds of this process so far."""
        stats = [simulator.stats for simulator in self.simulators]
        return {
            "requests": sum(one.requests for one in stats),
            "throttled": sum(one.throttled for one in stats),
            "cpu": time.process_time(),
        }

    def snapshot(self, path: str) -> None:
        """Write the jobs that the tenants show now to a CSV file."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("project_id", "job_id", "state", "lastupdate_time"))
            for simulator in self.simulators:
                for row in simulator.tenant.visible():
                    writer.writerow((simulator.project_id, row["job_id"], row["state"], row["lastupdate_time"]))

    def _serialize_rows(self) -> None:
        """Serialize every row now, and keep the garbage collector from visiting the rows later."""
        for simulator in self.simulators:
            simulator.tenant.select(Query(limit=len(simulator.tenant.index)))
        gc.collect()
        gc.freeze()


def main() -> None:
    """Serve `TENANTS` tenants with `JOBS` jobs each until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the benchmark closes the input when it is interrupted
    tenants = Tenants(int(sys.argv[1]), int(sys.argv[2]))
    for line in sys.stdin:
        arguments = json.loads(line)
        result = getattr(tenants, arguments.pop("method"))(**arguments)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
