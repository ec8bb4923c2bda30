"""Reads the past again, a window at a time, for changes that no scan can see.

An endpoint may change a job without moving its lastupdate_time, or ignore the sort. So all of the
history is read once more within the setting `scrub_days`, spread evenly over the syncs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta

from metastudio.extraction.backfill import keep_changed, make_chunk
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.proof import WindowRead
from metastudio.extraction.state import Scrub, State
from metastudio.extraction.types import Chunk, Window
from metastudio.extraction.windows import read_range
from metastudio.timestamps import SECOND, format_time, parse_time

SCRUB_PAGES = 5
"""Size of a window that is read again."""
MAX_WINDOWS = 20
"""Number of windows that one sync reads again where many are due, because syncs are rare."""


async def scrub(context: ExtractionContext, state: State) -> AsyncGenerator[Chunk, None]:
    """Read the windows of the past that are due, and load what changed unseen, as one chunk."""
    plan = state.get("scrub")
    reads: list[WindowRead] = []
    for _ in range(MAX_WINDOWS):
        if not context.settings.scrub or plan is None or parse_time(plan["next_at"]) > await context.now():
            break
        window = await _choose_window(context, parse_time(plan["until"]))
        async with aclosing(read_range(context, window, "scrub")) as windows:
            new = [read async for read in windows]
        reads += new
        rows_read = sum(entry.rows_read for read in new for entry in read.entries)
        plan = await plan_scrub(context, window.since, rows_read, due=parse_time(plan["next_at"]))
    if reads and plan is not None:
        chunk = make_chunk(reads, "scrub", State(**{**state, "scrub": plan}))
        await keep_changed(context, chunk)
        yield chunk


async def _choose_window(context: ExtractionContext, until: datetime) -> Window:
    settings = context.settings
    oldest = await context.loaded.nth_created(until, SCRUB_PAGES * settings.page_size)
    since = settings.start_date if oldest is None else max(settings.start_date, oldest.replace(microsecond=0))
    return Window(min(since, until - SECOND), until)


async def plan_scrub(
    context: ExtractionContext,
    until: datetime | None = None,
    rows_read: int | None = None,
    due: datetime | None = None,
    expected_rows: int | None = None,
) -> Scrub:
    """Return where and when the scrub goes on.

    A window with a share of the history takes the same share of `scrub_days`. At the beginning of
    the history, the scrub starts again at its end, before the part where jobs still appear.

    Args:
        due: when the window was due.
        expected_rows: the number of jobs in all, where they are not loaded yet.
    """
    now, settings = await context.now(), context.settings
    start = now if due is None else max(due, now - settings.scrub)
    if until is None or until <= settings.start_date:
        until = await context.closed_until()
    total = sum((await context.loaded.counts(settings.start_date)).values())
    total = max(1, total, expected_rows or 0)
    share = min(1.0, (SCRUB_PAGES * settings.page_size if rows_read is None else rows_read) / total)
    wait = max(timedelta(minutes=1), settings.scrub * share)
    return Scrub(until=format_time(until), next_at=format_time(start + wait))
