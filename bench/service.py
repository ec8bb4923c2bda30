"""The simulated tenants of one part of the benchmark, as a process of their own: their CPU is nobody's but theirs.

Reads commands from standard input, one JSON object a line, and answers each with one line; ends with its input. The
clock stands still, so that equal arguments give equal rows, and every row is serialised once before the first request.
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


class Service:
    """Several simulators, told what to do by name."""

    def __init__(self, tenants: int, jobs: int) -> None:
        self.simulators = [Simulator(jobs, seed=1 + number, now=NOW).start() for number in range(tenants)]
        self.set(token_life_seconds=365 * 86_400)  # the clock moves by days from round to round
        self.work(
            3600, new=1, updates=0
        )  # the history's last late changes all lie at its end: now they are an hour old

    def warm(self) -> None:
        """Serialise every row now, and keep the collector from walking through them all while they are served."""
        for simulator in self.simulators:
            simulator.tenant.select(Query(limit=len(simulator.tenant.index)))
        gc.collect()
        gc.freeze()

    def describe(self) -> list[dict[str, str]]:
        """Where each tenant is served, and what opens it."""
        return [
            {
                "url": one.url,
                "project_id": one.project_id,
                "access_key": one.access_key,
                "secret_key": one.secret_key,
                "token": one.token(),
            }
            for one in self.simulators
        ]

    def set(self, **behavior: Any) -> None:
        """Set the behavior of every tenant."""
        for simulator in self.simulators:
            simulator.behavior.merge(behavior)

    def advance(self, seconds: float) -> None:
        """Move every clock on."""
        for simulator in self.simulators:
            simulator.clock.advance(seconds)

    def work(self, seconds: float, new: int, updates: int) -> None:
        """Let a span pass in which so many jobs come at even distances, and with each some old ones change."""
        for simulator in self.simulators:
            for _ in range(new):
                simulator.clock.advance(seconds / new)
                simulator.tenant.change_some(create=1, update=updates // new)
        self.warm()

    def reset(self) -> None:
        """Begin to count anew."""
        for simulator in self.simulators:
            simulator.stats.reset()
            simulator.log.clear()

    def stats(self) -> dict[str, float]:
        """What was asked since the last reset, and the CPU seconds of this process since its start."""
        counted = [simulator.stats for simulator in self.simulators]
        return {
            "requests": sum(one.requests for one in counted),
            "throttled": sum(one.throttled for one in counted),
            "cpu": time.process_time(),
        }

    def snapshot(self, path: str) -> None:
        """Write what the tenants show now to a CSV file: project_id, job_id, state, lastupdate_time."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("project_id", "job_id", "state", "lastupdate_time"))
            for one in self.simulators:
                for row in one.tenant.visible():
                    writer.writerow((one.project_id, row["job_id"], row["state"], row["lastupdate_time"]))


def main() -> None:
    """Serve `TENANTS` tenants of `JOBS` jobs each until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted bench closes the input
    service = Service(int(sys.argv[1]), int(sys.argv[2]))
    for line in sys.stdin:
        command = json.loads(line)
        result = getattr(service, command.pop("do"))(**command)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
