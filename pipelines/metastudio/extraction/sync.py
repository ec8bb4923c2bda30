"""Brings a pipeline up to date: one loop over ways of reading, each more expensive than the last.

`changes`, `rescan`, `reread`: each way loads what it reads, and then says whether that is
everything. Together they are one stream of chunks. Each chunk is committed with its state before
the next one counts.
"""

from __future__ import annotations

from metastudio.extraction.backfill import backfill
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.filters import FiltersIgnoredError, are_ignored
from metastudio.extraction.gaps import due_gaps
from metastudio.extraction.reconciliation import Reconciliation
from metastudio.extraction.retry import retry_gap
from metastudio.extraction.scrub import plan_scrub, scrub
from metastudio.extraction.state import State, is_backfilled, skip_backfill, to_incremental_state
from metastudio.extraction.types import Chunk, Emit
from metastudio.extraction.ways import Changes, Reread, Rescan, Verdict, Way, WholeList


async def sync(context: ExtractionContext, state: State, emit: Emit, *, reread: bool = False) -> None:
    """Emit the chunks after which the destination holds what the API showed when the run began.

    What cannot be read or proved is a gap in the last chunk's state.

    Args:
        reread: whether to read everything again, because the ledger or the rejected records were
            lost.

    Raises:
        IncompleteError: completeness could not be established; loading the chunks does no harm.
        UnavailableError: the endpoint does not answer; the chunks are progress all the same.
    """
    await _Sync(context, state, context.track(state, emit), reread=reread).run()


class _Sync:
    """One sync, with the state that it has reached."""

    def __init__(self, context: ExtractionContext, state: State, emit: Emit, *, reread: bool) -> None:
        self.context = context
        self.state = state
        self.reread = reread
        self.has_reread = False
        self._pass_on = emit

    async def run(self) -> None:
        """Read by the cheapest way that proves to have read everything.

        Then ask for gaps again, and scrub a part of the past.
        """
        start = self.context.settings.start_date
        is_first = not is_backfilled(self.state, start)
        if is_first:
            await self._backfill()
        self.state = to_incremental_state(self.state, start)
        await self._read_ways()
        has_reread = self.has_reread
        books = Reconciliation(self.context, self.state, self._emit, is_first=is_first, has_reread=has_reread)
        await books.run(reread=self.reread)
        if not is_first and not are_ignored(self.context):
            try:
                await self._look_after_the_past()
            except FiltersIgnoredError:  # remember it: from now on the whole list is read
                await self._emit(Chunk(mode="changes", state=State(**self.state)))

    async def _backfill(self) -> None:
        """Read everything by windows, or leave it to the whole list if windows prove nothing."""
        try:
            await backfill(self.context, self.state, self._emit)
        except FiltersIgnoredError:
            self.state = skip_backfill(self.state, self.context.settings.start_date, await self.context.now())

    async def _emit(self, chunk: Chunk) -> None:
        """Pass a chunk on, and keep its state."""
        if "scrub" not in chunk.state and self.context.settings.scrub and "watermark" in chunk.state:
            chunk.state["scrub"] = await plan_scrub(self.context, expected_rows=chunk.expected_rows)
        self.state = chunk.state
        await self._pass_on(chunk)

    async def _read_ways(self) -> None:
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
                await way.run(self._emit)
            except FiltersIgnoredError:
                if make_way is WholeList:
                    raise
            verdict = way.verdict
            if verdict is Verdict.WHOLE:
                return

    async def _look_after_the_past(self) -> None:
        for gap in due_gaps(self.context.gaps, await self.context.now()):
            await self._emit(await retry_gap(self.context, self.state, gap))
        await scrub(self.context, self.state, self._emit)
