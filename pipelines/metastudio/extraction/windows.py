"""Reads create_time windows and proves each one whole (`docs/extraction.md#windows`).

A window that is too large is split; a range is read newest first, several windows at a time. Knows nothing of what the rows are for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

from metastudio.errors import IncompleteError
from metastudio.extraction.types import ExtractionContext, LedgerEntry, Mode, Page, Query, Window, gather_or_cancel
from metastudio.records.parser import Rejected, Row
from metastudio.timestamps import SECOND

MAX_PARTS = 8
"""Into how many parts a window is split at most: more would ask for many empty ones where the jobs stand close together."""


@dataclass(slots=True, kw_only=True)
class WindowRead:
    """A window that was read whole, with the record that proves it; `rejected` includes the records `without_id`."""

    window: Window
    record: LedgerEntry
    seen: list[Row]
    rejected: list[Rejected]
    without_id: list[Rejected]


_Outcome: TypeAlias = WindowRead | list[Window]
_Item: TypeAlias = asyncio.Task[_Outcome] | Window


def split_window(window: Window, parts: int = 2) -> list[Window]:
    """Split a window into equal parts, newest first; fewer where it has fewer seconds, none where it is one second wide.

    Neighbours share their boundary second: `[a, b]` then `[b+1s, c]` would lose a row created at b+0.4s.
    """
    seconds = (window.until - window.since) // SECOND
    parts = min(parts, seconds)
    if parts < 2:
        return []
    ends = [window.since + seconds * number // parts * SECOND for number in range(parts)] + [window.until]
    return [Window(since, until) for since, until in pairwise(ends)][::-1]


async def read_window(run: ExtractionContext, window: Window, mode: Mode) -> _Outcome:
    """Read a window whole, or give its parts where it is too large, or too restless, to be read at once.

    A window is too large where its first answer shows more than `max_rows_per_window`, and too restless where two tries gave no
    proof; what fits one page is proved by its one answer. A larger one that reaches into the last `overlap`, where jobs still appear,
    is cut there, so that what is older is proved by the count.

    Raises:
        IncompleteError: no try gave the proof, or the API does not keep to the window.
    """
    query = Query(since=window.since, until=window.until, limit=run.settings.page_size)
    closed_until = await run.now() - run.settings.overlap - SECOND
    closed = window.until <= closed_until
    tries = _Tries(LedgerEntry(mode=mode, since=window.since, until=window.until), closed=closed)
    for number in range(1, run.settings.tries + 1):
        first = await run.fetch(query)
        if _lies_outside(window, first):
            await _check_filters(run, tries.record)
        fits = first.count <= len(first.records)
        if not fits and not closed and window.since < closed_until:
            return [Window(closed_until, window.until), Window(window.since, closed_until)]
        too_large = first.count > run.settings.max_rows_per_window
        if (too_large or (number > 2 and not fits)) and (parts := _plan_parts(run, window, first.count)):
            await _check_filters(run, tries.record)
            return parts
        if tries.add([first, *await _read_spans(run, query, first)]):
            return tries.make_read(window)
    raise IncompleteError(
        f"The window {window} could not be read whole in {run.settings.tries} tries:"
        f" the API counts {tries.record.count} jobs, {tries.record.rows_read} different ones came.",
        hint="Jobs vanish while they are read, or the API's count is wrong. Nothing was lost: run it again;"
        " if it stays, report it to the vendor with the window.",
        record=tries.record,
    )


def _plan_parts(run: ExtractionContext, window: Window, count: int) -> list[Window]:
    """Split a window so that its parts would fill four fifths of `max_rows_per_window` if its jobs were spread evenly."""
    return split_window(window, min(MAX_PARTS, max(2, -(-count * 5 // (run.settings.max_rows_per_window * 4)))))


class _Tries:
    """The tries at one window: the jobs found so far, and whether they prove it whole.

    In a closed window jobs can only vanish. So equal counts mean that it stood still, and tries with equal counts add up, which makes
    an unstable order of rows of one second harmless. In an open one a job that vanished and one that appeared leave the count as it
    was, so two tries in a row must find the same jobs.
    """

    def __init__(self, record: LedgerEntry, *, closed: bool) -> None:
        self.record = record
        self.seen: list[Row] = []
        self.rejected: dict[str, Rejected] = {}
        self.without_id: list[Rejected] = []
        self._closed = closed
        self._count: int | None = None
        self._found: set[str] = set()

    def add(self, pages: list[Page]) -> bool:
        """Count a try in, and tell whether the window is complete: one count all along, and as many distinct jobs."""
        for page in pages:
            self.record.add(page)
            self.seen += page.rows
            self.rejected |= {item.key: item for item in page.rejected}
        counts = {page.count for page in pages}
        found = {row.job_id for page in pages for row in page.rows}
        same = found == self._found and counts == {self._count}
        if self._closed and counts == {self._count}:
            found |= self._found
        self._found = found
        self._count = counts.pop() if len(counts) == 1 else None
        self.without_id = [record for page in pages for record in page.records if isinstance(record, Rejected)]
        self.record.rows_read = len(found) + len(self.without_id)
        one_page = sum(bool(page.records) for page in pages) <= 1
        self.record.complete = self.record.rows_read == self._count and (self._closed or same or one_page)
        return self.record.complete

    def make_read(self, window: Window) -> WindowRead:
        return WindowRead(
            window=window,
            record=self.record,
            seen=self.seen,
            rejected=[*self.rejected.values()],
            without_id=self.without_id,
        )


def _lies_outside(window: Window, page: Page) -> bool:
    """Tell whether most rows of an answer lie outside of the window: the filters are ignored, or these rows show wrong times."""
    times = [row.create_time for row in page.rows if row.create_time is not None]
    return sum(not window.since <= time <= window.until for time in times) * 2 > len(times)


async def _check_filters(run: ExtractionContext, record: LedgerEntry) -> None:
    """Ask once, before anything is split, for windows that must be empty: where a filter is ignored nothing could be proved, and
    splitting would never end.
    """
    if run.filters_checked:
        return
    run.filters_checked = True
    past = datetime(1970, 1, 1, tzinfo=UTC)
    future = await run.now() + timedelta(days=366)
    windows = (Window(past, past + SECOND), Window(future, future + SECOND))
    pages = await gather_or_cancel(run.fetch(Query(since=since, until=until, limit=1)) for since, until in windows)
    for window, page in zip(windows, pages, strict=True):
        if page.count:
            raise IncompleteError(
                f"The API counts jobs in the window {window}, which must be empty.",
                hint="This endpoint ignores create_since or create_until, or its count is wrong: nothing can be proved complete on it.",
                record=record,
            )


async def _read_spans(run: ExtractionContext, query: Query, first: Page) -> list[Page]:
    """Read what follows the first page, by as many rows a page as the first one gave (a server may cap its pages).

    Where the last page is full it is read on, so that a count that is too low shows.
    """
    step = len(first.records)
    if not step:
        return []
    spans = await gather_or_cancel(
        _read_span(
            run, replace(query, offset=offset), min(offset + step, first.count), last=offset + step >= first.count
        )
        for offset in range(step, first.count, step)
    )
    pages = [page for span in spans for page in span]
    if first.count == step == query.limit:
        pages += await _read_span(run, replace(query, offset=step), step + 1, last=True)
    return pages


async def _read_span(run: ExtractionContext, query: Query, end: int, *, last: bool) -> list[Page]:
    """Read from the query's offset to `end`, stepping by the rows received, until an answer gives none."""
    pages: list[Page] = []
    full = False
    while query.offset < end or (last and full):
        page = await run.fetch(query)
        pages.append(page)
        if not page.records:
            break
        full = len(page.records) == query.limit
        if not last:
            page.records = page.records[: end - query.offset]
        query = replace(query, offset=query.offset + len(page.records))
    return pages


