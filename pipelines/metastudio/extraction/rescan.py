"""Reads again what can still change, for an endpoint whose sorting cannot be trusted.

That is everything created recently, as windows, and each older job that was not in a terminal state
when last seen. `audit` and `scrub` find changes to older jobs in a terminal state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from metastudio.errors import RefusedError
from metastudio.extraction.backfill import read_chunks
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.filters import find_margin, verify_filters
from metastudio.extraction.state import State
from metastudio.extraction.types import (
    OPEN_END,
    Chunk,
    Emit,
    LedgerEntry,
    Query,
    UnreadableError,
    Window,
    newest_versions,
)
from metastudio.timestamps import SECOND, parse_time

MAX_WINDOW_GAP = timedelta(hours=6)
"""Without the filter job_ids, one window covers open jobs created closer together than this."""
SMALLEST_BATCH = 5
"""The smallest number of job_ids to ask for. If that is refused, so is the filter job_ids."""


async def rescan(context: ExtractionContext, state: State, emit: Emit) -> None:
    """Read what can still change; no chunk changes the state."""
    settings = context.settings
    now = await context.now()
    await verify_filters(context)
    since = min(parse_time(state["watermark"]) - settings.overlap, now - settings.rescan) - find_margin(context)
    since = max(settings.start_date, since)
    await read_chunks(context, Window(since, OPEN_END), "rescan", state, emit)
    await _read_open_jobs(context, since + find_margin(context), state, emit)


async def _read_open_jobs(context: ExtractionContext, before: datetime, state: State, emit: Emit) -> None:
    """Ask for each older job that can still change: by its ID, or else by its window."""
    jobs = dict(await context.loaded.open_jobs(before))
    batches = [*batched(list(jobs), context.settings.page_size)]
    while batches and context.limits.job_ids is None:
        job_ids = batches.pop(0)
        chunk = await _read_batch(context, job_ids, before, state)
        if chunk is not None:
            for row in chunk.rows:
                del jobs[row.job_id]
            await emit(chunk)
        elif context.limits.job_ids is None and len(job_ids) > SMALLEST_BATCH:
            batches = [*batched([job_id for batch in (job_ids, *batches) for job_id in batch], len(job_ids) // 4 or 1)]
        elif context.limits.job_ids is None:
            context.learn("job_ids", "refused")
    start = context.settings.start_date
    created = [time for time in jobs.values() if time is not None and time >= start]
    margin = find_margin(context)
    for planned in plan_windows(created):
        window = Window(planned.since - margin, planned.until + margin)
        await read_chunks(context, window, "rescan", state, emit)


async def _read_batch(
    context: ExtractionContext, job_ids: Sequence[str], before: datetime, state: State
) -> Chunk | None:
    """Return the jobs with these IDs, or None if the endpoint refuses or ignores job_ids."""
    entry = LedgerEntry(mode="rescan", since=context.settings.start_date, until=before, is_window=False)
    chunk = Chunk(mode="rescan", windows=[entry], state=State(**state))
    query = Query(since=context.settings.start_date, limit=context.settings.page_size, job_ids=tuple(job_ids))
    while True:
        try:
            page = await context.fetch(query)
        except (RefusedError, UnreadableError):
            return None
        entry.add(page)
        if page.count > len(job_ids) or any(row.job_id not in job_ids for row in page.rows):
            context.learn("job_ids", "ignored")
            return None
        chunk.seen += page.rows
        chunk.rejected += page.rejected
        query = replace(query, offset=query.offset + len(page.records))
        if not page.records or query.offset >= page.count:
            break
    chunk.rows = newest_versions(chunk.seen)
    entry.rows_read = len(chunk.rows)
    entry.complete = entry.rows_read == entry.count
    return chunk


def batched(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Split items into batches of a size; the last one may be smaller."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def plan_windows(created: Sequence[datetime]) -> Iterator[Window]:
    """Group creation times into windows, newest first.

    A window ends a second after its newest time, because times may have fractions of a second.
    """
    until = since = None
    for time in sorted(created, reverse=True):
        if since is None or until is None:
            until = since = time
        elif since - time > MAX_WINDOW_GAP:
            yield Window(since, until + SECOND)
            until = time
        since = time
    if since is not None and until is not None:
        yield Window(since, until + SECOND)
