"""Finds the parts of a window in which jobs are missing, by counting: one request per halving.

What is counted is always "created at t or later", so that the difference of two counts is exact: a
window closed at both ends would include only a part of its last second.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime

from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.proof import WindowReading
from metastudio.extraction.types import Window
from metastudio.timestamps import SECOND


@dataclass(frozen=True, slots=True)
class Part:
    """How many jobs created in [since, until) the API counts, and how many were received."""

    window: Window
    count: int
    rows: int


async def find_doubtful(context: ExtractionContext, reading: WindowReading) -> list[Part]:
    """Return the smallest parts that lack jobs: of one page, or of one second.

    The list is empty if the counts changed meanwhile, or if the creation time of a job is unknown.
    """
    times = reading.create_times()
    if times is None:
        return []
    times.reverse()
    window = reading.window
    counts = {window.since: reading.entry.count, window.until: 0}
    doubtful: list[Part] = []
    ranges = [window]
    while ranges:
        since, until = ranges.pop()
        first = 0 if since == window.since else bisect_left(times, since)  # the query also asked for the second before
        last = len(times) if until == window.until else bisect_left(times, until)
        part = Part(Window(since, until), counts[since] - counts[until], last - first)
        if part.count < part.rows:
            return []
        if part.count == part.rows:
            continue
        if part.count <= context.settings.page_size or until - since <= SECOND:
            doubtful.append(part)
            continue
        middle = _find_middle(part.window, times[first:last])
        counts[middle] = await context.count(middle, window.until)
        ranges += [Window(since, middle), Window(middle, until)]
    return doubtful


def _find_middle(window: Window, times: list[datetime]) -> datetime:
    """Return a second within a window that has about as many jobs before it as after it."""
    middle = times[len(times) // 2].replace(microsecond=0) if times else window.since
    if window.since < middle < window.until:
        return middle
    return window.since + (window.width // SECOND // 2) * SECOND
