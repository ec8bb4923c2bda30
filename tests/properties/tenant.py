"""A tenant in memory that does everything a real one may do to a reader, and a destination in memory that is loaded from it.

Times are exact to the microsecond inside and shown to the second. Between any two answers something may happen (`meanwhile`).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar

from metastudio.errors import RefusedError
from metastudio.extraction.audit import Audit
from metastudio.extraction.backfill import read_again
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.state import State, count_missing
from metastudio.extraction.sync import sync
from metastudio.extraction.types import Chunk, ExtractionSettings, Page, Query, Window
from metastudio.records.parser import TERMINAL_STATES, Rejected, Row

T = TypeVar("T")

SECOND = timedelta(seconds=1)
NOW = datetime(2026, 1, 15, 12, 0, 0, 400_000, tzinfo=UTC)
START = datetime(2016, 1, 1, tzinfo=UTC)
EMPTY = Row(*[None] * len(Row._fields))  # type: ignore[arg-type]


class Killed(Exception):
    """The process that reads is killed here."""


def show(time: datetime) -> datetime:
    return time.replace(microsecond=0)


@dataclass(slots=True)
class Job:
    """One job; `version` counts its changes, and is shown as its duration. Without a job_id it is a record to be rejected."""

    job_id: str | None
    created: datetime
    updated: datetime
    state: str = "WAITING"
    version: int = 1
    broken: frozenset[str] = frozenset()
    row: Row | Rejected | None = None

    def make_record(self) -> Row | Rejected:
        if self.row is None:
            if self.job_id is None:
                raw = json.dumps({"state": self.state, "created": str(self.created)})
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


@dataclass
class Tenant:
    """The API of one tenant.

    Args:
        sorting: what becomes of sort_key=update_time: "honoured", "ignored" (create_time, as sort_dir says), "ignored with sort_dir",
            "refused", or "upwards" (sort_dir ignored).
        job_ids: what becomes of this filter: "honoured", "ignored", "refused" or "first only".
        filters: which of create_since and create_until are obeyed.
        exact: whether the server keeps fractions of seconds.
        stable: whether rows of equal time come in the same order each time.
        cap: the most rows that the server puts on a page.
        count_error: what the server counts too many.
        skews: of the Date headers, one node's after the other's.
        tick: what an answer takes.
    """

    now: datetime = NOW
    sorting: str = "honoured"
    job_ids: str = "honoured"
    filters: tuple[str, ...] = ("since", "until")
    exact: bool = True
    stable: bool = True
    cap: int = 100
    count_error: int = 0
    skews: Sequence[timedelta] = (timedelta(0),)
    tick: timedelta = timedelta(milliseconds=130)
    jobs: list[Job] = field(default_factory=list)
    requests: int = 0
    meanwhile: Callable[[int], None] | None = None
    random: random.Random = field(default_factory=lambda: random.Random(1))
    _number: int = 0

    def add(self, created: datetime | None = None, **values: Any) -> Job:
        """Create a job now, or one that was created, and last changed, before and is seen only now."""
        self._number += 1
        time = self.now if created is None else created
        values = {"job_id": f"job-{self._number:06}", "updated": time, **values}
        job = Job(created=time, **values)
        self.jobs.append(job)
        return job

    def change(self, job: Job, state: str, at: datetime | None = None) -> None:
        job.updated = max(job.updated, self.now if at is None else at)
        job.state, job.version, job.row = state, job.version + 1, None

    async def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self.now += timedelta(seconds=seconds)

    async def fetch(self, query: Query) -> Page:
        """Answer one question."""
        await asyncio.sleep(0)
        if self.meanwhile is not None:
            self.meanwhile(self.requests)
        self.requests += 1
        self.now += self.tick
        if (query.sort_key == "update_time" and self.sorting == "refused") or (
            query.job_ids and self.job_ids == "refused"
        ):
            raise RefusedError("Invalid parameter.", code="MSS.00000003")
        jobs = self._sort([job for job in self.jobs if self._matches(job, query)], query)
        page = jobs[query.offset : query.offset + min(query.limit, self.cap)]
        skew = self.skews[self.requests % len(self.skews)]
        return Page(
            count=max(0, len(jobs) + self.count_error),
            records=[job.make_record() for job in page],
            server_time=show(self.now + skew),
        )

    def _matches(self, job: Job, query: Query) -> bool:
        created = self._keep(job.created)
        if "since" in self.filters and created < query.since:
            return False
        if "until" in self.filters and query.until is not None and created > query.until:
            return False
        if query.state is not None and job.state != query.state:
            return False
        wanted = query.job_ids[:1] if self.job_ids == "first only" else query.job_ids
        return not wanted or self.job_ids == "ignored" or job.job_id in wanted

    def _keep(self, time: datetime) -> datetime:
        return time if self.exact else show(time)

    def _sort(self, jobs: list[Job], query: Query) -> list[Job]:
        if not self.stable:
            self.random.shuffle(jobs)
        by_update = query.sort_key == "update_time" and self.sorting in ("honoured", "upwards")
        down = query.sort_key == "create_time" or self.sorting in ("honoured", "ignored")
        return sorted(jobs, key=lambda job: self._keep(job.updated if by_update else job.created), reverse=down)


@dataclass
class Destination:
    """The tables, the state committed with them, and what the protocol asks of them (`LoadedJobs`)."""

    rows: dict[str, Row] = field(default_factory=dict)
    deleted: dict[str, datetime] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    state: State = field(default_factory=State)
    largest_chunk: int = 0

    def load(self, chunk: Chunk) -> None:
        assert len({row.job_id for row in chunk.rows}) == len(chunk.rows), "a chunk holds each job once"
        assert {row.job_id for row in chunk.rows} <= {row.job_id for row in chunk.seen}
        text = json.dumps(chunk.state)
        assert len(text) < 20_000
        self.largest_chunk = max(self.largest_chunk, len(chunk.seen))
        for row in chunk.rows:
            self.rows[row.job_id] = row
            self.deleted.pop(row.job_id, None)
        self.deleted.update(chunk.vanished)
        self.rejected |= {item.key for item in chunk.rejected}
        self.state = json.loads(text)

    @property
    def live(self) -> list[Row]:
        return [row for job_id, row in self.rows.items() if job_id not in self.deleted]

    async def open_jobs(self, before: datetime) -> list[tuple[str, datetime | None]]:
        return [
            (row.job_id, row.create_time)
            for row in self.live
            if row.state not in TERMINAL_STATES and (row.create_time is None or row.create_time < before)
        ]

    async def inversion(self) -> int | None:
        rows = [row for row in self.live if row.create_time and row.updated]
        rows.sort(key=lambda row: row.updated, reverse=True)
        for place, (above, below) in enumerate(pairwise(rows), 1):
            if above.create_time < below.create_time and above.updated > below.updated:
                return place
        return None

    async def counts(self, since: datetime | None = None) -> dict[str | None, int]:
        return Counter(
            row.state for row in self.live if since is None or row.create_time is None or row.create_time >= since
        )

    async def states(self, since: datetime, before: datetime) -> dict[str, str | None]:
        return {
            row.job_id: row.state
            for row in self.live
            if row.create_time is not None and since <= row.create_time < before
        }

    async def changed(self, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if row.job_id in self.deleted or self.rows.get(row.job_id) != row]

    async def nth_created(self, before: datetime, place: int) -> datetime | None:
        times = sorted(
            (row.create_time for row in self.live if row.create_time and row.create_time < before), reverse=True
        )
        return times[place - 1] if len(times) >= place else None


class Reader:
    """Runs the protocol over a tenant into a destination; `kill` says where the process ends.

    A kill is ("before" or "after", n): before or after the commit of the n-th chunk; ("request", n): instead of the n-th answer;
    ("cancel", n): the task is cancelled there.
    """

    def __init__(self, tenant: Tenant, limits: ExtractionSettings) -> None:
        self.tenant = tenant
        self.settings = limits
        self.destination = Destination()
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    @property
    def missing(self) -> int:
        """Return how many jobs the open gaps miss: above `max_missing` a sync ends with exit code 5."""
        return count_missing(self.destination.state)

    def sync(self, kill: tuple[str, int] | None = None) -> list[Chunk]:
        return self._run(lambda run: sync(run, self.destination.state), kill)

    def read(self, since: datetime, until: datetime) -> list[Chunk]:
        """What `metastudio backfill --since --until` does."""
        return self._run(lambda run: read_again(run, Window(since, until), self.destination.state), None)

    def audit(self, kill: tuple[str, int] | None = None, *, repair: bool = True) -> Audit:
        audits: list[Audit] = []

        def chunks(run: ExtractionContext) -> AsyncGenerator[Chunk, None]:
            audits.append(Audit(run, self.destination.state, repair=repair))
            return audits[0].chunks()

        self._run(chunks, kill)
        return audits[0]

    def count(self, work: Callable[[], object]) -> int:
        """Say how many requests a piece of work takes."""
        before = self.tenant.requests
        work()
        return self.tenant.requests - before

    def _run(
        self, work: Callable[[ExtractionContext], AsyncGenerator[Chunk, None]], kill: tuple[str, int] | None
    ) -> list[Chunk]:
        return self._runner.run(self._load(work, kill or ("", 0)))

    async def _load(
        self, work: Callable[[ExtractionContext], AsyncGenerator[Chunk, None]], kill: tuple[str, int]
    ) -> list[Chunk]:
        first = self.tenant.requests
        me = asyncio.current_task()
        assert me is not None

        async def fetch(query: Query) -> Page:
            if kill == ("request", self.tenant.requests - first):
                raise Killed
            if kill == ("cancel", self.tenant.requests - first):
                me.cancel()
                await asyncio.sleep(0)
            return await self.tenant.fetch(query)

        done: list[Chunk] = []
        try:
            async with aclosing(
                work(ExtractionContext(fetch, self.destination, self.settings, sleep=self.tenant.sleep))
            ) as chunks:
                async for chunk in chunks:
                    if kill == ("before", len(done)):
                        raise Killed
                    self.destination.load(chunk)
                    done.append(chunk)
                    if kill == ("after", len(done) - 1):
                        raise Killed
        except asyncio.CancelledError:
            me.uncancel()
            raise Killed from None
        finally:
            assert asyncio.all_tasks() == {me}, "no task is left behind"
        return done


def run_alone(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner() as runner:
        return runner.run(work)
