"""Keeps the jobs of a tenant: adds, changes, removes and draws them. It knows no rows or pages.

Every method may be called from any thread. Each change is published to the index and to the lagging
replicas at the instant at which it happens.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import copy
from heapq import heappop, heappush
from threading import RLock

from metastudio_simulator.behavior import Behavior
from metastudio_simulator.clock import Clock
from metastudio_simulator.tenant.index import Index
from metastudio_simulator.tenant.job import Job
from metastudio_simulator.tenant.replicas import Replicas


class JobStore:
    """Every job, listed or not.

    Attributes:
        rng: the random numbers of the tenant after its start.
        jobs_per_second: the rate of new jobs.
        index: the listed jobs.
    """

    def __init__(self, clock: Clock, behavior: Behavior, history: list[Job], jobs_per_second: float, seed: int) -> None:
        self.lock = RLock()
        self.clock = clock
        self.behavior = behavior
        self.rng = random.Random(f"tenant {seed}")
        self.jobs_per_second = jobs_per_second
        self.index = Index(history)
        self.replicas = Replicas(behavior, seed)
        self._jobs = {job.key: job for job in history}
        self._late: list[tuple[int, str]] = []
        self._vanished: set[str] = set()

    def job(self, key: str) -> Job:
        """Return the job itself, with exact times and hidden fields."""
        return self._jobs[key]

    def __contains__(self, key: str) -> bool:
        return key in self._jobs

    def adopt(self, job: Job, at_us: int | None = None) -> None:
        """Add a finished job. It is listed once the clock reaches its `visible_us`."""
        with self.lock:
            now_us = self.clock.now_us()
            self._jobs[job.key] = job
            if job.visible_us > now_us:
                heappush(self._late, (job.visible_us, job.key))
            else:
                self.index.put(job)
                self.replicas.record(now_us if at_us is None else at_us, job.key, job)

    def change(self, key: str, how: Callable[[Job], None], at_us: int | None = None) -> None:
        """Replace a job by a changed copy of it."""
        with self.lock:
            job = copy(self._jobs[key])
            traced_us = job.update_us
            how(job)
            if self.behavior.untraced_changes:
                job.update_us = traced_us
            job.style = None
            self._jobs[key] = job
            if key in self.index:
                self.index.put(job)
                self.replicas.record(self.clock.now_us() if at_us is None else at_us, key, job)

    def vanish(self, job_id: str, at_us: int | None = None) -> None:
        """Remove the job from the list. `reappear` brings it back as it was.

        Raises:
            KeyError: the job does not exist, or has vanished already.
        """
        with self.lock:
            if job_id in self._vanished or job_id not in self._jobs:
                raise KeyError(job_id)
            self._vanished.add(job_id)
            if job_id in self.index:
                self.index.remove(job_id)
                self.replicas.record(self.clock.now_us() if at_us is None else at_us, job_id, None)

    def reappear(self, job_id: str) -> None:
        """List a vanished job again, as it was.

        Raises:
            KeyError: the job has not vanished.
        """
        with self.lock:
            self._vanished.remove(job_id)
            self.adopt(self._jobs[job_id])

    def reveal(self) -> None:
        """List the late jobs that have become visible."""
        now_us = self.clock.now_us()
        while self._late and self._late[0][0] <= now_us:
            visible_us, key = heappop(self._late)
            if key not in self._vanished and key not in self.index:
                self.index.put(self._jobs[key])
                self.replicas.record(visible_us, key, self._jobs[key])

    def pick(self, n: int, state: str | None = None) -> list[str]:
        """Return up to n distinct listed jobs, drawn by seed, of one state if it is given."""
        with self.lock:
            keys = self.index.state_keys(state) if state else [key for _, key in self.index.by_create]
            regular = [key for key in keys if not self._jobs[key].is_raw]
            return self.rng.sample(regular, min(n, len(regular)))
