"""Verifies that create_since and create_until mean what the API's page says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from metastudio.errors import IncompleteError, RefusedError
from metastudio.extraction.context import SMALL_QUESTION, ExtractionContext
from metastudio.extraction.pages import read_page
from metastudio.extraction.types import OPEN_END, Page, Query, UnreadableError, Window
from metastudio.records.parser import Row
from metastudio.timestamps import SECOND

KEPT = "kept to"
ENDS_LEFT_OUT = "ends left out"
OTHER_ZONE = "times of another zone"
IGNORED = "ignored"
A_DAY_AROUND = timedelta(hours=26)
"""No two time zones are further apart."""
FEW_ROWS = 10
"""Number of the newest jobs to ask for: some of them may be unreadable."""
MAX_SHARED = 4
"""The most neighboring windows that can list one job, because windows overlap by a second."""


class FiltersIgnoredError(IncompleteError):
    """The endpoint ignores create_since or create_until, so that windows prove nothing."""


def lies_outside(window: Window, page: Page) -> bool:
    """Return whether most rows of an answer were created outside of the requested window.

    The second before the window is requested, too, and counts as inside.
    """
    times = [row.create_time for row in page.rows if row.create_time is not None]
    return sum(not window.since - SECOND <= time <= window.until for time in times) * 2 > len(times)


def find_margin(context: ExtractionContext) -> timedelta:
    """Return by how much to widen a window so that it lists every job created in it."""
    return {KEPT: timedelta(0), ENDS_LEFT_OUT: SECOND}.get(context.limits.filters or "", A_DAY_AROUND)


def are_ignored(context: ExtractionContext) -> bool:
    """Return whether a filter was recently found to be ignored."""
    return context.limits.filters == IGNORED


async def verify_filters(context: ExtractionContext, newest_first: Sequence[Row] = ()) -> None:
    """Check that the newest job is in its window, and that an empty window lists no job.

    The result holds for a day. If an end is excluded, or times are read in another zone, windows
    lose no job: they overlap, and the newest one has no end.

    Args:
        newest_first: the newest jobs, if they are known.

    Raises:
        FiltersIgnoredError: a filter is ignored.
    """
    if are_ignored(context):
        raise _make_error("create_since or create_until")
    is_known = context.filters_verified or context.limits.filters is not None
    context.filters_verified = True
    if is_known:
        return
    if (await context.fetch(SMALL_QUESTION)).records:
        raise ignore_filters(context, "create_until")
    newest = await _find_newest(context, newest_first)
    if newest is None or newest.create_time is None:
        return
    second = newest.create_time.replace(microsecond=0)
    if second > OPEN_END - A_DAY_AROUND:  # the window would end after the last possible time
        return
    for window, finding in (
        (Window(second, second + SECOND), KEPT),
        (Window(second - SECOND, second + SECOND), ENDS_LEFT_OUT),
        (Window(second - A_DAY_AROUND, second + A_DAY_AROUND), OTHER_ZONE),
    ):
        until = window.until if window.until <= await context.now() else None  # an end in the future may be refused
        try:
            page = await read_page(context, Query(since=window.since, until=until, limit=context.settings.page_size))
        except (RefusedError, UnreadableError):
            return
        if shown := await _judge_page(context, window, page, newest.job_id, finding):
            context.learn("filters", shown)
            return
    context.filters_verified = False  # the job vanished meanwhile


async def _judge_page(context: ExtractionContext, window: Window, page: Page, job_id: str, finding: str) -> str | None:
    """Return what an answer shows about the filters; None if a job is missing that it must list.

    Args:
        finding: the result if the job is in the answer.

    Raises:
        FiltersIgnoredError: the answer shows that create_since is ignored.
    """
    has_more = page.count > len(page.records)
    if finding == KEPT and page.rows and lies_outside(window, page):
        if has_more:
            raise ignore_filters(context, "create_since")
        finding = OTHER_ZONE
    is_crowded = finding == KEPT and has_more
    if is_crowded and await _is_future_crowded(context, page.count):
        raise ignore_filters(context, "create_since")
    return finding if is_crowded or any(row.job_id == job_id for row in page.rows) else None


async def _find_newest(context: ExtractionContext, newest_first: Sequence[Row]) -> Row | None:
    """Return the newest job that is older than a second, or None if none can be read.

    The window of a younger job would end in the future.

    Args:
        newest_first: the newest jobs that are known. The API is asked if all of them are younger.
    """
    before = await context.now() - SECOND
    known = next((row for row in newest_first if row.create_time and row.create_time < before), None)
    if known is not None:
        return known
    since = context.settings.start_date
    if context.limits.max_range:
        since = max(since, await context.now() - context.limits.max_range)
    try:
        rows = (await read_page(context, Query(since=since, until=before, limit=FEW_ROWS))).rows
    except (RefusedError, UnreadableError):  # too wide, or none of them can be read
        return None
    return next((row for row in rows if row.create_time), None)


async def _is_future_crowded(context: ExtractionContext, count: int) -> bool:
    """Return whether the API counts at least `count` jobs in the future of every time zone."""
    try:
        return await context.count(await context.now() + A_DAY_AROUND) >= count
    except (RefusedError, UnreadableError):  # the endpoint refuses this create_since, so it does not ignore it
        return False


class RepeatedJobs:
    """Notices jobs that are listed in many windows, as happens if a filter is ignored."""

    def __init__(self) -> None:
        self._windows_in_a_row: dict[str, int] = {}

    def check(self, context: ExtractionContext, rows: Sequence[Row]) -> None:
        """Add the rows of a window, which must be a neighbor of the one before.

        Raises:
            FiltersIgnoredError: a job is in more windows than their overlap explains.
        """
        before = self._windows_in_a_row
        self._windows_in_a_row = {row.job_id: before.get(row.job_id, 0) + 1 for row in rows}
        if max(self._windows_in_a_row.values(), default=0) > MAX_SHARED:
            raise ignore_filters(context, "create_since or create_until")


def ignore_filters(context: ExtractionContext, name: str) -> FiltersIgnoredError:
    """Remember that a filter is ignored, and return the error that says so."""
    context.learn("filters", IGNORED)
    return _make_error(name)


def _make_error(name: str) -> FiltersIgnoredError:
    return FiltersIgnoredError(
        f"The endpoint ignores {name}: it lists jobs in a window that must be empty.",
        hint="Nothing can be proved complete by windows on this endpoint; report it to the vendor.",
    )
