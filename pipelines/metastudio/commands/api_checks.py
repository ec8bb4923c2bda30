"""Checks whether the API answers the requests of `sync` and `audit` as documented.

A request that is not answered as documented is not a failure: the extraction works around such
limits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from metastudio.api.auth import AccessKey, Password, Token
from metastudio.api.client import Client
from metastudio.commands.result import describe_isolation
from metastudio.config.tenant import Tenant
from metastudio.errors import ConfigurationError, CredentialsError, MetaStudioError, RefusedError, UnavailableError
from metastudio.extraction.sort_order import classify_order, find_order_evidence
from metastudio.extraction.types import Page, Query
from metastudio.source.fetch import make_fetch
from metastudio.timestamps import SECOND

CLOCK_SECONDS = 60
"""A larger difference of the clocks is reported. From 15 minutes on, signatures are refused."""

RANGES = (365, 180, 90, 31, 7, 1)
"""Widths of a window, in days, that are tried if the widest one is refused."""

DEPTHS = (9_999, 999)
"""Offsets that are tried if the deepest one is refused."""

MAX_STATES = 6
KINDS: dict[type, str] = {AccessKey: "access key", Token: "token", Password: "password"}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result for one item: ok, a limit that sync works around, or a failure."""

    name: str
    text: str
    error: MetaStudioError | None = None
    is_limit: bool = False

    @property
    def verdict(self) -> str:
        return "FAILED" if self.error else "note" if self.is_limit else "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    text: str = "as documented"
    is_limit: bool = False


def make_limit(text: str) -> Finding:
    """Return a finding for a limit that sync works around."""
    return Finding(text, is_limit=True)


