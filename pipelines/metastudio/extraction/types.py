"""What the extraction speaks with: queries go out, pages come back, chunks are handed on.

The extraction knows the API through one `Fetch` function and a row through five of its attributes. It knows neither HTTP nor dlt, and the
only clock it knows is the server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, TypedDict, TypeVar

from metastudio.records.parser import Rejected, Row
from metastudio.timestamps import LAST_DAY, SECOND, format_time

T = TypeVar("T")

Mode = Literal["backfill", "changes", "rescan", "reread", "scrub", "audit"]


class Window(NamedTuple):
    """A closed range of create_time, both ends on whole seconds, UTC. Neighbours share their boundary second."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{format_time(self.since)} to {format_time(self.until)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One request for a page of jobs; the settings' filters are added where the query becomes a request."""

    since: datetime
    until: datetime | None = None
    offset: int = 0
    limit: int = 100
    sort_key: Literal["create_time", "update_time"] = "create_time"
    state: str | None = None
    job_ids: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Page:
    """One answer: the API's `count`, the records in the order in which they came, and what it took to get them.

    `records` holds one item for each job received: a row, or a rejected record that takes the place of one. `noted` holds, by job_id,
    the records whose row had to leave something out.
    """

    count: int
    records: list[Row | Rejected]
    noted: dict[str, Rejected] = field(default_factory=dict)
    server_time: datetime
    requests: int = 1
    retries: int = 0
    throttled: int = 0

    @property
    def rows(self) -> list[Row]:
        return [record for record in self.records if isinstance(record, Row)]

    @property
    def rejected(self) -> list[Rejected]:
        return [*self.noted.values(), *(record for record in self.records if isinstance(record, Rejected))]


Fetch = Callable[[Query], Awaitable[Page]]


class LoadedJobs(Protocol):
    """What the destination holds, as far as the protocol asks."""

    async def open_jobs(self, before: datetime) -> Sequence[tuple[str, datetime | None]]:
        """Give job_id and create_time of the live jobs created before a time (or at an unknown one) that were not settled."""
        ...

    async def inversion(self) -> int | None:
        """Give a place that can prove the order: in the live jobs by descending update time, the place of one created after the one
        before it, and updated before it, too; None where none is.
        """
        ...

    async def counts(self, since: datetime | None = None) -> dict[str | None, int]:
        """Count the live jobs by state: those whose create_time is shown at `since` or later, or unknown; or all of them."""
        ...

    async def states(self, since: datetime, before: datetime) -> dict[str, str | None]:
        """Return the state of each live job whose create_time is in [since, before), by job_id."""
        ...

    async def changed(self, rows: Sequence[Row]) -> list[Row]:
        """Return those rows that are not loaded exactly as they are here."""
        ...

    async def nth_created(self, before: datetime, place: int) -> datetime | None:
        """Return the create_time of the job at a place, from 1, among the live jobs created before
        a time, newest first; None where there are fewer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSettings:
    """The settings of the protocol; `docs/configuration.md` has their meaning.

    Args:
        tries: how often a window is read before it is split, or is kept as a gap.
        scrub: how long it takes to read all of the history once more; zero turns scrubbing off.
    """

    start_date: datetime
    overlap: timedelta = timedelta(minutes=10)
    rescan: timedelta = timedelta(days=30)
    max_rows_per_window: int = 2_000
    chunk_rows: int = 50_000
    page_size: int = 100
    max_concurrency: int = 16
    tries: int = 5
    scrub: timedelta = timedelta(days=30)
    max_reread_requests: int = 2_000
    max_deleted_share: float = 0.1

    @property
    def lookahead(self) -> int:
        """How many windows are read at a time: enough for `max_concurrency` requests, though a window begins with one, but no more than
        make a chunk.
        """
        enough = min(
            self.max_concurrency, max(10, 2 * self.max_concurrency * self.page_size // self.max_rows_per_window)
        )
        return max(2, min(enough, self.chunk_rows // self.max_rows_per_window))


class Progress(TypedDict, total=False):
    """The backfill's place: read from `done_since` on, up to `snapshot_at`."""

    snapshot_at: str
    done_since: str


class Gap(TypedDict):
    """A window that could not be read whole, or not be proved to be; times as text.

    Attributes:
        count: the number of jobs that the API counts in the window.
        rows_read: the number of different jobs that came.
        reason: why the window is a gap: "counted, not listed", "not readable", "kept moving", …
        found_at: when the gap was found.
        tries: how often it was asked for again.
        next_try_at: when a sync asks for it again.
    """

    since: str
    until: str
    count: int
    rows_read: int
    reason: str
    found_at: str
    tries: int
    next_try_at: str


