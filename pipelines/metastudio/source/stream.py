"""Runs the extraction over a tenant's API in the background, as a stream of chunks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from metastudio.api.client import Client
from metastudio.config.tenant import Tenant
from metastudio.destination.jobs import Destination
from metastudio.extraction.backfill import backfill
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.state import State, is_backfilled
from metastudio.extraction.sync import sync
from metastudio.extraction.types import Books, Chunk, Emit
from metastudio.records.parser import Row
from metastudio.source.background import BackgroundStream
from metastudio.source.fetch import make_fetch, open_client

Steps = Callable[[ExtractionContext, Emit], Awaitable[None]]


class Reader(BackgroundStream[Chunk]):
    """The chunks of one run. `client`, which counts requests, is set by the first chunk."""

    def __init__(self, tenant: Tenant, destination: Destination, steps: Steps, *, is_one_package: bool = False) -> None:
        self.client: Client | None = None

        async def work(background: BackgroundStream[Chunk]) -> None:
            async with open_client(tenant) as client:
                self.client = client
                loaded = ConsumerLoadedJobs(background, destination)
                run = ExtractionContext(make_fetch(client, tenant), loaded, tenant, is_one_package=is_one_package)
                await steps(run, background.emit)

        super().__init__(work)


def read_step(tenant: Tenant, state: State, destination: Destination, *, reread: bool) -> Reader:
    """Read what one load package can hold: the backfill, or later the changes."""

    async def steps(run: ExtractionContext, emit: Emit) -> None:
        if is_backfilled(state, tenant.start_date):
            await sync(run, state, emit, reread=reread)
        else:
            await backfill(run, state, run.track(state, emit))

    return Reader(tenant, destination, steps, is_one_package=True)


class ConsumerLoadedJobs:
    """The loaded jobs. The thread that owns the pipeline answers each question."""

    def __init__(self, background: BackgroundStream[Any], destination: Destination) -> None:
        self._call = background.call_in_consumer
        self._destination = destination

    async def open_jobs(self, before: datetime) -> Sequence[tuple[str, datetime | None]]:
        return await self._call(lambda: self._destination.open_jobs(before))

    async def books(self, since: datetime, expected: int | None) -> Books:
        return Books(*await self._call(lambda: self._destination.books(since, expected)))

    async def doubled(self) -> Sequence[tuple[str, datetime | None]]:
        return await self._call(self._destination.doubled)

    async def count_new(self, job_ids: Sequence[str]) -> int:
        return await self._call(lambda: self._destination.count_new(job_ids))

    async def inversion(self) -> int | None:
        return await self._call(self._destination.inversion)

    async def counts(self, since: datetime | None = None) -> dict[str | None, int]:
        return await self._call(lambda: self._destination.counts(since))

    async def states(self, since: datetime, before: datetime) -> dict[str, str | None]:
        return await self._call(lambda: self._destination.states(since, before))

    async def changed(self, rows: Sequence[Row]) -> list[Row]:
        return await self._call(lambda: self._destination.changed(rows))

    async def nth_created(self, before: datetime, place: int) -> datetime | None:
        return await self._call(lambda: self._destination.nth_created(before, place))
