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
from metastudio.extraction.filters import ENDS_LEFT_OUT, OTHER_ZONE
from metastudio.extraction.gaps import due_gaps
from metastudio.extraction.limits import ASK_AGAIN
from metastudio.extraction.retry import retry_gap
from metastudio.extraction.scrub import plan_scrub, scrub
from metastudio.extraction.state import Progress, State, count_missing, is_backfilled, to_incremental_state
from metastudio.extraction.types import Chunk
from metastudio.extraction.ways import Changes, Reread, Rescan, Verdict, Way
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

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Read by the cheapest way that can tell whether it read everything, then look after the
        past: gaps, and a window to scrub.
        """
        start = self.context.settings.start_date
        is_first = not is_backfilled(self.state, start)
        if is_first:
            async with aclosing(self._follow(backfill(self.context, self.state))) as chunks:
                async for chunk in chunks:
                    yield chunk
        self.state = to_incremental_state(self.state, start)
        async with aclosing(self._read_ways()) as chunks:
            async for chunk in chunks:
                yield chunk
        if is_first or "lacking" in self.state["backfill"]:
            async with aclosing(self._compare_counts()) as chunks:
                async for chunk in chunks:
                    yield chunk
        if not is_first:
            async with aclosing(self._look_after_the_past()) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _follow(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
        """Pass chunks on and keep the state that holds after each."""
        async with aclosing(chunks):
            async for chunk in chunks:
                if "scrub" not in chunk.state and self.context.settings.scrub and "watermark" in chunk.state:
                    chunk.state["scrub"] = await plan_scrub(self.context)
                self.state = chunk.state
                yield chunk

    async def _read_ways(self) -> AsyncGenerator[Chunk, None]:
        """Take one way after the other until one has read everything."""
        verdict = Verdict.NOT_WHOLE if await self._is_reread_due() else Verdict.REFUSED
        for make_way in (Changes, Rescan, Reread):
            way: Way = make_way(self.context, self.state)
            if make_way is Rescan and verdict is Verdict.NOT_WHOLE:
                continue  # it cannot see changes of older jobs
            is_forced = verdict is Verdict.NOT_WHOLE
            async with aclosing(self._follow(way.chunks())) as chunks:
                async for chunk in chunks:
                    yield chunk
            if way.verdict is Verdict.WHOLE and (way.reads_everything or not is_forced):
                return
            verdict = Verdict.NOT_WHOLE if is_forced else way.verdict

    async def _is_reread_due(self) -> bool:
        """Return whether the count said a day ago that jobs are lacking."""
        progress = self.state["backfill"]
        if "lacking" not in progress:
            return False
        return await self.context.now() - parse_time(progress["lacking_at"]) >= ASK_AGAIN

    async def _compare_counts(self) -> AsyncGenerator[Chunk, None]:
        """Compare the API's count of the whole list with what is held by now.

        Raises:
            IncompleteError: fewer are held, for no known reason.
        """
        context, progress = self.context, self.state["backfill"]
        if context.whole_count is None or context.whole_count == context.limits.count_cap:
            return
        held = sum((await context.loaded.counts()).values())  # some may show a creation outside of any window
        explained = progress.get("not_rows", 0) + count_missing(State(gaps=context.gaps))
        lacking = context.whole_count - held - explained
        if lacking <= 0 and "lacking" not in progress:
            return
        others = {name: value for name, value in progress.items() if name not in ("lacking", "lacking_at")}
        found = {"lacking": lacking, "lacking_at": format_time(await context.now())} if lacking > 0 else {}
        self.state["backfill"] = Progress(**{**others, **found})  # type: ignore[typeddict-item]
        yield Chunk(mode="changes", state=State(**self.state))
        if lacking > 0:
            raise self._make_lacking_error(held + explained)

    def _make_lacking_error(self, explained: int) -> IncompleteError:
        causes = {
            OTHER_ZONE: "The endpoint seems to read create_since and create_until in another time zone.",
            ENDS_LEFT_OUT: "The endpoint seems to leave out an end of create_since or create_until.",
        }
        finding = str(self.context.limits.values.get("filters", ""))
        return IncompleteError(
            f"The API counts {self.context.whole_count:,} jobs in its whole list, but its windows of creation time"
            f" gave {explained:,}.",
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
