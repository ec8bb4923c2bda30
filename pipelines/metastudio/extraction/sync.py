"""Brings a pipeline up to date: one loop over ways of reading, each dearer than the one before.

`changes`, `rescan`, `reread`: each loads what it reads, and then says whether that is everything.
All of it is one stream of chunks; each is loaded and committed with its state before the next one
counts.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from metastudio.errors import IncompleteError
from metastudio.extraction.backfill import backfill
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.filters import ENDS_LEFT_OUT, OTHER_ZONE, FiltersIgnoredError, are_ignored
from metastudio.extraction.gaps import due_gaps
from metastudio.extraction.limits import ASK_AGAIN
from metastudio.extraction.retry import retry_gap
from metastudio.extraction.scrub import plan_scrub, scrub
from metastudio.extraction.state import (
    Progress,
    State,
    count_missing,
    is_backfilled,
    skip_backfill,
    to_incremental_state,
)
from metastudio.extraction.types import Chunk
from metastudio.extraction.ways import Changes, Reread, Rescan, Verdict, Way, WholeList
from metastudio.timestamps import format_time, parse_time


def sync(context: ExtractionContext, state: State) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks after which the destination holds what the API showed when the run began.

    What cannot be read or proved is a gap in the last chunk's state.

    Raises:
        IncompleteError: completeness could not be established; what was yielded does no harm.
        UnavailableError: the endpoint does not answer; what was yielded is progress.
    """
    return context.track(state, _Sync(context, state).chunks())


class _Sync:
    """One sync: its state as far as it got."""

    def __init__(self, context: ExtractionContext, state: State) -> None:
        self.context = context
        self.state = state
        self.has_reread = False

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Read by the cheapest way that can tell whether it read everything, then look after the
        past: gaps, and a window to scrub.
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
        if are_ignored(self.context):
            return
        if is_first or "lacking" in self.state["backfill"]:
            async with aclosing(self._compare_counts()) as chunks:
                async for chunk in chunks:
                    yield chunk
        if not is_first:
            try:
                async with aclosing(self._look_after_the_past()) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except FiltersIgnoredError:  # remember it: from now on the whole list is read
                yield Chunk(mode="changes", state=State(**self.state))

    async def _backfill(self) -> AsyncGenerator[Chunk, None]:
        """Read everything by windows, or leave it to the whole list where windows prove nothing."""
        try:
            async with aclosing(self._follow(backfill(self.context, self.state))) as chunks:
                async for chunk in chunks:
                    yield chunk
        except FiltersIgnoredError:
            self.state = skip_backfill(self.state, self.context.settings.start_date, await self.context.now())

    async def _follow(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
        """Pass chunks on and keep the state that holds after each."""
        async with aclosing(chunks):
            async for chunk in chunks:
                if "scrub" not in chunk.state and self.context.settings.scrub and "watermark" in chunk.state:
                    chunk.state["scrub"] = await plan_scrub(self.context)
                self.state = chunk.state
                yield chunk

    async def _read_ways(self) -> AsyncGenerator[Chunk, None]:
        """Take one way after the other until one has read everything.

        Raises:
            FiltersIgnoredError: windows prove nothing, and neither does the whole list.
        """
        verdict = Verdict.REFUSED
        for make_way in (Changes, Rescan, Reread, WholeList):
            if make_way is Rescan and verdict is Verdict.NOT_WHOLE:
                continue  # it cannot see changes of older jobs
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

    def _reread(self) -> Reread:
        self.has_reread = True
        return Reread(self.context, self.state)

    async def _is_reread_due(self) -> bool:
        """Return whether it is a day since everything was read again for lacking jobs."""
        lacking_at = self.state["backfill"].get("lacking_at")
        return lacking_at is None or await self.context.now() - parse_time(lacking_at) >= ASK_AGAIN

    async def _compare_counts(self) -> AsyncGenerator[Chunk, None]:
        """Compare the API's count of the whole list with what is held by now; read everything
        again, once a day, where that is less for no known reason.

        Raises:
            IncompleteError: fewer are held even then.
        """
        lacking = await self._count_lacking()
        if lacking > 0 and not self.has_reread and await self._is_reread_due():
            async with aclosing(self._follow(self._reread().chunks())) as chunks:
                async for chunk in chunks:
                    yield chunk
            lacking = await self._count_lacking()
        progress = self.state["backfill"]
        if lacking <= 0 and "lacking" not in progress:
            return
        now = format_time(await self.context.now())
        others = {name: value for name, value in progress.items() if name not in ("lacking", "lacking_at")}
        found = {"lacking": lacking, "lacking_at": progress.get("lacking_at", now)} if lacking > 0 else {}
        if self.has_reread and lacking > 0:
            found["lacking_at"] = now
        self.state["backfill"] = Progress(**{**others, **found})  # type: ignore[typeddict-item]
        yield Chunk(mode="changes", state=State(**self.state))
        if lacking > 0:
            raise self._make_lacking_error(lacking)

    async def _count_lacking(self) -> int:
        """Return how many jobs the API counts that are neither held nor known to be missing."""
        whole_count = self.context.whole_count
        if whole_count is None or whole_count == self.context.limits.count_cap:
            return 0
        held = sum((await self.context.loaded.counts()).values())  # some may show a creation outside of any window
        missing = count_missing(State(gaps=self.context.gaps))
        return whole_count - held - missing - self.state["backfill"].get("not_rows", 0)

    def _make_lacking_error(self, lacking: int) -> IncompleteError:
        causes = {
            OTHER_ZONE: "The endpoint seems to read create_since and create_until in another time zone.",
            ENDS_LEFT_OUT: "The endpoint seems to leave out an end of create_since or create_until.",
        }
        finding = str(self.context.limits.values.get("filters", ""))
        return IncompleteError(
            f"The API counts {self.context.whole_count:,} jobs in its whole list; {lacking:,} of them came in no window"
            " of creation time.",
            hint=causes.get(finding, "Jobs are counted that no window lists.")
            + " What came is loaded; a later sync reads everything again.",
        )

    async def _look_after_the_past(self) -> AsyncGenerator[Chunk, None]:
        for gap in due_gaps(self.context.gaps, await self.context.now()):
            async with aclosing(self._follow(retry_gap(self.context, self.state, gap))) as chunks:
                async for chunk in chunks:
                    yield chunk
        async with aclosing(self._follow(scrub(self.context, self.state))) as chunks:
            async for chunk in chunks:
                yield chunk
