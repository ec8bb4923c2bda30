"""Reads the pages of one window, and around rows that cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Any

from metastudio.errors import RefusedError, UnavailableError
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.types import Page, Query, UnreadableError

QUICK_ATTEMPTS = 2
"""The number of attempts for each part of a page that was not answered as a whole."""
MAX_QUESTIONS = 60
"""The most requests for one page. Reading around three unreadable rows takes about 40."""


class TooDeepError(Exception):
    """The endpoint refuses an offset, though it answers the window's first page."""


async def read_page(context: ExtractionContext, query: Query) -> Page:
    """Read a page. If it is not answered, leave out the rows that cause this.

    Raises:
        TooDeepError: the offset is refused; the limit is remembered.
        RefusedError: the query is refused at offset 0.
        UnreadableError: not one row of the page can be read.
    """
    try:
        return await context.fetch(query)
    except UnreadableError:
        if query.limit == 1:
            raise
    except RefusedError as error:
        if not query.offset:
            raise
        context.learn("max_offset", query.offset)
        raise TooDeepError from error
    return await _read_around(context, query)


async def _read_around(context: ExtractionContext, query: Query) -> Page:
    """Halve a page down to the rows that cannot be read, and leave those out."""
    pages: dict[int, Page] = {}
    skipped: list[Query] = []
    parts = [query]
    for _ in range(MAX_QUESTIONS):
        if not parts:
            break
        part = parts.pop()
        try:
            page = await context.try_fetch(replace(part, attempts=QUICK_ATTEMPTS))
        except (UnavailableError, RefusedError):
            if part.limit == 1:
                skipped.append(part)
            else:
                parts += _halve(part)
            continue
        pages[part.offset] = page
        received = len(page.records)
        if 0 < received < part.limit and part.offset + received < page.count:  # the server caps its pages
            parts.append(replace(part, offset=part.offset + received, limit=part.limit - received))
    rest = skipped + parts
    for part in skipped:
        try:  # the endpoint may have been down for a moment
            pages[part.offset] = await context.fetch(part)
            rest.remove(part)
        except (UnreadableError, RefusedError):
            continue
    return _join(pages, rest)


def _halve(query: Query) -> list[Query]:
    """Return the second and the first half of a page."""
    half = query.limit // 2
    return [
        replace(query, offset=query.offset + half, limit=query.limit - half),
        replace(query, limit=half),
    ]


def _join(parts: dict[int, Page], skipped: list[Query]) -> Page:
    """Join the parts of a page, by their offsets, without the rows that were skipped.

    If the list moved between two parts, at least one row may have been missed.
    """
    if not parts:
        raise UnreadableError("A page of jobs cannot be read, not even row by row.")
    pages = [parts[offset] for offset in sorted(parts)]
    end = max(offset + len(page.records) for offset, page in parts.items())
    return replace(
        pages[-1],
        records=[record for page in pages for record in page.records],
        noted={job_id: item for page in pages for job_id, item in page.noted.items()},
        requests=sum(page.requests for page in pages),
        retries=sum(page.retries for page in pages),
        throttled=sum(page.throttled for page in pages),
        skipped=sum(part.limit for part in skipped) or len({page.count for page in pages}) - 1,
        skipped_at_end=sum(part.limit for part in skipped if part.offset >= end),
    )


async def read_rest(context: ExtractionContext, query: Query, first: Page) -> list[Page]:
    """Read what follows the first page, in pages as large as the first one.

    A server may cap its pages. If the last page is full under that cap, reading continues, to
    reveal a count that is too low.

    Raises:
        TooDeepError: the endpoint does not go that deep.
    """
    step = len(first.records) + first.skipped
    if not step:
        return []
    if step < min(first.count, query.limit):
        context.page_cap = max(step, context.page_cap or 0)
    spans = await _gather_or_cancel(
        _read_span(
            context,
            replace(query, offset=offset),
            first,
            min(offset + step, first.count),
            last=offset + step >= first.count,
        )
        for offset in range(step, first.count, step)
    )
    pages = [page for span in spans for page in span]
    if first.count <= step and step in (query.limit, context.page_cap):
        pages += await _read_span(context, replace(query, offset=step), first, step + 1, last=True)
    return pages


async def _gather_or_cancel(pages: Iterable[Coroutine[Any, Any, list[Page]]]) -> list[list[Page]]:
    """Return the results of all tasks. The first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(each) for each in pages]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in running]


async def _read_span(context: ExtractionContext, query: Query, first: Page, end: int, *, last: bool) -> list[Page]:
    """Read from the query's offset to `end`, stepping by the rows received, until none come."""
    pages: list[Page] = []
    full = False
    while query.offset < end or (last and full):
        try:
            page = await read_page(context, query)
        except UnreadableError:  # not one row of the page
            page = replace(first, records=[], noted={}, skipped=max(1, min(query.limit, first.count - query.offset)))
        received = len(page.records) + page.skipped
        if received or page.count:  # an empty page may have no count
            pages.append(page)
        if not received:
            break
        full = received in (query.limit, context.page_cap)
        if not last:
            page.records = page.records[: end - query.offset]
        query = replace(query, offset=query.offset + received)
    return pages
