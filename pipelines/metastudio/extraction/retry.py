"""Asks for a gap again, with one request if the gap fits a page."""

from __future__ import annotations

from dataclasses import replace

from metastudio.errors import RefusedError, UnavailableError
from metastudio.extraction.backfill import make_chunk
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.gaps import to_window
from metastudio.extraction.pages import TooDeepError, read_rest
from metastudio.extraction.proof import NOT_LISTED, NOT_READABLE, WindowReading
from metastudio.extraction.state import Gap, State
from metastudio.extraction.types import Chunk, LedgerEntry
from metastudio.extraction.windows import make_query, read_whole_range


async def retry_gap(context: ExtractionContext, state: State, gap: Gap) -> Chunk:
    """Read a gap once more, and return a chunk that tells whether it is whole by now.

    If jobs were counted and not listed, one request can show that nothing changed. It asks for the
    offset after the rows that were received, because a server may cap its pages. If hidden rows
    keep their places in the list, it asks for all rows.
    """
    window = to_window(gap)
    reading = WindowReading(window, "gap", is_closed=window.until <= await context.closed_until())
    try:
        query = replace(make_query(context, window), attempts=1)
        offset, expected = (0, gap["rows_read"]) if gap.get("has_holes") else (gap["rows_read"], 0)
        first = None
        if gap["reason"] == NOT_LISTED and 0 < gap["rows_read"] < gap["count"]:
            page = await context.try_fetch(replace(query, offset=offset))
            if (page.count, len(page.records)) == (gap["count"], expected):
                return await _make_unchanged(context, state, gap, NOT_LISTED)
            first = None if offset else page
        first = first or await context.try_fetch(query)
        is_small = first.count <= context.settings.page_size
        pages = [first, *await read_rest(context, query, first)] if is_small else []
    except (RefusedError, UnavailableError, TooDeepError):
        return await _make_unchanged(context, state, gap, NOT_READABLE)
    if pages:
        reading.add(pages)
        return make_chunk([reading.make_read()], "gap", state)
    reads = await read_whole_range(context, window, "gap")
    if len(reads) > 1:  # its parts replace the gap
        context.gaps = [other for other in context.gaps if other != gap]
    return make_chunk(reads, "gap", state)


async def _make_unchanged(context: ExtractionContext, state: State, gap: Gap, reason: str) -> Chunk:
    """Return a chunk with the ledger entry of a gap that one request showed to be unchanged."""
    window, now = to_window(gap), await context.now()
    entry = LedgerEntry(
        mode="gap", since=window.since, until=window.until, count=gap["count"], rows_read=gap["rows_read"],
        reason=reason, requests=1, started_at=now, finished_at=now, has_holes=gap.get("has_holes", False),
    )  # fmt: skip
    return Chunk(mode="gap", windows=[entry], state=State(**state))
