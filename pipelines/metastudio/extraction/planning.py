"""Cuts ranges of create_time into windows that are likely to be nearly full.

A plan need not be right: each window is read and proved by itself, and split if it has too many
jobs.
"""

from __future__ import annotations

import math
from datetime import datetime
from itertools import pairwise

from metastudio.errors import RefusedError, UnavailableError
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.types import OPEN_END, Mode, Page, Query, Window
from metastudio.timestamps import SECOND

MAX_PARTS = 8
"""The maximum number of parts of a window. If jobs are close together, more would be empty."""
WHOLE_HISTORY: tuple[Mode, ...] = ("backfill", "reread")
"""The modes that read everything since `start_date`."""
MAX_PLANNED = 32
"""The maximum number of parts of the whole history, which begins with a known job."""
FULL = 0.8
"""How full a planned window is. Some become fuller, because jobs are not spread evenly."""


async def plan_range(context: ExtractionContext, window: Window, mode: Mode) -> list[Window]:
    """Cut the whole history, newest first, if its jobs need several windows.

    Other modes read a small part of the history, which is not worth a request for a plan.

    The last job of the list shows where the history begins. Finding the beginning by halving would
    take up to 20 requests.
    """
    count, max_rows = context.largest_count, context.limits.max_rows(context.settings.max_rows_per_window)
    if mode not in WHOLE_HISTORY or window.since > context.settings.start_date or count <= max_rows:
        return [window]
    now = await context.now()
    oldest, end = await _find_oldest(context, count), min(window.until, now)
    if oldest is None or not window.since < oldest < end:
        return [window]
    share = (end - oldest) / (now - oldest)
    parts = split_window(Window(oldest, end), _count_parts(count * share, max_rows, MAX_PLANNED))
    if not parts:
        return [window]
    return [parts[0]._replace(until=window.until), *parts[1:], Window(window.since, oldest)]


async def _find_oldest(context: ExtractionContext, count: int) -> datetime | None:
    """Return when the last job of the whole list was created, or None if there is no answer."""
    if context.limits.max_offset is not None:
        return None
    query = Query(since=context.settings.start_date, offset=count - 1, limit=1, attempts=1)
    try:
        page = await context.try_fetch(query)
    except (RefusedError, UnavailableError):
        return None
    times = [row.create_time.replace(microsecond=0) for row in page.rows if row.create_time]
    return min(times, default=None)


def split_window(window: Window, parts: int = 2) -> list[Window]:
    """Split a window into equal parts, newest first.

    A window with fewer seconds than `parts` has one part for each second. A window of one second
    has no parts.
    """
    seconds = window.width // SECOND
    parts = min(parts, seconds)
    if parts < 2:
        return []
    ends = [window.since + seconds * number // parts * SECOND for number in range(parts)] + [window.until]
    return [Window(since, until) for since, until in pairwise(ends)][::-1]


def cut_window(window: Window, closed_until: datetime, now: datetime) -> list[Window]:
    """Cut a window in two, at `closed_until` or else at the present, whichever is inside it.

    The older part is proved by its count alone. The list is empty if neither is inside the window.

    Args:
        closed_until: no job created before this time can appear any more.
    """
    for end in (closed_until, now):
        if window.since < end < window.until:
            return [Window(end, window.until), Window(window.since, end)]
    return []


def plan_parts(context: ExtractionContext, window: Window, first: Page) -> list[Window]:
    """Split a window so that its parts would be `FULL` if its jobs were spread evenly."""
    end = window.until
    if end == OPEN_END:
        end = max([row.create_time for row in first.rows if row.create_time] + [window.since]) + SECOND
        end = end.replace(microsecond=0)
    max_rows = context.limits.max_rows(context.settings.max_rows_per_window)
    parts = split_window(Window(window.since, end), _count_parts(first.count, max_rows, MAX_PARTS))
    if parts and window.until == OPEN_END:
        parts[0] = parts[0]._replace(until=OPEN_END)
    return parts


def _count_parts(rows: float, max_rows: int, most: int) -> int:
    return min(most, max(2, math.ceil(rows / (max_rows * FULL))))
