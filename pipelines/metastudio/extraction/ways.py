"""The ways to read what changed, cheapest first. Each reports whether it read everything."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto

from metastudio.errors import IncompleteError, RefusedError
from metastudio.extraction.backfill import keep_changed, read_chunks
from metastudio.extraction.changes import Scan, should_scan
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.filters import verify_filters
from metastudio.extraction.pages import TooDeepError, read_page
from metastudio.extraction.rescan import rescan
from metastudio.extraction.state import State, set_watermark
from metastudio.extraction.types import (
    OPEN_END,
    Chunk,
    Emit,
    LedgerEntry,
    Page,
    Query,
    UnreadableError,
    Window,
    newest_versions,
)
from metastudio.timestamps import format_time, parse_time


class Verdict(Enum):
    """The result of a way of reading.

    REFUSED: the endpoint does not offer it. NOT_WHOLE: changes were missed, and they can be
    anywhere.
    """

    WHOLE = auto()
    NOT_WHOLE = auto()
    REFUSED = auto()


class Way(ABC):
    """A way of reading: `run` it, then ask for the `verdict`."""

    def __init__(self, context: ExtractionContext, state: State) -> None:
        self.context = context
        self.state = state
        self.verdict = Verdict.REFUSED
        self._newest: datetime | None = None

    @abstractmethod
    async def run(self, emit: Emit) -> None:
        """Read, and emit chunks of what was read."""


class Changes(Way):
    """Reads the list in order of update_time, down to the watermark."""

    async def run(self, emit: Emit) -> None:
        """Scan, unless the endpoint recently showed that it does not sort by update_time."""
        if not await should_scan(self.context, self.state):
            return
        scan = Scan(self.context, self.state)
        await scan.run(emit)
        last = await scan.finish()
        self.context.whole_count = scan.whole_count
        self.verdict = Verdict.WHOLE if scan.is_complete else Verdict.NOT_WHOLE if scan.is_lost else Verdict.REFUSED
        await emit(last)


class Rescan(Way):
    """Reads by windows what can still change. Jobs in a terminal state count as unchanged."""

    async def run(self, emit: Emit) -> None:
        """Read what was created recently, then the older jobs that are not in a terminal state."""

        async def note_newest(chunk: Chunk) -> None:
            self._newest = _find_newest(chunk, self._newest)
            await emit(chunk)

        await rescan(self.context, self.state, note_newest)
        self.verdict = Verdict.WHOLE
        await emit(Chunk(mode="rescan", state=await _move_watermark(self.context, self.state, self._newest)))


class Reread(Way):
    """Reads everything by windows. This always ends, because creation times do not change."""

    async def run(self, emit: Emit) -> None:
        """Read all windows, and load what differs from the destination.

        Raises:
            IncompleteError: this would take more than `max_reread_requests` requests.
        """

        async def emit_changed(chunk: Chunk) -> None:
            self._newest = _find_newest(chunk, self._newest)
            await keep_changed(self.context, chunk)
            await emit(chunk)

        await self._check_cost()
        self.context.not_rows = 0
        window = Window(self.context.settings.start_date, OPEN_END)
        await read_chunks(self.context, window, "reread", self.state, emit_changed)
        state = await _move_watermark(self.context, self.state, self._newest)
        state["backfill"] = {**state["backfill"], "not_rows": self.context.not_rows}
        self.verdict = Verdict.WHOLE
        await emit(Chunk(mode="reread", state=state))

    async def _check_cost(self) -> None:
        settings = self.context.settings
        jobs = self.context.whole_count or sum((await self.context.loaded.counts(settings.start_date)).values())
        requests = jobs * 11 // (settings.page_size * 10) + 10
        if requests > settings.max_reread_requests:
            raise IncompleteError(
                "The changes could not be read to their end, or jobs are lacking, and to read everything again"
                f" would take about {requests:,} requests, more than max_reread_requests.",
                hint=f"Run metastudio backfill --since {settings.start_date:%Y-%m-%d}, or raise max_reread_requests.",
            )


class WholeList(Way):
    """Reads the list without windows, if the endpoint ignores create_since or create_until.

    In order of creation, jobs move only if others appear or vanish. So a pass is whole if its
    counts are equal and it finds as many jobs.
    """

    def __init__(self, context: ExtractionContext, state: State) -> None:
        super().__init__(context, state)
        self._not_rows = 0
        self._entry = LedgerEntry(mode="reread", since=context.settings.start_date, until=OPEN_END, is_window=False)

    async def run(self, emit: Emit) -> None:
        """Read the list from the top until a pass is whole.

        Raises:
            FiltersIgnoredError: no pass is whole.
        """
        for _ in range(self.context.settings.tries):
            await self._read_pass(emit)
            if self._entry.complete:
                self.verdict = Verdict.WHOLE
                state = await _move_watermark(self.context, self.state, self._newest)
                state["backfill"] = {**state["backfill"], "not_rows": self._not_rows}
                await emit(Chunk(mode="reread", windows=[self._entry], state=state))
                return
        await verify_filters(self.context)

    async def _read_pass(self, emit: Emit) -> None:
        """Read page after page, and find out whether that was everything."""
        settings, found, without_id = self.context.settings, Counter[str](), 0
        query, pages, counts = Query(since=settings.start_date, limit=settings.page_size), list[Page](), set[int]()
        while True:
            try:
                page = await read_page(self.context, query)
            except (TooDeepError, RefusedError, UnreadableError):
                counts.add(-1)
                break
            self._entry.add(page)
            pages.append(page)
            counts.add(page.count)
            found |= Counter(row.job_id for row in page.rows)
            without_id += len(page.without_id)
            if sum(len(page.records) for page in pages) >= settings.chunk_rows:
                await emit(await self._make_chunk(pages))
                pages = []
            received = len(page.records) + page.skipped
            query = replace(query, offset=query.offset + received)
            if not received or (query.offset >= page.count and received < settings.page_size):
                break
        await emit(await self._make_chunk(pages))
        self._not_rows = found.total() - len(found) + without_id
        self._entry.rows_read = found.total() + without_id
        self._entry.complete = counts == {self._entry.rows_read}

    async def _make_chunk(self, pages: list[Page]) -> Chunk:
        seen = [row for page in pages for row in page.rows]
        rejected = [item for page in pages for item in page.rejected]
        chunk = Chunk(
            mode="reread", rows=newest_versions(seen), seen=seen, rejected=rejected, state=State(**self.state)
        )
        self._newest = _find_newest(chunk, self._newest)
        await keep_changed(self.context, chunk)
        return chunk


def _find_newest(chunk: Chunk, newest: datetime | None) -> datetime | None:
    updates = [row.updated for row in chunk.rows if row.updated]
    return max([*updates, newest] if newest else updates, default=None)


async def _move_watermark(context: ExtractionContext, state: State, newest: datetime | None) -> State:
    """Return the state with the watermark at the newest update read.

    A watermark that is later than that and in the future is moved back.
    """
    now, old = await context.now(), parse_time(state["watermark"])
    watermark = min(now, max(old, newest or old))
    if old > now + context.settings.overlap:
        watermark = min(now, newest or context.settings.start_date)
    moved = format_time(watermark) != state["watermark"]
    return State(**{**state, **set_watermark(watermark, now)}) if moved else State(**state)
