"""Lets time pass in a tenant: jobs progress, arrive, change late, run again and vanish.

Events happen in the order of their times, and are the same for the same seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush

from metastudio_simulator.tenant.generator import make_asset_name, make_new_job, make_plan
from metastudio_simulator.tenant.job import OPEN_STATES, Job, become
from metastudio_simulator.tenant.store import JobStore
from metastudio_simulator.timestamps import SECOND

LATE_CHANGES_PER_JOB = 0.3
VANISHING_PER_JOB = 0.03
LATE_VISIBLE = 0.05

Event = tuple[int, int, Callable[[int], None]]


def live(store: JobStore, start_us: int, end_us: int, *, force_every_event: bool) -> None:
    """Let the events of `(start_us, end_us]` happen.

    Args:
        force_every_event: whether something of every kind happens, however short the span;
            otherwise events follow the tenant's rate.
    """
    _Life(store, start_us, end_us).run(force_every_event=force_every_event)


class _Life:
    def __init__(self, store: JobStore, start_us: int, end_us: int) -> None:
        self.store = store
        self.rng: random.Random = store.rng
        self.start_us = start_us
        self.end_us = end_us
        self.events: list[Event] = []
        self.number = 0

    def run(self, *, force_every_event: bool) -> None:
        new = (self.end_us - self.start_us) / SECOND * self.store.jobs_per_second
        least = 1 if force_every_event else 0
        for key in sorted(self._open_keys()):
            self._follow(key, self.start_us)
        self._spread(self._draw(new, least), self._arrive)
        for number in range(self._draw(new * LATE_CHANGES_PER_JOB, 3 * least)):
            self._spread(1, (self._rename, self._freeze, self._rerun)[number % 3])
        self._spread(self._draw(new * VANISHING_PER_JOB, least), self._vanish)
        heapify(self.events)
        while self.events and self.events[0][0] <= self.end_us:
            at_us, _, happen = heappop(self.events)
            happen(at_us)

    def _open_keys(self) -> Iterator[str]:
        for state in OPEN_STATES:
            yield from (key for key in self.store.index.state_keys(state) if self.store.job(key).is_open)

    def _draw(self, expected: float, least: int) -> int:
        return max(least, int(expected + self.rng.random()))

    def _spread(self, times: int, happen: Callable[[int], None]) -> None:
        for _ in range(times):
            self._at(self.start_us + 1 + int(self.rng.random() * max(1, self.end_us - self.start_us - 1)), happen)

    def _at(self, at_us: int, happen: Callable[[int], None]) -> None:
        self.number += 1
        heappush(self.events, (at_us, self.number, happen))

    def _follow(self, key: str, from_us: int) -> None:
        """Schedule the job's next step, not before the given instant."""
        job = self.store.job(key)
        plan = job.plan or make_plan(self.rng, job.update_us)
        job.plan = plan
        due_us = plan.start_us if job.state == "WAITING" else plan.end_us
        self._at(max(due_us, from_us + 1), lambda at_us: self._step(key, at_us))

    def _step(self, key: str, at_us: int) -> None:
        job = self.store.job(key)
        plan = job.plan
        if plan is None or not job.is_open:
            return
        if job.state == "PROCESSING" or plan.outcome == "CANCELED":
            self._become(key, plan.outcome, at_us)
        else:
            self._become(key, "PROCESSING", at_us)
            self.store.job(key).plan = plan
            self._follow(key, at_us)

    def _become(self, key: str, state: str, at_us: int) -> None:
        self.store.change(key, lambda job: become(job, state, at_us, self.rng), at_us)

    def _arrive(self, at_us: int) -> None:
        job = make_new_job(self.rng, at_us)
        late = self.rng.random() < LATE_VISIBLE
        job.visible_us = at_us + (int(self.rng.random() * 30 * SECOND) if late else 0)
        self.store.adopt(job, at_us)
        self._follow(job.key, at_us)

    def _pick(self, state: str) -> str | None:
        return next(iter(self.store.pick(1, state)), None)

    def _rename(self, at_us: int) -> None:
        def rename(job: Job) -> None:
            job.asset_name, job.update_us = make_asset_name(self.rng), at_us

        if key := self._pick("SUCCEED"):
            self.store.change(key, rename, at_us)

    def _freeze(self, at_us: int) -> None:
        if key := self._pick("SUCCEED"):
            self._become(key, "BLOCK", at_us)

    def _rerun(self, at_us: int) -> None:
        """Run a FAILED job again: its error is cleared at once, and it succeeds like any other."""
        if key := self._pick("FAILED"):
            self._become(key, "PROCESSING", at_us)
            plan = make_plan(self.rng, at_us)
            plan.outcome = "SUCCEED"
            self.store.job(key).plan = plan
            self._follow(key, at_us)

    def _vanish(self, at_us: int) -> None:
        finished = self._pick("SUCCEED") or self._pick("FAILED") or next(iter(self.store.pick(1)), None)
        if finished:
            self.store.vanish(finished, at_us)
