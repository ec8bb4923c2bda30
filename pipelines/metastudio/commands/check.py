"""Tells, item by item, whether a sync would work here, and what to do where it would not; writes nothing anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from metastudio.api.client import Client
from metastudio.config.settings import Tenant, resolve_tenant
from metastudio.errors import ConfigurationError, CredentialsError, MetaStudioError, RefusedError, UnavailableError
from metastudio.extraction.sort_order import Order, classify_order, find_order_evidence
from metastudio.extraction.types import Page, Query
from metastudio.source.fetch import make_fetch, open_client

CLOCK_SECONDS = 60
"""A local clock further off is worth a word: signatures are refused from 15 minutes on (`docs/api.md#headers`)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing looked at: fine, or with the error that a sync would meet, or with a limit that it would work around."""

    name: str
    text: str
    error: MetaStudioError | None = None
    is_limit: bool = False

    @property
    def verdict(self) -> str:
        return "FAILED" if self.error else "note" if self.is_limit else "ok"


def check(name: str | None = None) -> Iterator[Item]:
    """Look at one thing after the other, for one tenant; what depends on a failed one is left out."""
    try:
        tenant = resolve_tenant(name)
    except MetaStudioError as error:
        yield Item("configuration", str(error), error)
        return
    yield Item("configuration", f"project {tenant.project_id} in {tenant.region}, {tenant.base_url}")
    with asyncio.Runner() as runner:
        items = _check_api(tenant)
        while (item := runner.run(anext(items, None))) is not None:
            yield item


async def _check_api(tenant: Tenant) -> AsyncIterator[Item]:
    async with open_client(tenant) as client:
        fetch = make_fetch(client, tenant)
        try:
            page = await fetch(Query(since=tenant.start_date, limit=1))
        except MetaStudioError as error:
            yield Item(_name_failure(error), str(error), error)
            return
        yield Item("credentials", f"{type(tenant.credentials).__name__} accepted")
        yield Item("project", f"{page.count:,} jobs since {tenant.start_date:%Y-%m-%d}")
        yield Item("reachability", f"answers after {client.latency_seconds * 1000:,.0f} ms")
        yield _check_clock(page.server_time)
        yield await _check_sorting(client, tenant)
        yield await _check_job_ids(client, tenant, page)
        yield _check_quota(client, tenant)


def _name_failure(error: MetaStudioError) -> str:
    """Say which item an error of the first request belongs to."""
    if isinstance(error, CredentialsError):
        return "credentials"
    if isinstance(error, UnavailableError):
        return "reachability"
    return "project" if isinstance(error, ConfigurationError) else "API"


def _check_clock(server_time: datetime) -> Item:
    seconds = (datetime.now(UTC) - server_time).total_seconds()
    if abs(seconds) <= CLOCK_SECONDS:
        return Item("clock", f"{seconds:+,.0f} s against the server's")
    text = f"{seconds:+,.0f} s against the server's: set this machine's clock (NTP); from 15 minutes on signatures are refused."
    return Item("clock", text, is_limit=True)


async def _check_sorting(client: Client, tenant: Tenant) -> Item:
    try:
        page = await make_fetch(client, tenant)(Query(since=tenant.start_date, sort_key="update_time"))
    except RefusedError:
        order: Order = "disproved"
    else:
        order = classify_order(find_order_evidence(page.rows))
        if page.count <= len(page.records):
            return Item("update_time sorting", "not needed: all jobs fit one page")
    if order == "disproved":
        return Item(
            "update_time sorting", "not kept to: sync will use rescan (docs/extraction.md has its cost).", is_limit=True
        )
    if order == "not proved":
        text = (
            "not proved by the newest 100 jobs: sync looks further, and uses rescan where that proves nothing either."
        )
        return Item("update_time sorting", text, is_limit=True)
    return Item("update_time sorting", "proved")


async def _check_job_ids(client: Client, tenant: Tenant, first: Page) -> Item:
    if not first.rows or first.count < 2:
        return Item("job_ids", "not asked: there are no two jobs to tell apart")
    job_id = first.rows[0].job_id
    page = await make_fetch(client, tenant)(Query(since=tenant.start_date, job_ids=(job_id,)))
    if [row.job_id for row in page.rows] == [job_id]:
        return Item("job_ids", "kept to")
    return Item("job_ids", "ignored: a rescan would ask for open jobs by their creation time instead.", is_limit=True)


def _check_quota(client: Client, tenant: Tenant) -> Item:
    stats = client.counters
    pace = f"{tenant.requests_per_second:g} requests/s"
    if stats.throttled:
        text = (
            f"{stats.throttled} of {stats.requests} requests were throttled at {pace}: somebody else uses this tenant's quota;"
            " lower requests_per_second."
        )
        return Item("quota", text, is_limit=True)
    return Item("quota", f"none of {stats.requests} requests was throttled; pace {pace}")


def show_check(tenants: Sequence[str | None], *, as_json: bool) -> int:
    """Print one line per item and tenant, or one JSON object; give the exit code of the first failure."""
    from metastudio.cli.output import write_json, write_out

    told: list[dict[str, str | None]] = []
    failed: list[MetaStudioError] = []
    for tenant in tenants:
        for item in check(tenant):
            told.append({"name": item.name, "verdict": item.verdict, "text": item.text})
            if tenant:
                told[-1]["tenant"] = tenant
            if item.error:
                failed.append(item.error)
            if not as_json:
                write_out(f"{tenant + ': ' if tenant else ''}{item.verdict:<7} {item.name:<20} {item.text}")
    if as_json:
        write_json({"command": "check", "ok": not failed, "items": told})
    return failed[0].exit_code if failed else 0
