"""Reads create_time windows and proves each one whole (`docs/extraction.md#windows`).

A window that is too large is split; one that cannot be proved becomes the smallest possible gap. A
range is read newest first, several windows at a time. This module does not know what the rows are
for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

from metastudio.errors import RefusedError
from metastudio.extraction.context import ExtractionContext, find_max_range, is_width_answered
from metastudio.extraction.filters import RepeatedJobs, lies_outside, verify_filters
from metastudio.extraction.narrowing import find_doubtful
from metastudio.extraction.pages import TooDeepError, read_page, read_rest
from metastudio.extraction.planning import cut_window, plan_parts, plan_range, split_window
from metastudio.extraction.proof import NOT_LISTED, NOT_READABLE, REFUSED, TOO_DEEP, WindowRead, WindowReading
from metastudio.extraction.types import OPEN_END, LedgerEntry, Mode, Page, Query, UnreadableError, Window
from metastudio.timestamps import SECOND

PAUSE_SECONDS = 0.5
"""Pause before an open window is read again, doubled each time: replicas need time to agree."""
DAY = timedelta(days=1)

_Outcome: TypeAlias = WindowRead | list[Window]
_Item: TypeAlias = asyncio.Task[_Outcome] | Window


async def read_window(context: ExtractionContext, window: Window, mode: Mode, *, is_part: bool = False) -> _Outcome:
    """Read a window, or return its parts if it is too large or too restless to be read at once.

    A window that is returned without a proof is a gap, or has gaps.

    Args:
        is_part: whether the window is a doubtful part of another one and not narrowed down further.

    Raises:
        IncompleteError: the endpoint ignores create_since or create_until.
        UnavailableError: the endpoint does not answer at all.
    """
    if parts := await _split_by_width(context, window):
        return parts
    query = make_query(context, window)
    closed_until = await context.closed_until()
    reading = WindowReading(window, mode, is_closed=window.until <= closed_until)
    while reading.is_worth_a_pass(context.settings.tries, is_part=is_part):
        if reading.passes and not reading.is_closed:
            await context.sleep(PAUSE_SECONDS * 2 ** (reading.passes - 1))
        try:
            first = await read_page(context, query)
        except (RefusedError, UnreadableError) as error:
            return await _give_up(context, reading, error)
        if parts := await _split_by_first_page(context, reading, first, closed_until, is_part=is_part):
            return parts
        try:
            pages = [first, *await read_rest(context, query, first)]
        except TooDeepError:
            parts = plan_parts(context, window, first)
            return parts or await _read_as_deep_as_possible(context, reading, query, first)
        if reading.add(pages):
            if await _is_cut_short(context, reading) and (parts := plan_parts(context, window, first)):
                return parts
            return reading.make_read()
        if reading.missing < 0 and reading.count is not None:
            return _read_miscounted(context, reading, first)
        if not is_part and reading.is_worth_narrowing and (read := await _narrow(context, reading)):
            return read
    return reading.make_read()


def make_query(context: ExtractionContext, window: Window) -> Query:
    """Return the query for a window's first page. It begins a second before the window.

    An endpoint may exclude the ends of a range, and with them jobs created right at the start of a
    second.
    """
    return Query(
        since=max(window.since - SECOND, min(window.since, context.settings.start_date)),
        until=None if window.until == OPEN_END else window.until,
        limit=context.settings.page_size,
    )


async def _split_by_first_page(
    context: ExtractionContext, reading: WindowReading, first: Page, closed_until: datetime, *, is_part: bool
) -> list[Window]:
    """Return the parts of a window that its first page shows to be open, too large or too restless.

    The list is empty if the window can be read at once.
    """
    window, fits = reading.window, first.count <= len(first.records)
    if not fits or lies_outside(window, first):
        await verify_filters(context, first.rows if window.until == OPEN_END else ())
    if not fits and (parts := cut_window(window, closed_until, await context.now())):
        return parts
    is_large = first.count > context.limits.max_rows(context.settings.max_rows_per_window)
    is_large |= not first.is_counted and not fits
    is_restless = reading.passes > 1 and first.count > context.settings.page_size and not is_part
    return plan_parts(context, window, first) if is_large or is_restless else []


async def _is_cut_short(context: ExtractionContext, reading: WindowReading) -> bool:
    """Return whether a window that seems whole lacks its oldest jobs.

    That is so if count and list stop at the same number of jobs. Only a window with the largest
    count so far can be cut short. A count that was verified is trusted for a day.
    """
    count, limits = reading.entry.count, context.limits
    if count < context.largest_count or count <= context.settings.page_size or "count_verified" in limits.values:
        return False
    times = reading.create_times()
    if not times:
        return False
    oldest = times[-1].replace(microsecond=0)
    below = await context.count(reading.window.since, oldest)
    if below <= sum(time <= oldest + SECOND for time in times):
        context.learn("count_verified", count)
        return False
    context.learn("count_cap", count)
    return True


async def _split_by_width(context: ExtractionContext, window: Window) -> list[Window]:
    """Return the parts of a window that is too wide for the endpoint; none if it is not."""
    if context.limits.max_range is None:
        return []
    width = context.limits.max_range - SECOND  # the query also covers the second before the window
    end = window.until
    if end == OPEN_END:
        end = max(window.since, await context.now())
    if end - window.since <= width:
        return []
    ends = [end]
    while ends[-1] > window.since:
        ends.append(max(window.since, ends[-1] - width))
    parts = [Window(since, until) for until, since in pairwise(ends)]
    return [Window(end, OPEN_END), *parts] if window.until == OPEN_END else parts


async def _give_up(
    context: ExtractionContext, reading: WindowReading, error: RefusedError | UnreadableError
) -> _Outcome:
    """Return the parts of a window that is not answered, or a gap if it is one second wide.

    Either the window is too wide, or something in it cannot be read. The parts are as wide as the
    endpoint answers, or halves.
    """
    window, now = reading.window, await context.now()
    end = max(window.since, now) if window.until == OPEN_END else window.until
    width = end - window.since
    if width > DAY and not await is_width_answered(context, width):
        await find_max_range(context, error)
        if parts := await _split_by_width(context, window):
            return parts
    parts = split_window(Window(window.since, end))
    if window.until == OPEN_END and width >= SECOND:
        parts = [Window(end, OPEN_END), *(parts or [Window(window.since, end)])]
    return parts or reading.make_read(REFUSED if isinstance(error, RefusedError) else NOT_READABLE)


async def _read_as_deep_as_possible(
    context: ExtractionContext, reading: WindowReading, query: Query, first: Page
) -> WindowRead:
    """Read a window that cannot be split down to the deepest offset that is answered."""
    pages, offset = [first], 0
    with suppress(TooDeepError):
        while received := len(pages[-1].records) + pages[-1].skipped:
            offset += received
            pages.append(await read_page(context, replace(query, offset=offset)))
    reading.add(pages)
    return reading.make_read(TOO_DEEP)


def _read_miscounted(context: ExtractionContext, reading: WindowReading, first: Page) -> _Outcome:
    """Return the result for a window whose count is below the number of jobs received.

    Such a count is capped, or it is wrong. If it is capped, it equals the largest count ever seen,
    and the window is split so that its parts stay below the cap.
    """
    if reading.count == context.largest_count:
        context.learn("count_cap", reading.count)
        if parts := plan_parts(context, reading.window, first):
            return parts
    return reading.make_read()


async def _narrow(context: ExtractionContext, reading: WindowReading) -> WindowRead | None:
    """Find the parts of a window in which jobs are missing, and read each of them again.

    Returns:
        the window with its gaps, or None if counting does not find the parts.
    """
    doubtful = await find_doubtful(context, reading)
    if not doubtful:
        return None
    read = reading.make_read()
    for part in doubtful:
        if reading.skipped:
            read.gaps.append(_make_gap_entry(read, part.window, part.count, part.rows, NOT_READABLE))
        else:
            again = await read_window(context, part.window, read.entry.mode, is_part=True)
            if isinstance(again, list):
                return None
            read.seen += again.seen
            read.rejected += [item for item in again.rejected if item not in read.rejected]
            if not again.entry.complete:
                again.entry.reason = again.entry.reason or NOT_LISTED
                read.gaps.append(again.entry)
    entry = read.entry
    entry.count -= sum(part.count for part in doubtful)
    entry.rows_read -= sum(part.rows for part in doubtful)
    entry.complete, entry.reason = entry.count == entry.rows_read, None
    return read if entry.complete else None


def _make_gap_entry(read: WindowRead, window: Window, count: int, rows: int, reason: str) -> LedgerEntry:
    return replace(
        read.entry, since=window.since, until=window.until, count=count, rows_read=rows, complete=False, reason=reason,
        requests=0, retries=0, throttled=0,
    )  # fmt: skip


async def read_range(context: ExtractionContext, window: Window, mode: Mode) -> AsyncGenerator[WindowRead, None]:
    """Read a range of create_time as windows, newest first, `lookahead` of them at the same time.

    Raises:
        IncompleteError: the endpoint ignores create_since or create_until.
        UnavailableError: the endpoint does not answer at all.
    """
    ahead: deque[_Item] = deque(await plan_range(context, window, mode))
    repeated = RepeatedJobs()
    try:
        while ahead:
            ahead = _replace_split(ahead)
            for index in range(min(context.settings.lookahead, len(ahead))):
                item = ahead[index]
                if isinstance(item, Window):
                    ahead[index] = asyncio.create_task(read_window(context, item, mode))
            head = ahead[0]
            assert isinstance(head, asyncio.Task)
            if head.done():
                read = head.result()
                assert isinstance(read, WindowRead)
                ahead.popleft()
                yield read
                repeated.check(context, read.seen)
            else:
                running = [item for item in ahead if isinstance(item, asyncio.Task) and not item.done()]
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        tasks = [item for item in ahead if isinstance(item, asyncio.Task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_whole_range(context: ExtractionContext, window: Window, mode: Mode) -> list[WindowRead]:
    """Return everything that `read_range` reads, for a range that fits in memory."""
    async with aclosing(read_range(context, window, mode)) as windows:
        return [read async for read in windows]


def _replace_split(ahead: deque[_Item]) -> deque[_Item]:
    """Replace each window that proved too large by its parts."""
    result: deque[_Item] = deque()
    for item in ahead:
        if isinstance(item, asyncio.Task) and item.done() and not item.exception():
            outcome = item.result()
            if isinstance(outcome, list):
                result.extend(outcome)
                continue
        result.append(item)
    return result
