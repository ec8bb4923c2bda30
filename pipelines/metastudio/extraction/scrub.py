"""Reads the past again, a window at a time, for changes that no scan can see.

An endpoint may change a job without moving its lastupdate_time, or ignore the sort. So all of the
history is read once more within the setting `scrub_days`, spread evenly over the syncs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from metastudio.errors import MetaStudioError
from metastudio.extraction.backfill import keep_changed, make_chunk
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.proof import WindowRead
from metastudio.extraction.state import Scrub, State
from metastudio.extraction.types import Emit, Window
from metastudio.extraction.windows import read_whole_range
from metastudio.timestamps import SECOND, format_time, parse_time

SCRUB_PAGES = 5
"""Size of a window that is read again."""
MAX_WINDOWS = 20
"""Number of windows that one sync reads again if many are due, because syncs are rare."""


async def scrub(context: ExtractionContext, state: State, emit: Emit) -> None:
    """Read the windows of the past that are due, and load what changed unseen, as one chunk.

    Raises:
        MetaStudioError: a window could not be read. Those before it are loaded first.
    """
    plan = state.get("scrub")
    reads: list[WindowRead] = []
    failure: MetaStudioError | None = None
    for _ in range(MAX_WINDOWS):
        rows_read = sum(len(read.seen) for read in reads)
        if rows_read >= context.settings.chunk_rows or plan is None or not await _is_due(context, plan):
            break
        try:
            new, plan = await _read_next(context, plan)
        except MetaStudioError as error:
            failure = error
            break
        reads += new
    if reads and plan is not None:
        chunk = make_chunk(reads, "scrub", State(**{**state, "scrub": plan}))
        await keep_changed(context, chunk)
        await emit(chunk)
    if failure is not None:
        raise failure


async def _is_due(context: ExtractionContext, plan: Scrub) -> bool:
    return bool(context.settings.scrub) and parse_time(plan["next_at"]) <= await context.now()


async def _read_next(context: ExtractionContext, plan: Scrub) -> tuple[list[WindowRead], Scrub]:
    """Read the next window, and return what was read and where the scrub continues."""
    settings, until = context.settings, parse_time(plan["until"])
    oldest = await context.loaded.nth_created(until, SCRUB_PAGES * settings.page_size)
    since = settings.start_date if oldest is None else max(settings.start_date, oldest.replace(microsecond=0))
    since = min(since, until - SECOND)
    reads = await read_whole_range(context, Window(since, until), "scrub")
    rows_read = sum(entry.rows_read for read in reads for entry in read.entries)
    return reads, await plan_scrub(context, since, rows_read, due=parse_time(plan["next_at"]))


async def plan_scrub(
    context: ExtractionContext,
    until: datetime | None = None,
    rows_read: int | None = None,
    due: datetime | None = None,
    expected_rows: int | None = None,
) -> Scrub:
    """Return where and when the scrub continues.

    A window with a share of the history takes the same share of `scrub_days`. At the beginning of
    the history, the scrub starts again at its end, before the part where jobs still appear.

    Args:
        due: when the window was due.
        expected_rows: the total number of jobs, if they are not loaded yet.
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
