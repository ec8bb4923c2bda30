"""Runs the protocol from a tenant into a destination, both in memory, and kills it on request."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from metastudio.extraction.audit import Audit
from metastudio.extraction.backfill import read_again
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.state import count_missing
from metastudio.extraction.sync import sync
from metastudio.extraction.types import Chunk, Emit, ExtractionSettings, Page, Query, Window

from tests.support.destination import Destination
from tests.support.tenant import Tenant

T = TypeVar("T")

Work = Callable[[ExtractionContext, Emit], Awaitable[None]]


class Killed(Exception):
    """The reading process is killed here."""


class Reader:
    """Runs the protocol from a tenant into a destination. `kill` says where the process ends.

    A kill is ("before" or "after", n): before or after the commit of the n-th chunk; ("request",
    n): instead of the n-th answer; ("cancel", n): the task is canceled there.
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
        """Return how many jobs are missing in open gaps. Too many mean exit code 5."""
        return count_missing(self.destination.state.get("gaps", []))

    def sync(self, kill: tuple[str, int] | None = None) -> list[Chunk]:
        return self._run(lambda run, emit: sync(run, self.destination.state, emit), kill)

    def read(self, since: datetime, until: datetime) -> list[Chunk]:
        """Do what `metastudio backfill --since --until` does."""
        return self._run(lambda run, emit: read_again(run, Window(since, until), self.destination.state, emit), None)

    def audit(self, kill: tuple[str, int] | None = None, *, repair: bool = True) -> Audit:
        audits: list[Audit] = []

        async def work(run: ExtractionContext, emit: Emit) -> None:
            audits.append(Audit(run, self.destination.state, repair=repair))
            await audits[0].run(run.track(self.destination.state, emit))

        self._run(work, kill)
        return audits[0]

    def count(self, work: Callable[[], object]) -> int:
        """Count the requests that a piece of work takes."""
        before = self.tenant.requests
        work()
        return self.tenant.requests - before

    @property
    def _max_requests(self) -> int:
        """Return how many requests a run may take at most: some for each job, which may stand alone
        in its window, be read around, and be read by each way, and some for each range of the
        widest window.
        """
        widest, now = self.tenant.habits.max_range, self.tenant.now
        ranges = (now - self.settings.start_date) // widest if widest else 1
        flaws = Counter(job.flaw for job in self.tenant.jobs)
        listed = 10 + len(self.tenant.jobs) + flaws["doubled"]
        return 100 + 60 * listed + 400 * flaws["unreadable"] + 10 * max(1, ranges)

    def _run(self, work: Work, kill: tuple[str, int] | None) -> list[Chunk]:
        done: list[Chunk] = []  # not the result of the task, which asyncio would print
        self._runner.run(self._load(work, kill or ("", 0), done))
        return done

    async def _load(self, work: Work, kill: tuple[str, int], done: list[Chunk]) -> None:
        first = self.tenant.requests
        me = asyncio.current_task()
        assert me is not None

        async def fetch(query: Query) -> Page:
            asked = self.tenant.requests - first
            if kill == ("request", asked):
                raise Killed
            if kill == ("cancel", asked):
                me.cancel()
                await asyncio.sleep(0)
            assert asked < 700 or asked < self._max_requests, "a run asks and asks"  # it is never below 700
            return await self.tenant.fetch(query)

        async def load(chunk: Chunk) -> None:
            if kill == ("before", len(done)):
                raise Killed
            self.destination.load(chunk)
            done.append(chunk)
            if kill == ("after", len(done) - 1):
                raise Killed

        try:
            await work(ExtractionContext(fetch, self.destination, self.settings, sleep=self.tenant.sleep), load)
        except asyncio.CancelledError:
            me.uncancel()
            raise Killed from None
        finally:
            assert asyncio.all_tasks() == {me}, "no task is left behind"


def run_alone(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner() as runner:
        return runner.run(work)


MakeReader = Callable[..., Reader]
