"""Keeps replicas of the tenant that lag behind, and chooses which of them answers.

A replica shows each change exactly its lag after the change, by the server's clock.
"""

from __future__ import annotations

from collections import deque
from random import Random

from metastudio_simulator.behavior import Behavior
from metastudio_simulator.tenant.index import Index
from metastudio_simulator.tenant.job import Job
from metastudio_simulator.timestamps import SECOND


class Replica:
    """One lagging replica. It begins equal to the index that it is made from."""

    def __init__(self, source: Index, lag_seconds: float) -> None:
        self._index = Index(source.jobs())
        self._lag_us = round(lag_seconds * SECOND)
        self._pending: deque[tuple[int, str, Job | None]] = deque()

    def record(self, at_us: int, key: str, job: Job | None) -> None:
        """Queue a change: the new version of the job, or None if it is no longer listed."""
        self._pending.append((at_us, key, job))

    def read(self, now_us: int) -> Index:
        """Return the index as it is on this replica now."""
        while self._pending and self._pending[0][0] <= now_us - self._lag_us:
            _, key, job = self._pending.popleft()
            if job is not None:
                self._index.put(job)
            elif key in self._index:
                self._index.remove(key)
        return self._index


class Replicas:
    """The replicas that `Behavior.replica_lags_seconds` asks for."""

    def __init__(self, behavior: Behavior, seed: int) -> None:
        self._behavior = behavior
        self._rng = Random(f"replicas {seed}")
        self._lags: list[float] = []
        self._copies: list[Replica] = []
        self._turn = 0

    def record(self, at_us: int, key: str, job: Job | None) -> None:
        """Queue a change for every replica."""
        for copy in self._copies:
            copy.record(at_us, key, job)

    def choose(self, source: Index, now_us: int) -> tuple[Index, Index]:
        """Return the indexes from which the next answer's list and count are read."""
        lags = self._behavior.replica_lags_seconds
        if lags != self._lags:
            self._lags, self._turn = list(lags), 0
            self._copies = [Replica(source, lag) for lag in lags]
        if not self._copies:
            return source, source
        turn = self._take_turn()
        listed = self._copies[turn].read(now_us)
        if not self._behavior.count_from_another_replica:
            return listed, listed
        return listed, self._copies[(turn + 1) % len(self._copies)].read(now_us)

    def _take_turn(self) -> int:
        if self._behavior.replica_choice == "random":
            return self._rng.randrange(len(self._copies))
        turn = self._turn % len(self._copies)
        self._turn = turn + 1
        return turn
