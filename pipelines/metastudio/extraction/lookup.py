"""Looks up single jobs by ID, if no window shows whether they are gone."""

from __future__ import annotations

from collections.abc import Sequence

from metastudio.errors import RefusedError
from metastudio.extraction.context import EPOCH, ExtractionContext
from metastudio.extraction.filters import OTHER_ZONE
from metastudio.extraction.types import Query, UnreadableError

MAX_LOOKUPS = 50
"""The maximum number of jobs that are looked up one by one. If there are more, none is."""


async def find_gone(context: ExtractionContext, job_ids: Sequence[str], listed: Sequence[str]) -> set[str]:
    """Return the jobs that are not listed any more, if the filters read times in another zone.

    Each request asks for one job, because endpoints differ in how they read several job_ids. The
    answers count only if the endpoint finds a job that is known to be listed.

    Args:
        job_ids: the jobs that may be gone.
        listed: jobs that the API has just listed.
    """
    is_shifted = context.limits.filters == OTHER_ZONE
    if not is_shifted or not listed or not 0 < len(job_ids) <= MAX_LOOKUPS:
        return set()
    if await _find_by_id(context, listed[0]) != {listed[0]}:
        return set()
    return {job_id for job_id in job_ids if await _find_by_id(context, job_id) == set()}


async def _find_by_id(context: ExtractionContext, job_id: str) -> set[str] | None:
    """Return the jobs in the answer to a query for one job, or None if the answer is no proof."""
    query = Query(since=EPOCH, limit=2, job_ids=(job_id,))
    try:
        page = await context.fetch(query)
    except (RefusedError, UnreadableError):
        return None
    return {row.job_id for row in page.rows} if len(page.rows) == page.count else None
