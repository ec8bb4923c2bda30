"""The first run: all of `[start_date, snapshot_at]`, newest first, in chunks committed one by one (`docs/extraction.md#first-sync`).

Also reads a range again on request. Knows nothing of update times: what changes meanwhile is for `changes` to find.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from metastudio.extraction.types import (
    Chunk,
    ExtractionContext,
    LedgerEntry,
    Mode,
    Progress,
    Query,
    State,
    Window,
    newest_versions,
    set_watermark,
)
from metastudio.extraction.windows import WindowRead, read_range
from metastudio.timestamps import format_time, parse_time


def is_backfilled(state: State, run: ExtractionContext) -> bool:
    """Tell whether everything from `start_date` on was read once."""
    done_since = state.get("backfill", {}).get("done_since")
    return done_since is not None and parse_time(done_since) <= run.settings.start_date


async def backfill(run: ExtractionContext, state: State) -> AsyncGenerator[Chunk, None]:
    """Read everything not read yet, down to `start_date`; what changes meanwhile is for the later runs."""
    start = run.settings.start_date
    progress = state.get("backfill", {})
    overview = await run.fetch(Query(since=start, limit=1))
    snapshot_at = parse_time(progress["snapshot_at"]) if "snapshot_at" in progress else await run.now()
    until = parse_time(progress["done_since"]) if "done_since" in progress else await run.newest()
    async with aclosing(read_chunks(run, Window(start, max(start, until)), "backfill", state)) as chunks:
        async for chunk in chunks:
            chunk.expected_rows = overview.count
            done_since = min(record.since for record in chunk.windows)
            chunk.state["backfill"] = Progress(snapshot_at=format_time(snapshot_at), done_since=format_time(done_since))
            if done_since <= start:
                chunk.state = to_incremental_state(run, chunk.state)
            yield chunk


def to_incremental_state(run: ExtractionContext, state: State) -> State:
    """Give the state with which the later runs begin: the watermark is `snapshot_at`, and only `start_date` on is up to date.

    So what was created before a `start_date` that moved on is read again should it move back.
    """
    progress = state["backfill"]
    state = State(**state)
    state["backfill"] = Progress(snapshot_at=progress["snapshot_at"], done_since=format_time(run.settings.start_date))
    if "watermark" not in state:
        snapshot_at = parse_time(progress["snapshot_at"])
        state.update(set_watermark(snapshot_at, snapshot_at))
    return state


async def read_chunks(run: ExtractionContext, window: Window, mode: Mode, state: State) -> AsyncGenerator[Chunk, None]:
    """Read a range of create_time as chunks of whole windows, newest first, none changing the state."""
    reads: list[WindowRead] = []
    rows = 0
    async with aclosing(read_range(run, window, mode)) as windows:
        async for read in windows:
            reads.append(read)
            rows += read.record.rows_read
            if rows >= run.settings.chunk_rows:
                yield make_chunk(reads, mode, state)
                reads, rows = [], 0
    if reads:
        yield make_chunk(reads, mode, state)


def make_chunk(reads: list[WindowRead], mode: Mode, state: State) -> Chunk:
    """Put windows that were read whole together, each job once."""
    seen = [row for read in reads for row in read.seen]
    records: list[LedgerEntry] = [read.record for read in reads]
    return Chunk(
        mode=mode,
        rows=newest_versions(seen),
        seen=seen,
        rejected=[item for read in reads for item in read.rejected],
        windows=records,
        state=State(**state),
    )