async def read_range(run: ExtractionContext, window: Window, mode: Mode) -> AsyncGenerator[WindowRead, None]:
    """Read a range of create_time whole, as windows, newest first; `lookahead` windows are read at a time.

    Raises:
        IncompleteError: a window could not be proved whole.
    """
    ahead: deque[_Item] = deque([window])
    try:
        while ahead:
            ahead = _replace_split(ahead)
            for index in range(min(run.settings.lookahead, len(ahead))):
                item = ahead[index]
                if isinstance(item, Window):
                    ahead[index] = asyncio.create_task(read_window(run, item, mode))
            head = ahead[0]
            assert isinstance(head, asyncio.Task)
            if head.done():
                read = head.result()
                assert isinstance(read, WindowRead)
                ahead.popleft()
                yield read
            else:
                running = [item for item in ahead if isinstance(item, asyncio.Task) and not item.done()]
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        tasks = [item for item in ahead if isinstance(item, asyncio.Task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _replace_split(ahead: deque[_Item]) -> deque[_Item]:
    """Put the parts of each window that proved too large in its place."""
    result: deque[_Item] = deque()
    for item in ahead:
        if isinstance(item, asyncio.Task) and item.done() and not item.exception():
            outcome = item.result()
            if isinstance(outcome, list):
                result.extend(outcome)
                continue
        result.append(item)
    return result
