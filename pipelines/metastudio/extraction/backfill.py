"""Reads everything since `start_date` in the first run: newest first, committed chunk by chunk.

It also reads a range again on request. It ignores update times: `changes` finds what changes
meanwhile.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime

from metastudio.errors import MetaStudioError, RefusedError
from metastudio.extraction.context import ExtractionContext, find_max_range
from metastudio.extraction.proof import WindowRead
from metastudio.extraction.state import Progress, State, to_incremental_state
from metastudio.extraction.types import (
    OPEN_END,
    Chunk,
    Emit,
    LedgerEntry,
    Mode,
    Page,
    Query,
    UnreadableError,
    Window,
    newest_versions,
)
from metastudio.extraction.windows import read_range
from metastudio.records.parser import Row
from metastudio.timestamps import format_time, parse_time


async def backfill(context: ExtractionContext, state: State, emit: Emit) -> None:
    """Read everything that was not read yet, down to `start_date`."""
    start = context.settings.start_date
    progress = state.get("backfill", Progress())
    overview, whole_count = await _read_overview(context)
    if "snapshot_at" not in progress:
        progress = Progress(snapshot_at=format_time(await context.now()), newest_update=_find_newest(overview, start))
    until = parse_time(progress["done_since"]) if "done_since" in progress else OPEN_END

    async def record_progress(chunk: Chunk) -> None:
        chunk.expected_rows = whole_count
        done_since = min(entry.since for entry in chunk.windows)
        chunk.state["backfill"] = Progress(
            **{
                **progress,
                "done_since": format_time(done_since),
                "not_rows": context.not_rows + progress.get("not_rows", 0),
            }
        )
        if done_since <= start:
            chunk.state = to_incremental_state(chunk.state, start)
        await emit(chunk)

    await read_chunks(context, Window(start, max(start, until)), "backfill", state, record_progress)


async def _read_overview(context: ExtractionContext) -> tuple[Page | None, int | None]:
    """Return a page with the job updated last, and the number of all jobs; None if unknown.

    Later runs begin at the update time of that job. If there is no answer, the newest job is asked
    for, and then the first job after a page of newest jobs, which may be unreadable. If the whole
    list is refused, the page covers the widest window that the endpoint answers.
    """
    start, behind = context.settings.start_date, context.settings.page_size
    failure: RefusedError | UnreadableError
    for query in (
        Query(since=start, limit=1, sort_key="update_time"),
        Query(since=start, limit=1),
        Query(since=start, limit=1, offset=behind),
    ):
        try:
            page = await context.fetch(query)
            return page, page.count if page.is_counted else None
        except (RefusedError, UnreadableError) as error:
            failure = error
    width = await find_max_range(context, failure)
    try:
        return await context.fetch(Query(since=await context.now() - width, limit=1)), None
    except (RefusedError, UnreadableError):
        return None, None


def _find_newest(overview: Page | None, start: datetime) -> str:
    """Return the latest update on a page; without one, a time before all updates."""
    updates = [row.updated for row in overview.rows if row.updated] if overview else []
    return format_time(max(updates, default=start))


async def read_again(context: ExtractionContext, window: Window, state: State, emit: Emit) -> None:
    """Read a range of create_time again, for `metastudio backfill`. The watermark stays."""
    await read_chunks(context, window, "backfill", state, context.track(state, emit))


async def read_chunks(context: ExtractionContext, window: Window, mode: Mode, state: State, emit: Emit) -> None:
    """Read a range of create_time as chunks of whole windows, newest first.

    No chunk changes the state. If an error ends the reading, a last chunk has what was read before.
    """
    reads: list[WindowRead] = []
    rows = 0
    failure: MetaStudioError | None = None
    try:
        async with aclosing(read_range(context, window, mode)) as windows:
            async for read in windows:
                reads.append(read)
                rows += len(read.seen)
                context.not_rows += len(read.without_id) + len(read.doubled)
                if rows >= context.settings.chunk_rows:
                    chunk = make_chunk(reads, mode, state)
                    reads, rows = [], 0
                    await emit(chunk)
    except MetaStudioError as error:
        failure = error
    if reads:
        await emit(make_chunk(reads, mode, state))
    if failure is not None:
        raise failure


def make_chunk(reads: list[WindowRead], mode: Mode, state: State) -> Chunk:
    """Return one chunk with what was read of several windows, each job once."""
    seen = [row for read in reads for row in read.seen]
    return Chunk(
        mode=mode,
        rows=newest_versions(seen),
        seen=seen,
        rejected=[item for read in reads for item in read.rejected],
        windows=[entry for read in reads for entry in read.entries],
        state=State(**state),
    )


async def keep_changed(context: ExtractionContext, chunk: Chunk) -> None:
    """Drop the jobs that are loaded already, and count the others in the ledger entries."""
    chunk.rows = await context.loaded.changed(chunk.rows)
    changed = {row.job_id for row in chunk.rows}
    chunk.seen = [row for row in chunk.seen if row.job_id in changed]
    for entry in chunk.windows:
        entry.rows_changed = 0
    for row in chunk.rows if chunk.windows else ():
        entry = _find_entry(chunk, row)
        entry.rows_changed = (entry.rows_changed or 0) + 1


def _find_entry(chunk: Chunk, row: Row) -> LedgerEntry:
    """Return the entry of the window in which a job was created, or else the first entry."""
    time = row.create_time
    lines = (entry for entry in chunk.windows if time is not None and entry.since <= time <= entry.until)
    return next(lines, chunk.windows[0])
