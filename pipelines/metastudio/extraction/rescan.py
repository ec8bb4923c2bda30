"""Where sorting cannot be trusted: reads again what can still change (`docs/extraction.md#ladder`).

Everything created lately, as windows, and each older job that was not settled when last seen. A change to a settled job created
before that is not found by it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta

from metastudio.errors import RefusedError
from metastudio.extraction.backfill import read_chunks
from metastudio.extraction.types import (
    Chunk,
    ExtractionContext,
    LedgerEntry,
    Query,
    State,
    Window,
    newest_versions,
    set_watermark,
)
from metastudio.timestamps import SECOND, parse_time

MAX_WINDOW_GAP = timedelta(hours=6)
"""Open jobs created closer together than this are asked for in one window, where the endpoint ignores job_ids."""


async def rescan(run: ExtractionContext, state: State) -> AsyncGenerator[Chunk, None]:
    """Read what can still change; the last chunk sets the watermark to the server's time at the run's start."""
    limits = run.settings
    now = await run.now()
    since = max(limits.start_date, min(parse_time(state["watermark"]) - limits.overlap, now - limits.rescan))
    async with aclosing(read_chunks(run, Window(since, await run.newest()), "rescan", state)) as chunks:
        async for chunk in chunks:
            yield chunk
    async with aclosing(_read_open_jobs(run, since, state)) as chunks:
        async for chunk in chunks:
            yield chunk
    yield Chunk(mode="rescan", state=State(**{**state, **set_watermark(now, now)}))


async def _read_open_jobs(run: ExtractionContext, before: datetime, state: State) -> AsyncGenerator[Chunk, None]:
    """Ask for each older job not settled when last seen: by its ID, then by its window where that gave no answer."""
    jobs = dict(await run.known.open_jobs(before))
    for job_ids in batched(list(jobs), run.settings.page_size):
        chunk = await _read_batch(run, job_ids, before, state)
        if chunk is None:
            break
        for row in chunk.rows:
            del jobs[row.job_id]
        yield chunk
    start = run.settings.start_date
    created = [time for time in jobs.values() if time is not None and time >= start]
    for window in plan_windows(created):
        async with aclosing(read_chunks(run, window, "rescan", state)) as chunks:
            async for chunk in chunks:
                yield chunk


async def _read_batch(run: ExtractionContext, job_ids: Sequence[str], before: datetime, state: State) -> Chunk | None:
    """Ask for jobs by their IDs; None where job_ids is refused, or an answer shows that it was ignored."""
    record = LedgerEntry(mode="rescan", since=run.settings.start_date, until=before)
    chunk = Chunk(mode="rescan", windows=[record], state=State(**state))
    query = Query(since=run.settings.start_date, limit=run.settings.page_size, job_ids=tuple(job_ids))
    while True:
        try:
            page = await run.fetch(query)
        except RefusedError:
            return None
        record.add(page)
        if page.count > len(job_ids) or any(row.job_id not in job_ids for row in page.rows):
            return None
        chunk.seen += page.rows
        chunk.rejected += page.rejected
        query = replace(query, offset=query.offset + len(page.records))
        if not page.records or query.offset >= page.count:
            break
    chunk.rows = newest_versions(chunk.seen)
    record.rows_read = len(chunk.rows)
    record.complete = record.rows_read == record.count
    return chunk


def batched(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Give the items in runs of a size."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def plan_windows(created: Sequence[datetime]) -> Iterator[Window]:
    """Put creation times together into windows, newest first; a second is asked for up to the next one, which holds its fractions."""
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
