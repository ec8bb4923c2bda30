"""Connects the extraction to the API.

A query becomes a request. An answer becomes a page of rows and rejected records.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from metastudio.api.client import Client
from metastudio.api.rate_limiter import find_rate_limiter
from metastudio.api.responses import JobsPage
from metastudio.config.tenant import Tenant
from metastudio.extraction.types import Fetch, Page, Query
from metastudio.records.parser import Rejected, Row, RowParser
from metastudio.timestamps import format_time


@asynccontextmanager
async def open_client(tenant: Tenant) -> AsyncIterator[Client]:
    """Open the client of a tenant.

    All runs of a tenant in this process share one rate limiter.
    """
    rate_limiter = find_rate_limiter(
        (tenant.base_url, tenant.project_id), tenant.requests_per_second, tenant.max_concurrency
    )
    async with Client(
        base_url=tenant.base_url,
        project_id=tenant.project_id,
        credentials=tenant.credentials,
        rate_limiter=rate_limiter,
        iam_base_url=tenant.iam_base_url,
        app_user_id=tenant.app_user_id,
        timeout_seconds=tenant.request_timeout_seconds,
        retry_seconds=tenant.retry_seconds,
    ) as client:
        yield client


def make_fetch(client: Client, tenant: Tenant) -> Fetch:
    """Return the fetch function that the extraction uses."""
    parser = RowParser(keep_signed_urls=tenant.keep_signed_urls, app_user_id=tenant.app_user_id)

    async def fetch(query: Query) -> Page:
        answer = await client.fetch_jobs(make_params(query, tenant), max_attempts=query.attempts)
        return make_page(answer, query, parser)

    return fetch


def make_params(query: Query, tenant: Tenant) -> dict[str, str | Sequence[str]]:
    """Return the parameters of the request for a query, with the tenant's filters."""
    params: dict[str, str | Sequence[str]] = {
        **tenant.filters,
        "offset": str(query.offset),
        "limit": str(query.limit),
        "sort_key": query.sort_key,
        "sort_dir": "desc",
        "create_since": format_time(query.since),
    }
    if query.until is not None:
        params["create_until"] = format_time(query.until)
    if query.state is not None:
        params["state"] = query.state
    if query.job_ids:
        params["job_ids"] = query.job_ids
    return params


def make_page(answer: JobsPage, query: Query, parser: RowParser) -> Page:
    """Return the page that an answer to a query becomes.

    If the API does not count, the count is the number of jobs up to the end of the page, and one
    more if the page is full.
    """
    at_least = query.offset + len(answer.jobs) + (len(answer.jobs) == query.limit)
    records: list[Row | Rejected] = []
    noted: dict[str, Rejected] = {}
    for job in answer.jobs:
        row, problems = parser.parse(job)
        if problems is not None:
            rejected = parser.make_rejected(job, problems, answer.request_id, answer.server_time)
            if row is None:
                records.append(rejected)
                continue
            noted[row.job_id] = rejected
        assert row is not None
        records.append(row)
    return Page(
        count=at_least if answer.count is None else answer.count,
        is_counted=answer.count is not None,
        records=records,
        noted=noted,
        server_time=answer.server_time,
        requests=answer.counters.requests,
        retries=answer.counters.retries,
        throttled=answer.counters.throttled,
    )
