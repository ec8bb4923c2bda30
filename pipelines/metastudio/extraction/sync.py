"""Brings a pipeline up to date: one loop over ways of reading, each more expensive than the last.

`changes`, `rescan`, `reread`: each way loads what it reads, and then says whether that is
everything. Together they are one stream of chunks. Each chunk is committed with its state before
the next one counts.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from metastudio.extraction.backfill import backfill
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.filters import FiltersIgnoredError, are_ignored
from metastudio.extraction.gaps import due_gaps
from metastudio.extraction.reconciliation import Reconciliation
from metastudio.extraction.retry import retry_gap
from metastudio.extraction.scrub import plan_scrub, scrub
from metastudio.extraction.state import State, is_backfilled, skip_backfill, to_incremental_state
from metastudio.extraction.types import Chunk
from metastudio.extraction.ways import Changes, Reread, Rescan, Verdict, Way, WholeList


def sync(context: ExtractionContext, state: State, *, reread: bool = False) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks after which the destination holds what the API showed when the run began.

    What cannot be read or proved is a gap in the last chunk's state.

    Args:
        reread: whether to read everything again, because the ledger or the rejected records were
            lost.

    Raises:
        IncompleteError: completeness could not be established; loading the chunks does no harm.
        UnavailableError: the endpoint does not answer; the chunks are progress all the same.
    """
    return context.track(state, _Sync(context, state, reread=reread).chunks())


class _Sync:
    """One sync, with the state that it has reached."""

    def __init__(self, context: ExtractionContext, state: State, *, reread: bool) -> None:
        self.context = context
        self.state = state
        self.reread = reread
        self.has_reread = False

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Read by the cheapest way that proves to have read everything.

        Then ask for gaps again, and scrub a part of the past.
        """
        start = self.context.settings.start_date
        is_first = not is_backfilled(self.state, start)
        if is_first:
            async with aclosing(self._backfill()) as chunks:
                async for chunk in chunks:
                    yield chunk
        self.state = to_incremental_state(self.state, start)
        async with aclosing(self._read_ways()) as chunks:
            async for chunk in chunks:
                yield chunk
        books = Reconciliation(self.context, self.state, is_first=is_first, has_reread=self.has_reread)
        async with aclosing(self._follow(books.chunks(reread=self.reread))) as chunks:
            async for chunk in chunks:
                yield chunk
        if not is_first and not are_ignored(self.context):
            try:
                async with aclosing(self._look_after_the_past()) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except FiltersIgnoredError:  # remember it: from now on the whole list is read
                yield Chunk(mode="changes", state=State(**self.state))

    async def _backfill(self) -> AsyncGenerator[Chunk, None]:
        """Read everything by windows, or leave it to the whole list if windows prove nothing."""
        try:
            async with aclosing(self._follow(backfill(self.context, self.state))) as chunks:
                async for chunk in chunks:
                    yield chunk
        except FiltersIgnoredError:
            self.state = skip_backfill(self.state, self.context.settings.start_date, await self.context.now())

    async def _follow(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks, and keep the state after each."""
        async with aclosing(chunks):
            async for chunk in chunks:
                if "scrub" not in chunk.state and self.context.settings.scrub and "watermark" in chunk.state:
                    chunk.state["scrub"] = await plan_scrub(self.context, expected_rows=chunk.expected_rows)
                self.state = chunk.state
                yield chunk

    async def _read_ways(self) -> AsyncGenerator[Chunk, None]:
        """Try one way of reading after the other until one has read everything.

        Raises:
            FiltersIgnoredError: windows prove nothing, and neither does the whole list.
        """
        verdict = Verdict.REFUSED
        for make_way in (Changes, Rescan, Reread, WholeList):
            if make_way is Rescan and verdict is Verdict.NOT_WHOLE:
                continue  # a rescan would miss changes of older jobs
            if make_way in (Rescan, Reread) and are_ignored(self.context):
                continue  # they read by windows
            way: Way = make_way(self.context, self.state)
            self.has_reread = make_way is Reread
            try:
                async with aclosing(self._follow(way.chunks())) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except FiltersIgnoredError:
                if make_way is WholeList:
                    raise
            verdict = way.verdict
            if verdict is Verdict.WHOLE:
                return

    async def _look_after_the_past(self) -> AsyncGenerator[Chunk, None]:
        for gap in due_gaps(self.context.gaps, await self.context.now()):
            async with aclosing(self._follow(retry_gap(self.context, self.state, gap))) as chunks:
                async for chunk in chunks:
                    yield chunk
        async with aclosing(self._follow(scrub(self.context, self.state))) as chunks:
            async for chunk in chunks:
                yield chunk
