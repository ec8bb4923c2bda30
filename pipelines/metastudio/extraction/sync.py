"""Brings a pipeline up to date: backfill first, then the changes, and a rescan where their order is not proved.

The whole of it is one stream of chunks; each is loaded and committed with its state before the next one counts.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from metastudio.extraction.backfill import backfill, is_backfilled, to_incremental_state
from metastudio.extraction.changes import Scan, should_scan
from metastudio.extraction.rescan import rescan
from metastudio.extraction.types import Chunk, ExtractionContext, State


async def sync(run: ExtractionContext, state: State) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks after which the destination holds what the API showed when the run began, or newer.

    Raises:
        IncompleteError: this could not be established; the chunks yielded so far do no harm.
    """
    if not is_backfilled(state, run):
        async with aclosing(backfill(run, state)) as chunks:
            async for chunk in chunks:
                state = chunk.state
                yield chunk
    state = to_incremental_state(run, state)
    if await should_scan(run, state):
        scan = Scan(run, state)
        async with aclosing(scan.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk
        last = await scan.finish()
        state = last.state
        yield last
        if scan.complete:
            return
    async with aclosing(rescan(run, state)) as chunks:
        async for chunk in chunks:
            yield chunk