class ApiChecks:
    """The checks of one tenant's API, each of them a few requests."""

    def __init__(self, client: Client, tenant: Tenant) -> None:
        self._client = client
        self._tenant = tenant
        self._since = tenant.start_date
        self._max_days: int | None = None
        self._fetch = make_fetch(client, tenant)

    async def run(self) -> AsyncIterator[CheckResult]:
        """Yield the results. If the first request fails, there is only one."""
        tenant = self._tenant
        try:
            self._first = first = await self._fetch_first()
        except MetaStudioError as error:
            yield CheckResult(name_failure(error), str(error), error)
            return
        yield CheckResult("credentials", f"{KINDS[type(tenant.credentials)]} accepted")
        yield self._describe_project(first)
        yield CheckResult("reachability", f"answers after {self._client.latency_seconds * 1000:,.0f} ms")
        checks: dict[str, Callable[[], Awaitable[Finding]]] = {
            "clock": self._check_clock,
            "isolation": self._check_isolation,
            "count": self._check_count,
            "page size": self._check_page_size,
            "offset": self._check_offset,
            "update_time sorting": self._check_sorting,
            "create_time filters": self._check_filters,
            "window width": self._check_window_width,
            "job_ids": self._check_job_ids,
            "state filter": self._check_states,
            "quota": self._check_quota,
        }
        for name, check in checks.items():
            try:
                finding = await check()
                yield CheckResult(name, finding.text, is_limit=finding.is_limit)
            except MetaStudioError as error:
                yield CheckResult(name, str(error), error)

    def _describe_project(self, first: Page) -> CheckResult:
        tenant, jobs = self._tenant, f"{first.count:,} jobs" if first.is_counted else "jobs"
        text = f"{jobs} since {self._since:%Y-%m-%d}"
        names = [*(["app_user_id"] if tenant.app_user_id else []), *tenant.filters]
        if names and not first.count:
            return CheckResult("project", f"{text}: no job matches {' and '.join(names)}.", is_limit=True)
        return CheckResult("project", text)

    async def _fetch_first(self) -> Page:
        """Return the first page of the whole list, or of as many days as the endpoint lists."""
        try:
            return await self._fetch(Query(since=self._since, limit=self._tenant.page_size))
        except (RefusedError, UnavailableError) as error:
            refused = error
        yesterday = datetime.now(UTC) - timedelta(days=RANGES[-1])
        if refused.status and (recent := await self._ask(Query(since=yesterday, limit=1))):
            for days in RANGES:
                since = recent.server_time - timedelta(days=days)
                if page := await self._ask(Query(since=since, limit=self._tenant.page_size)):
                    self._since, self._max_days = since, days
                    return page
        raise refused

    async def _ask(self, query: Query) -> Page | None:
        """Return the answer, or None if the endpoint refuses the query or does not answer."""
        try:
            return await self._fetch(query)
        except (RefusedError, UnavailableError):
            return None

    async def _check_clock(self) -> Finding:
        seconds = (datetime.now(UTC) - self._first.server_time).total_seconds()
        text = f"{seconds:+,.0f} s compared with the server's"
        if abs(seconds) <= CLOCK_SECONDS:
            return Finding(text)
        return make_limit(f"{text}: set this machine's clock (NTP). From 15 minutes on, signatures are refused.")

    async def _check_isolation(self) -> Finding:
        is_isolated = await self._client.fetch_isolation()
        text = describe_isolation(is_isolated)
        return make_limit(text) if is_isolated else Finding(text)

    async def _check_count(self) -> Finding:
        if self._first.is_counted or not self._first.records:
            return Finding()
        return make_limit(
            "not given: sync loads what is listed, and ends with exit code 5, because nothing proves it complete."
        )

    async def _check_page_size(self) -> Finding:
        received, asked = len(self._first.records), self._tenant.page_size
        if self._first.count <= received:
            return Finding("not needed: all jobs fit one page")
        if received == asked:
            return Finding(f"as documented ({asked})")
        return make_limit(f"limited to {received}: sync takes more requests for the same jobs.")

    async def _check_offset(self) -> Finding:
        deepest = self._first.count - self._tenant.page_size
        if deepest <= 0:
            return Finding("not needed: all jobs fit one page")
        for offset in (deepest, *(depth for depth in DEPTHS if depth < deepest)):
            page = await self._ask(Query(since=self._since, offset=offset, limit=1))
            if page and page.records:
                text = f"as documented (up to {offset:,})" if offset == deepest else ""
                return Finding(text) if text else make_limit(f"limited to {offset + 1:,}: sync reads smaller windows.")
        return make_limit("not as documented: sync reads windows of one page.")

    async def _check_sorting(self) -> Finding:
        refused = make_limit("not as documented: sync reads recent and open jobs again each time (rescan).")
        try:
            page = await self._fetch(Query(since=self._since, sort_key="update_time", limit=self._tenant.page_size))
        except RefusedError:
            return refused
        if page.count <= len(page.records):
            return Finding("not needed: all jobs fit one page")
        order = classify_order(find_order_evidence(page.rows))
        if order == "not proved":
            return make_limit(
                "not proved by the newest jobs: sync looks further, and reads recent and open jobs again each time"
                " (rescan) if that proves nothing either."
            )
        return Finding() if order == "proved" else refused

    async def _check_filters(self) -> Finding:
        newest = next((row for row in self._first.rows if row.create_time), None)
        if newest is None or newest.create_time is None:
            return Finding("not asked: there is no job to look for")
        start = newest.create_time.replace(microsecond=0)
        end = start + SECOND  # the API may keep fractions of a second that it does not show
        page = await self._fetch(Query(since=start, until=end, limit=self._tenant.page_size))
        if any(row.create_time and not start <= row.create_time <= end for row in page.rows):
            return make_limit(
                "not as documented: a window also lists jobs created outside of it. sync takes more requests."
            )
        if page.count > len(page.records) or newest.job_id in {row.job_id for row in page.rows}:
            return Finding()
        return make_limit(
            "not as documented: the newest job is not in the window of its own second. Its times may be of another time zone,"
            " or the end is left out. sync ends with exit code 5 if it cannot prove otherwise."
        )

    async def _check_window_width(self) -> Finding:
        if self._max_days:
            return make_limit(f"limited to {self._max_days} days: sync reads no wider windows.")
        now = self._first.server_time.replace(microsecond=0)
        page = await self._ask(Query(since=self._since, until=now + self._tenant.overlap, limit=1))
        if page is not None:
            return await self._compare_counts(page.count)
        if await self._ask(Query(since=self._since, until=now, limit=1)):
            return make_limit("limited to now: an end in the future is refused, so sync ends its windows at now.")
        for days in RANGES:
            if await self._ask(Query(since=now - timedelta(days=days), until=now, limit=1)):
                return make_limit(f"limited to {days} days: sync reads no wider windows.")
        return make_limit("not as documented: no window is answered. sync cannot read this endpoint.")

    async def _compare_counts(self, count: int) -> Finding:
        """Compare a window of all times with the whole list, before and after it."""
        counts = {self._first.count}
        if count not in counts:
            counts.add((await self._fetch(Query(since=self._since, limit=1))).count)
        if min(counts) <= count <= max(counts):
            return Finding()
        return make_limit(
            f"not as documented: a window of all times has {count:,} jobs, the whole list {max(counts):,}."
            " sync ends with exit code 5 if it cannot prove otherwise."
        )

    async def _check_job_ids(self) -> Finding:
        asked = tuple(row.job_id for row in self._first.rows[:2])
        if len(asked) < 2 or self._first.count <= len(asked):
            return Finding("not asked: there are not enough jobs to tell them apart")
        page = await self._ask(Query(since=self._since, job_ids=asked))
        if page and {row.job_id for row in page.rows} == {*asked}:
            return Finding()
        how = "not as documented" if page else "not as documented (refused)"
        return make_limit(f"{how}: a rescan asks for open jobs by their creation time instead.")

    async def _check_states(self) -> Finding:
        states = sorted({row.state for row in self._first.rows if row.state})[:MAX_STATES]
        unknown = [state for state in states if not await self._can_filter_by(state)]
        if not states:
            return Finding("not asked: there is no job with a state")
        if unknown:
            return make_limit(f"not as documented for {', '.join(unknown)}: audit does not compare these by state.")
        return Finding()

    async def _can_filter_by(self, state: str) -> bool:
        """Return whether the filter finds jobs in this state and no other jobs."""
        page = await self._ask(Query(since=self._since, state=state, limit=1))
        return page is not None and page.count > 0 and all(row.state == state for row in page.rows)

    async def _check_quota(self) -> Finding:
        counters, pace = self._client.counters, self._tenant.requests_per_second
        if not counters.throttled:
            return Finding(f"none of {counters.requests} requests was throttled; pace {pace:g} requests/s")
        return make_limit(
            f"{counters.throttled} of {counters.requests} requests were throttled at {pace:g} requests/s: another program uses"
            " this tenant's quota. Set a lower requests_per_second."
        )


def name_failure(error: MetaStudioError) -> str:
    """Return the item to which an error of the first request belongs."""
    if isinstance(error, CredentialsError):
        return "credentials"
    if isinstance(error, UnavailableError):
        return "reachability"
    return "project" if isinstance(error, ConfigurationError) else "API"
