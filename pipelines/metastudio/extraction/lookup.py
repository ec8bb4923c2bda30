"""Asks for single jobs by their ID, where no window tells whether they are gone."""

from __future__ import annotations

from collections.abc import Sequence

from metastudio.errors import RefusedError
from metastudio.extraction.context import EPOCH, ExtractionContext
from metastudio.extraction.filters import OTHER_ZONE
from metastudio.extraction.types import Query, UnreadableError

MAX_LOOKUPS = 50
"""Number of jobs asked for one by one; more are left to where windows tell."""


async def find_gone(context: ExtractionContext, job_ids: Sequence[str], listed: Sequence[str]) -> set[str]:
    """Return the jobs that are not listed any more, where the filters read times in another zone.

    Each is asked for alone, which is the same in every form of job_ids. The answer is believed only
    of an endpoint that finds a job known to be `listed`.
    """
    is_shifted = context.limits.values.get("filters") == OTHER_ZONE
    if not is_shifted or not listed or not 0 < len(job_ids) <= MAX_LOOKUPS:
        return set()
    if await _find_by_id(context, listed[0]) != {listed[0]}:
        return set()
    return {job_id for job_id in job_ids if await _find_by_id(context, job_id) == set()}


async def _find_by_id(context: ExtractionContext, job_id: str) -> set[str] | None:
    """Return the jobs of the answer to a question for one; None where there is no answer."""
    query = Query(since=EPOCH, limit=2, job_ids=(job_id,))
    try:
        page = await context.fetch(query)
    except (RefusedError, UnreadableError):
        return None
    return {row.job_id for row in page.rows} if len(page.rows) == page.count else None
