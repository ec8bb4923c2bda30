"""Asks for a gap again: one question for one that fits a page."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from metastudio.errors import RefusedError, UnavailableError
from metastudio.extraction.backfill import make_chunk
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.gaps import to_window
from metastudio.extraction.pages import TooDeepError, read_rest
from metastudio.extraction.proof import NOT_READABLE, WindowRead, WindowReading
from metastudio.extraction.state import Gap, State
from metastudio.extraction.types import Chunk, LedgerEntry
from metastudio.extraction.windows import make_query, read_range


async def retry_gap(context: ExtractionContext, state: State, gap: Gap) -> AsyncGenerator[Chunk, None]:
    """Read a gap once more; the chunk tells whether it is whole by now."""
    window = to_window(gap)
    reading = WindowReading(window, "gap", is_closed=window.until <= await context.closed_until())
    try:
        query = replace(make_query(context, window), attempts=1)
        first = await context.try_fetch(query)
        if (first.count, len(first.records)) == (gap["count"], gap["rows_read"]):
            pages = [first]  # nothing changed
        elif first.count <= context.settings.page_size:
            pages = [first, *await read_rest(context, query, first)]
        else:
            pages = []
    except (RefusedError, UnavailableError, TooDeepError):
        entry = LedgerEntry(
            mode="gap", since=window.since, until=window.until, count=gap["count"], rows_read=gap["rows_read"],
            reason=NOT_READABLE, requests=1, started_at=await context.now(), finished_at=await context.now(),
        )  # fmt: skip
        yield Chunk(mode="gap", windows=[entry], state=State(**state))
        return
    if pages:
        reading.add(pages)
        yield make_chunk([reading.make_read()], "gap", state)
        return
    reads: list[WindowRead] = []
    async with aclosing(read_range(context, window, "gap")) as windows:
        async for read in windows:
            reads.append(read)
    context.gaps = [other for other in context.gaps if other != gap or len(reads) == 1]  # by its parts, else
    yield make_chunk(reads, "gap", state)
