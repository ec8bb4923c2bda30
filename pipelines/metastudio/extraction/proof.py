"""The proof that a window was read whole, or the reason why there is none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from metastudio.extraction.types import LedgerEntry, Mode, Page, Window
from metastudio.records.parser import Rejected, Row
from metastudio.timestamps import SECOND

NOT_LISTED = "counted, not listed"
NOT_COUNTED = "listed, not counted"
NOT_READABLE = "not readable"
MOVING = "kept moving"
REFUSED = "refused"
TOO_DEEP = "deeper than the endpoint answers"

FEW_MISSING = 5
"""Up to this number, missing jobs are looked for after one pass; a second may bring more."""
MANY_MISSING = 50
"""Up to this number, missing jobs are looked for after further passes."""
MAX_PASSES = 50
"""Maximum number of passes over one window, if each brings jobs that the others did not."""


@dataclass(slots=True, kw_only=True)
class WindowRead:
    """What was read of a window: rows, the entry that proves it whole, and the gaps in it.

    The entry of a window with gaps has the figures of the rest of the window. `rejected` includes
    the records `without_id`. `doubled` has a job once for each time that the list repeats it.
    """

    window: Window
    entry: LedgerEntry
    seen: list[Row]
    rejected: list[Rejected]
    without_id: list[Rejected]
    doubled: list[str] = field(default_factory=list)
    gaps: list[LedgerEntry] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Return whether nothing of the window is missing."""
        return self.entry.complete and not self.gaps

    @property
    def entries(self) -> list[LedgerEntry]:
        return [self.entry, *self.gaps]


class WindowReading:
    """The passes over one window: the jobs found so far, and whether they prove the window whole.

    In a closed window, jobs can vanish but not appear. So equal counts mean that nothing changed,
    and the jobs found by passes with equal counts are added up. It then does no harm that the rows
    of one second change places between passes. In an open window, one job may vanish and another
    appear without a change of the count, so two passes in a row must find the same jobs. A job that
    is listed twice on one page is also counted twice.
    """

    def __init__(self, window: Window, mode: Mode, *, is_closed: bool) -> None:
        self.window = window
        self.entry = LedgerEntry(mode=mode, since=window.since, until=window.until)
        self.is_closed = is_closed
        self.count: int | None = None
        self.skipped = 0
        self.passes = 0
        self._is_one_page = False
        self._brought_more = False
        self._seen: list[Row] = []
        self._rejected: dict[str, Rejected] = {}
        self._without_id: list[Rejected] = []
        self._found: Counter[str] = Counter()
        self._times: dict[str, datetime | None] = {}

    def add(self, pages: list[Page]) -> bool:
        """Add a pass, and return whether it proves the window whole."""
        self.passes += 1
        found: Counter[str] = Counter()
        for page in pages:
            self.entry.add(page)
            self._seen += page.rows
            self._rejected |= {item.key: item for item in page.rejected}
            self._times |= {row.job_id: row.create_time for row in page.rows}
            found |= Counter(row.job_id for row in page.rows)
        counts = {page.count for page in pages if page.is_counted} or {pages[-1].count}
        is_same_count = counts == {self.count}
        is_same = found == self._found and is_same_count
        if self.is_closed and is_same_count:
            found |= self._found
        self._found = found
        self.count = counts.pop() if len(counts) == 1 else None
        self.skipped = sum(page.skipped for page in pages)
        self._without_id = [record for page in pages for record in page.without_id]
        received = sum(len(page.records) for page in pages)
        self.entry.has_holes = received > found.total() + len(self._without_id)
        rows_before, self.entry.rows_read = self.entry.rows_read, found.total() + len(self._without_id)
        self._brought_more = is_same_count and self.entry.rows_read > rows_before
        self._is_one_page = is_one_page = sum(bool(page.records) for page in pages) <= 1
        is_still = self.is_closed or is_same or is_one_page
        self.entry.complete = self.entry.rows_read == self.count and is_still and not self.skipped
        return self.entry.complete

    @property
    def missing(self) -> int:
        """Return the number of jobs counted but not received; negative if more were received."""
        return self.entry.count - self.entry.rows_read

    def create_times(self) -> list[datetime] | None:
        """Return the create_time of each job found, newest first; None if one is unknown."""
        times = [self._times[job_id] for job_id in self._found.elements()]
        known = [time for time in times if time is not None]
        return sorted(known, reverse=True) if len(known) == len(times) and not self._without_id else None

    def is_worth_a_pass(self, tries: int, *, is_part: bool) -> bool:
        """Return whether reading the window once more may bring the proof.

        A closed window on one page does not change, and rows that failed twice stay unreadable. If
        the order of the list is unstable, reading goes on while each pass brings more jobs.
        """
        if self.skipped and self.passes > 1:
            return False
        if self.is_closed and self.count is not None and self._is_one_page and (is_part or self.passes > 1):
            return False
        return self.passes < tries or (self.is_closed and self._brought_more and self.passes < MAX_PASSES)

    @property
    def is_worth_narrowing(self) -> bool:
        """Return whether to look for the places where jobs are missing."""
        if self._is_one_page or self.window.width <= SECOND:
            return False
        few = FEW_MISSING if self.passes == 1 else MANY_MISSING
        return self.is_closed and self.count is not None and 0 < self.missing <= few

    def make_read(self, reason: str | None = None) -> WindowRead:
        """Return what was read. Without the proof, the window is a gap.

        Args:
            reason: why there is no proof; None if the figures of the passes tell.
        """
        if not self.entry.complete:
            self.entry.reason = reason or self._find_reason()
        return WindowRead(
            window=self.window,
            entry=self.entry,
            seen=self._seen,
            rejected=[*self._rejected.values()],
            without_id=self._without_id,
            doubled=[*(self._found - Counter(set(self._found))).elements()],
        )

    def _find_reason(self) -> str:
        if self.skipped:
            return NOT_READABLE
        if self.count is None or not self.missing:
            return MOVING
        return NOT_LISTED if self.missing > 0 else NOT_COUNTED