class State(TypedDict, total=False):
    """What a pipeline remembers between runs; plain JSON, times as text, bounded in size.

    `watermark_at` is the server's time when the watermark got its value; `settled` says that the changes up to the watermark were read
    once more at least `overlap` later. `update_time_sorting` is what was last learned; where it was not proved, at `sorting_asked_at`.
    """

    identity: dict[str, str | None]
    schema_version: int
    backfill: Progress
    watermark: str
    watermark_at: str
    settled: bool
    update_time_sorting: Literal["proved", "not proved", "disproved"]
    sorting_asked_at: str
    gaps: list[Gap]


def count_missing(state: State) -> int:
    """Return how many jobs are missing in all open gaps; an unproved gap misses at least one."""
    return sum(max(1, gap["count"] - gap["rows_read"]) for gap in state.get("gaps", []))


@dataclass(slots=True, kw_only=True)
class LedgerEntry:
    """A line of the ledger: what was asked, and the figures that prove it whole or not."""

    mode: Mode
    since: datetime
    until: datetime
    count: int = 0
    rows_read: int = 0
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    complete: bool = False
    reason: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def add(self, page: Page) -> None:
        """Count an answer in."""
        self.count = page.count
        self.requests += page.requests
        self.retries += page.retries
        self.throttled += page.throttled
        self.started_at = min(self.started_at or page.server_time, page.server_time)
        self.finished_at = max(self.finished_at or page.server_time, page.server_time)


@dataclass(slots=True, kw_only=True)
class Chunk:
    """What is loaded and committed together with the state that holds once it is.

    Args:
        rows: each job once, in the newest version read.
        seen: every version read, for the history of states.
        vanished: job_ids that the API no longer shows, with the server's time of that finding.
        expected_rows: the number of jobs that the run is going to read, where it is known.
    """

    mode: Mode
    rows: list[Row] = field(default_factory=list)
    seen: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    windows: list[LedgerEntry] = field(default_factory=list)
    vanished: list[tuple[str, datetime]] = field(default_factory=list)
    state: State
    expected_rows: int | None = None


class ExtractionContext:
    """One run over the API: its limits, its fetch function, its first look at the server's clock."""

    def __init__(self, fetch: Fetch, known: LoadedJobs, limits: ExtractionSettings) -> None:
        self._fetch = fetch
        self.known = known
        self.settings = limits
        self.server_now: datetime | None = None
        self.filters_checked = False
        self._newest_shown = limits.start_date

    async def fetch(self, query: Query) -> Page:
        """Fetch a page; the first answer of the run sets `server_now`."""
        page = await self._fetch(query)
        if self.server_now is None:
            self.server_now = page.server_time.replace(microsecond=0)
        if query.until is None:
            self._newest_shown = max([row.create_time for row in page.rows if row.create_time] + [self._newest_shown])
        return page

    async def newest(self) -> datetime:
        """Give the end of a range that holds all there is: `overlap` ahead, because the vendor's nodes may disagree on the time, or where
        a job shows a creation further ahead, just behind that. The first answer of a run begins with the job created last.
        """
        ahead = await self.now() + self.settings.overlap
        return max(ahead, min(self._newest_shown, LAST_DAY).replace(microsecond=0) + SECOND)

    async def now(self) -> datetime:
        """Give the server's time at the run's first answer; asks for one where none came yet."""
        if self.server_now is None:
            await self.fetch(Query(since=self.settings.start_date, limit=1))
        assert self.server_now is not None
        return self.server_now


def newest_versions(rows: Iterable[Row]) -> list[Row]:
    """Keep each job once: its newest version, and of equal ones the one read last."""
    newest: dict[str, Row] = {}
    for row in rows:
        held = newest.get(row.job_id)
        if held is None or row.updated is None or held.updated is None or row.updated >= held.updated:
            newest[row.job_id] = row
    return list(newest.values())


async def gather_or_cancel(tasks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all at once; the first failure cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(task) for task in tasks]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in running]


def set_watermark(watermark: datetime, now: datetime) -> State:
    """Give the part of the state that a watermark set at `now` is."""
    return {"watermark": format_time(watermark), "watermark_at": format_time(now), "settled": False}
