"""A tenant in memory that behaves in all the ways in which a real one may.

Its times are exact to the microsecond and shown to the second. Between any two answers something
may happen (`meanwhile`). Its replicas may lag behind each other.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any

from metastudio.errors import RefusedError, UnavailableError
from metastudio.extraction.types import Page, Query
from metastudio.records.parser import Rejected, Row

SECOND = timedelta(seconds=1)
NONE = timedelta(0)
NOW = datetime(2026, 1, 15, 12, 0, 0, 400_000, tzinfo=UTC)
START = datetime(2016, 1, 1, tzinfo=UTC)
EMPTY = Row(*[None] * len(Row._fields))  # type: ignore[arg-type]


@lru_cache(maxsize=2**16)  # all queries use the same times
def show(time: datetime) -> datetime:
    return time.replace(microsecond=0)


@dataclass(slots=True, eq=False)
class Job:
    """One job; `version` counts its changes, and is shown as its duration.

    Attributes:
        job_id: None makes it a record to be rejected.
        broken: the times that it shows in an invalid form.
        flaw: "hidden" (counted, never listed), "doubled" (listed and counted twice) or
            "unreadable" (no page that holds it is answered).
        shown_at: when it was first shown in this version.
        before: the previous version.
    """

    job_id: str | None
    created: datetime
    updated: datetime
    state: str = "WAITING"
    version: int = 1
    broken: frozenset[str] = frozenset()
    flaw: str = ""
    is_blank: bool = False
    row: Row | Rejected | None = None
    shown_at: datetime = START
    before: Job | None = None

    def make_record(self) -> Row | Rejected:
        if self.row is None:
            if self.job_id is None:
                raw = "{}" if self.is_blank else json.dumps({"state": self.state, "created": str(self.created)})
                self.row = Rejected(f"hash of {raw}", raw, "the record has no job_id", None, show(self.updated))
            else:
                self.row = EMPTY._replace(
                    job_id=self.job_id,
                    state=self.state,
                    duration=float(self.version),
                    create_time=None if "create_time" in self.broken else show(self.created),
                    lastupdate_time=None if "lastupdate_time" in self.broken else show(self.updated),
                    updated=None if "lastupdate_time" in self.broken else show(self.updated),
                )
        return self.row


@dataclass(slots=True)
class Habits:
    """Undocumented habits of the endpoint.

    Attributes:
        max_offset: offset and limit beyond this are refused.
        max_range: a wider range of creation time is refused.
        zone: how far from UTC the filters read times.
        left_out: which of create_since and create_until exclude their own second.
        filters: which of create_since and create_until are obeyed.
        count_cap: the number at which the count stops.
        lags: by how much the replicas lag behind, one answer after the other.
        count_lag: how much further the counts lag behind.
        unknown_states: states that the filter finds no job in.
        refused_states: states that the filter refuses.
        skews: the errors of the Date headers, one node after the other.
        clock_ahead: how far some Date headers are ahead, by the number of the request.
        is_down: whether nothing is answered.
    """

    max_offset: int | None = None
    max_range: timedelta | None = None
    zone: timedelta = NONE
    left_out: tuple[str, ...] = ()
    filters: tuple[str, ...] = ("since", "until")
    count_cap: int | None = None
    count_error: int = 0
    lags: Sequence[timedelta] = (NONE,)
    count_lag: timedelta = NONE
    unknown_states: frozenset[str] = frozenset()
    refused_states: frozenset[str] = frozenset()
    skews: Sequence[timedelta] = (NONE,)
    clock_ahead: dict[int, timedelta] = field(default_factory=dict)
    is_down: bool = False

    @property
    def longest_lag(self) -> timedelta:
        return max(self.lags) + self.count_lag


@dataclass
class Tenant:
    """The API of one tenant.

    Args:
        sorting: how sort_key=update_time is treated: "honored", "ignored" (create_time, as sort_dir
            says), "ignored with sort_dir", "refused", or "upwards" (sort_dir ignored).
        job_ids: how this filter is treated: "honored", "ignored", "refused" or "first only".
        exact: whether the server keeps fractions of seconds.
        stable: whether rows of equal time come in the same order each time.
        cap: the maximum number of rows on a page.
        tick: the time that an answer takes.
    """

    now: datetime = NOW
    sorting: str = "honored"
    job_ids: str = "honored"
    exact: bool = True
    stable: bool = True
    cap: int = 100
    tick: timedelta = timedelta(milliseconds=130)
    habits: Habits = field(default_factory=Habits)
    jobs: list[Job] = field(default_factory=list)
    vanished: list[tuple[Job, datetime]] = field(default_factory=list)
    requests: int = 0
    meanwhile: Callable[[int], None] | None = None
    random: random.Random = field(default_factory=lambda: random.Random(1))
    _number: int = 0

    def add(self, created: datetime | None = None, **values: Any) -> Job:
        """Create a job now, or one with earlier times that becomes visible now."""
        self._number += 1
        time = self.now if created is None else created
        values = {"job_id": f"job-{self._number:06}", "updated": time, "shown_at": self.now, **values}
        job = Job(created=time, **values)
        self.jobs.append(job)
        return job

    def change(self, job: Job, state: str, at: datetime | None = None) -> None:
        job.before = replace(job, before=job.before if self.habits.longest_lag else None)
        job.updated = max(job.updated, self.now if at is None else at)
        job.state, job.version, job.row, job.shown_at = state, job.version + 1, None, self.now

    def remove(self, job: Job) -> None:
        self.jobs.remove(job)
        self.vanished.append((job, self.now))

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def shown(self, lag: timedelta = NONE) -> list[Job]:
        """Return the jobs in the versions that a lagging replica shows."""
        if not lag:
            return self.jobs
        then, shown = self.now - lag, []
        for job in [*self.jobs, *(job for job, at in self.vanished if at > then and job not in self.jobs)]:
            version: Job | None = job
            while version is not None and version.shown_at > then:
                version = version.before
            if version is not None:
                shown.append(version)
        return shown

    async def fetch(self, query: Query) -> Page:
        """Answer one query."""
        await asyncio.sleep(0)
        if self.meanwhile is not None:
            self.meanwhile(self.requests)
        self.requests += 1
        self.now += self.tick
        habits = self.habits
        if habits.is_down:
            raise UnavailableError("No answer.", status=503)
        self._refuse(query)
        lag = habits.lags[self.requests % len(habits.lags)]
        matching = self._select(self.shown(lag), query)
        counted = matching
        if habits.count_lag:
            counted = self._select(self.shown(lag + habits.count_lag), query)
        page = self._list(matching, query)[query.offset : query.offset + min(query.limit, self.cap)]
        if any(job.flaw == "unreadable" for job in page):
            raise UnavailableError("Internal error.", code="MSS.00000004", status=500)
        count = max(0, len(counted) + sum(job.flaw == "doubled" for job in counted) + habits.count_error)
        skew = habits.skews[self.requests % len(habits.skews)] + habits.clock_ahead.get(self.requests, NONE)
        return Page(
            count=count if habits.count_cap is None else min(count, habits.count_cap),
            records=[job.make_record() for job in page],
            server_time=show(self.now + skew),
        )

    def _refuse(self, query: Query) -> None:
        habits = self.habits
        wide = (query.until or self.now) - query.since
        if (
            (query.sort_key == "update_time" and self.sorting == "refused")
            or (query.job_ids and self.job_ids == "refused")
            or (query.state in habits.refused_states)
            or (habits.max_offset is not None and query.offset + query.limit > max(habits.max_offset, query.limit))
            or (habits.max_range is not None and wide > habits.max_range)
        ):
            raise RefusedError("Invalid parameter.", code="MSS.00000003", status=400)

    def _select(self, jobs: list[Job], query: Query) -> list[Job]:
        """Return the jobs that match a query. Tests spend most of their time here."""
        habits, exact, zone, state = self.habits, self.exact, self.habits.zone, query.state
        since = query.since if "since" in habits.filters else None
        until = query.until if "until" in habits.filters else None
        left_out = {time for name, time in (("since", since), ("until", until)) if name in habits.left_out}
        wanted = query.job_ids[:1] if self.job_ids == "first only" else query.job_ids
        if state is not None:
            jobs = [job for job in jobs if job.state == state and state not in habits.unknown_states]
        if wanted and self.job_ids != "ignored":
            jobs = [job for job in jobs if job.job_id in wanted]
        times = [job.created if exact else show(job.created) for job in jobs]
        if zone:
            times = [time + zone for time in times]
        first, last = since or min(times, default=START), until or max(times, default=START)
        return [
            job
            for job, time in zip(jobs, times, strict=True)
            if first <= time <= last and not (left_out and time in left_out)
        ]

    def _list(self, jobs: list[Job], query: Query) -> list[Job]:
        """Sort the listed jobs, some of which are listed twice."""
        if not self.stable:
            self.random.shuffle(jobs)
        by_update = query.sort_key == "update_time" and self.sorting in ("honored", "upwards")
        down = query.sort_key == "create_time" or self.sorting in ("honored", "ignored")
        time = attrgetter("updated" if by_update else "created")
        jobs = sorted(jobs, key=time if self.exact else lambda job: show(time(job)), reverse=down)
        if not any(job.flaw for job in jobs):
            return jobs
        listed = [job for job in jobs if job.flaw != "hidden"]
        return [job for job in listed for _ in range(2 if job.flaw == "doubled" else 1)]
