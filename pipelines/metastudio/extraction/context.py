"""The context of one run: its settings, what it learns, and the only clock that it trusts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from metastudio.errors import RefusedError, UnavailableError
from metastudio.extraction.gaps import update_gaps
from metastudio.extraction.limits import NOT_GIVEN, UNCOUNTED, EndpointLimits
from metastudio.extraction.state import Gap, State, count_missing
from metastudio.extraction.types import Chunk, Emit, ExtractionSettings, Fetch, LoadedJobs, Page, Query, UnreadableError
from metastudio.timestamps import SECOND

ATTEMPTS = 3
"""The number of attempts for a query before a test whether the endpoint answers at all."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SMALL_QUESTION = Query(since=EPOCH, until=EPOCH + SECOND, limit=1)
"""A window without jobs. An endpoint that answers at all answers this query."""


class ExtractionContext:
    """One run: its settings, its fetch function, the server's clock, learned limits, open gaps.

    Args:
        sleep: waits for a number of seconds.
        is_one_package: whether nothing is loaded before the run has ended.

    Attributes:
        unloaded: the jobs that were read and not loaded yet, if the run is one package.
    """

    def __init__(
        self,
        fetch: Fetch,
        loaded: LoadedJobs,
        settings: ExtractionSettings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        is_one_package: bool = False,
    ) -> None:
        self._fetch = fetch
        self.loaded = loaded
        self.settings = settings
        self.sleep = sleep
        self.server_now: datetime | None = None
        self.limits = EndpointLimits()
        self.gaps: list[Gap] = []
        self.largest_count = 0
        self.whole_count: int | None = None
        self.not_rows = 0
        self.page_cap: int | None = None
        self.filters_verified = False
        self.is_one_package = is_one_package
        self.unloaded: set[str] = set()
        self.has_rejected = False
        self._small_questions = 0
        self._asking = asyncio.Lock()

    def track(self, state: State, emit: Emit) -> Emit:
        """Begin a run, and return a function that passes its chunks on.

        The state of each chunk gets what the run then knows about gaps and limits.
        """
        self.gaps = list(state.get("gaps", []))
        self.limits = EndpointLimits.of(state)
        self.has_rejected = state.get("rejected", False)

        async def complete_and_emit(chunk: Chunk) -> None:
            await self._complete(chunk)
            await emit(chunk)

        return complete_and_emit

    async def _complete(self, chunk: Chunk) -> None:
        """Learn about gaps from a chunk, and add what is known about gaps and limits to it."""
        if self.is_one_package:
            self.unloaded.update(row.job_id for row in chunk.rows)
        self.has_rejected |= bool(chunk.rejected)
        if self.has_rejected or "rejected" in chunk.state:
            chunk.state["rejected"] = self.has_rejected
        if chunk.windows:
            self.gaps = update_gaps(self.gaps, chunk.windows, await self.now())
        for entry in chunk.windows:
            entry.open_gaps, entry.missing = len(self.gaps), count_missing(self.gaps)
            if self.limits.is_uncounted:
                entry.complete, entry.reason = False, UNCOUNTED
        for name, value in (
            ("gaps", self.gaps),
            ("limits", self.limits.values),
            ("limits_learned_at", self.limits.learned_at),
        ):
            if value or name in chunk.state:
                chunk.state[name] = value.copy()  # type: ignore[literal-required]

    async def fetch(self, query: Query) -> Page:
        """Fetch a page.

        An unanswered query is given up only if the endpoint answers another one. If the endpoint is
        down, the run waits for it, up to retry_seconds.

        Raises:
            RefusedError: the endpoint refuses the query.
            UnreadableError: the endpoint answers, but not this query.
            UnavailableError: the endpoint does not answer at all.
        """
        for _ in range(2):
            try:
                return await self.try_fetch(replace(query, attempts=ATTEMPTS))
            except UnavailableError as error:
                failure = error
                await self.require_answers()
        raise UnreadableError(
            failure.message, hint=failure.hint, code=failure.code, request_id=failure.request_id
        ) from failure

    async def try_fetch(self, query: Query) -> Page:
        """Fetch a page without a test whether the endpoint answers at all.

        Raises:
            RefusedError: the endpoint refuses the query.
            UnavailableError: the query was not answered.
        """
        page = await self._fetch(query)
        if self.server_now is None:
            self.limits.forget_old(page.server_time)
        if not page.is_counted and not self.limits.is_uncounted:
            page = await self._fetch(query)  # a gateway may leave out the count once
            if not page.is_counted:
                self.limits.learn("count", NOT_GIVEN, page.server_time)
        now = page.server_time.replace(microsecond=0)
        self.server_now = min(self.server_now or now, now)  # a single wrong clock does no harm: earlier is safer
        self.largest_count = max(self.largest_count, page.count)
        return page

    async def now(self) -> datetime:
        """Return the server's time at the run's first answer; ask for one if there is none yet."""
        if self.server_now is None:
            await self.require_answers()
        assert self.server_now is not None
        return self.server_now

    async def closed_until(self) -> datetime:
        """Return the time before which no job can appear any more."""
        return await self.now() - self.settings.overlap - SECOND

    async def count(self, since: datetime, until: datetime | None = None, state: str | None = None) -> int:
        """Return how many jobs the API counts in a range of creation times."""
        query = Query(since=since, until=until, state=state, limit=1)
        for offset in (0, max(self.largest_count, self.settings.page_size)):
            try:
                return (await self.fetch(replace(query, offset=offset))).count
            except UnreadableError as error:  # the first job cannot be read: ask for an offset after all jobs
                failure = error
        raise failure

    def learn(self, name: str, value: str | int) -> None:
        """Remember a limit of the endpoint."""
        assert self.server_now is not None
        self.limits.learn(name, value, self.server_now)

    async def require_answers(self) -> None:
        """Wait until the endpoint answers a query for an empty window.

        Raises:
            UnavailableError: the endpoint did not answer within retry_seconds.
            RefusedError: the endpoint refuses even this query.
        """
        asked_before = self._small_questions
        async with self._asking:
            if self._small_questions == asked_before:  # otherwise another task asked meanwhile
                await self.try_fetch(SMALL_QUESTION)
                self._small_questions += 1


async def find_max_range(context: ExtractionContext, refusal: RefusedError | UnavailableError) -> timedelta:
    """Find the width of the widest window that is answered, and remember it.

    Raises:
        RefusedError, UnavailableError: `refusal`, if not even the window of a day is answered.
    """
    try:
        now = await context.now()
    except RefusedError:  # nothing is answered at all
        raise refusal from None
    refused = (now - context.settings.start_date).days
    answered = refused // 2
    while answered and not await is_width_answered(context, timedelta(days=answered)):
        refused, answered = answered, answered // 2
    if not answered:
        raise refusal
    while isinstance(refusal, RefusedError) and refused - answered > 1:  # a refusal is quick, a time-out is not
        middle = (answered + refused) // 2
        if await is_width_answered(context, timedelta(days=middle)):
            answered = middle
        else:
            refused = middle
    context.learn("max_range_days", answered)
    return timedelta(days=answered)


async def is_width_answered(context: ExtractionContext, width: timedelta) -> bool:
    """Return whether a window of this width is answered.

    An answer at a later offset is enough, because the newest jobs may be unreadable.
    """
    now = await context.now()
    for offset in (0, context.settings.page_size):
        try:
            await context.try_fetch(Query(since=now - width, until=now, offset=offset, limit=1, attempts=1))
        except RefusedError:
            return False
        except UnavailableError:
            continue
        return True
    return False
