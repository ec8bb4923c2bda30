"""The vocabulary of the extraction: windows, queries, pages, ledger entries, chunks.

The extraction knows the API through one `Fetch` function and a row through a few attributes. It
knows neither HTTP nor dlt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from metastudio.errors import UnavailableError
from metastudio.extraction.state import State
from metastudio.records.parser import Rejected, Row
from metastudio.timestamps import format_time

Mode = Literal["backfill", "changes", "rescan", "reread", "gap", "scrub", "audit"]

OPEN_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The end of a window without an end: the query has no create_until."""


class Window(NamedTuple):
    """A closed range of create_time, both ends on whole seconds, UTC.

    Neighbors share their boundary second: `[a, b]` then `[b+1s, c]` would lose a row of b+0.4s.
    """

    since: datetime
    until: datetime

    @property
    def width(self) -> timedelta:
        return self.until - self.since

    def __str__(self) -> str:
        until = "now" if self.until == OPEN_END else format_time(self.until)
        return f"{format_time(self.since)} to {until}"


class UnreadableError(UnavailableError):
    """The endpoint answers, but not this query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query for a page of jobs. The filters in the settings are added when the request is made.

    Attributes:
        attempts: the number of attempts for the request; None for as many as retry_seconds allows.
    """

    since: datetime
    until: datetime | None = None
    offset: int = 0
    limit: int = 100
    sort_key: Literal["create_time", "update_time"] = "create_time"
    state: str | None = None
    job_ids: tuple[str, ...] = ()
    attempts: int | None = None


@dataclass(slots=True, kw_only=True)
class Page:
    """One answer: the API's `count`, the records in the order in which they came, and its cost.

    `records` holds one item for each job received: a row, or a rejected record in place of one.
    `noted` holds, by job_id, the records whose row lacks a field that is not as documented.
    `skipped` is the number of rows that could not be read, `skipped_at_end` of those behind the
    last record. If `is_counted` is False, the API did not count: then `count` is the number of jobs
    up to the end of the page, and one more if the page is full.
    """

    count: int
    records: list[Row | Rejected]
    noted: dict[str, Rejected] = field(default_factory=dict)
    server_time: datetime
    requests: int = 1
    retries: int = 0
    throttled: int = 0
    skipped: int = 0
    skipped_at_end: int = 0
    is_counted: bool = True

    @property
    def rows(self) -> list[Row]:
        return [record for record in self.records if isinstance(record, Row)]

    @property
    def rejected(self) -> list[Rejected]:
        return [*self.noted.values(), *self.without_id]

    @property
    def without_id(self) -> list[Rejected]:
        return [record for record in self.records if isinstance(record, Rejected)]


Fetch = Callable[[Query], Awaitable[Page]]


class Books(NamedTuple):
    """The size of what the destination holds.

    Attributes:
        live: jobs that are not marked as deleted, created since `start_date` or at an unknown time.
        older: jobs that are not marked as deleted and show an earlier creation.
        doubled: rows beyond one for each job; 0 if they were not counted.
    """

    live: int
    older: int
    doubled: int


class LoadedJobs(Protocol):
    """What the protocol needs to know about the jobs in the destination."""

    async def books(self, since: datetime, expected: int | None) -> Books:
        """Count the jobs, and the rows beyond one for each job.

        In a large table, these rows are counted only if it has more live jobs than `expected`.

        Args:
            since: the start_date.
        """
        ...

    async def doubled(self) -> Sequence[tuple[str, datetime | None]]:
        """Return job_id and create_time of the jobs that have more than one row.

        The create_time is None for jobs that are marked as deleted.
        """
        ...

    async def count_new(self, job_ids: Sequence[str]) -> int:
        """Count the jobs that have no live row."""
        ...

    async def open_jobs(self, before: datetime) -> Sequence[tuple[str, datetime | None]]:
        """Return job_id and create_time of the live jobs that are not in a terminal state.

        Only jobs created before a time, or at an unknown time, are included.
        """
        ...

    async def inversion(self) -> int | None:
        """Return a position in the list that can prove its order, or None.

        Among the live jobs by descending update time, it is that of a job that was created after
        the job before it.
        """
        ...

    async def counts(self, since: datetime | None = None) -> dict[str | None, int]:
        """Count the live jobs by state; `since` leaves out those known to be older."""
        ...

    async def states(self, since: datetime, before: datetime) -> dict[str, str | None]:
        """Return the state of each live job created in [since, before), by job_id."""
        ...

    async def changed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that differ from the loaded ones, or whose job is loaded twice."""
        ...

    async def nth_created(self, before: datetime, place: int) -> datetime | None:
        """Return the create_time of a live job by its place, or None if there are fewer jobs.

        The live jobs created before a time are counted from 1, newest first.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSettings:
    """The settings of the protocol; `docs/configuration.md` has their meaning.

    Args:
        tries: how often a window is read before it is split, or kept as a gap.
        scrub: how long it takes to read all of the history once more; zero turns scrubbing off.
        max_reread_requests: what one sync may spend on reading everything again.
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
        """Return the number of windows that are read at the same time.

        They keep `max_concurrency` requests busy, although each window begins with a single
        request. They have no more jobs than a chunk.
        """
        enough = min(
            self.max_concurrency, max(10, 2 * self.max_concurrency * self.page_size // self.max_rows_per_window)
        )
        return max(2, min(enough, self.chunk_rows // self.max_rows_per_window))


@dataclass(slots=True, kw_only=True)
class LedgerEntry:
    """A line of the ledger: what was asked for, and the figures that prove it whole or not.

    Attributes:
        rows_changed: the number of jobs that were new or differed from the destination; None if the
            rows were not compared.
        is_window: whether since and until are a window of create_time that was asked for as such.
        open_gaps: the number of gaps that are open once this line is committed.
        missing: the number of jobs that are missing in them.
        has_holes: whether more rows were received than there are jobs. If hidden rows keep their
            places, a page may have fewer rows than its limit, and the next page repeats the last.
    """

    mode: Mode
    since: datetime
    until: datetime
    count: int = 0
    rows_read: int = 0
    rows_changed: int | None = None
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    complete: bool = False
    reason: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    is_window: bool = True
    open_gaps: int = 0
    missing: int = 0
    has_holes: bool = False

    def add(self, page: Page) -> None:
        """Add the figures of an answer."""
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
        vanished: job_ids that the API no longer shows, with the server's time when that was found.
        doubled: job_ids with several rows in the destination, of which one is to stay.
        lacking: the number of jobs that the destination turned out to have lost.
        expected_rows: the number of jobs that the run is going to read, if it is known.
    """

    mode: Mode
    rows: list[Row] = field(default_factory=list)
    seen: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    windows: list[LedgerEntry] = field(default_factory=list)
    vanished: list[tuple[str, datetime]] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    lacking: int = 0
    state: State
    expected_rows: int | None = None


Emit = Callable[[Chunk], Awaitable[None]]
"""A function that takes a chunk, and returns when reading may continue."""


def newest_versions(rows: Iterable[Row]) -> list[Row]:
    """Keep each job once: its newest version, and of equally new ones the one read last."""
    newest: dict[str, Row] = {}
    for row in rows:
        other = newest.get(row.job_id)
        if other is None or row.updated is None or other.updated is None or row.updated >= other.updated:
            newest[row.job_id] = row
    return list(newest.values())
