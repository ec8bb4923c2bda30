"""Remembers what a scan by update time has read, to tell whether the next page overlaps it."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from metastudio.extraction.types import Page
from metastudio.records.parser import Rejected, Row


class PageOverlap:
    """What a scan has read. Its size is bounded, however long the scan is.

    Attributes:
        versions: the update time with which each job was last seen, by its key; only of the first
            and the last rows read.
    """

    def __init__(self, keep: int) -> None:
        self.versions: dict[str, datetime | None] = {}
        self._keep = keep
        self._bottom: datetime | None = None
        self._tied: set[str] = set()
        self._count: int | None = None
        self._last = ""

    def restart(self) -> None:
        """Forget the page read last: the next one does not follow it."""
        self._count, self._last = None, ""

    def is_contiguous(self, page: Page) -> bool:
        """Return whether no unseen job can be above a page: its first job was seen.

        If that job was updated in the second in which the page before ended, nothing may have moved
        between the two pages at all, because the API may order the jobs of one second differently
        each time.
        """
        if page.records and isinstance(page.records[0], Rejected) and page.records[0].key == self._last:
            return True
        if not page.rows or page.rows[0].key not in self.versions:
            return False
        first = page.rows[0]
        if first.updated != self._bottom:
            return True
        again = {row.key for row in page.rows if row.updated == self._bottom and row.key in self._tied}
        return page.count == self._count and again <= {first.key}

    def rewind_rows(self, page: Page, page_size: int) -> int | None:
        """Return how many rows to go back after a page that does not overlap.

        None means back to the top.
        """
        if not page.rows or page.rows[0].key not in self.versions:
            return max(1, page_size - 1)
        return len(self._tied) if len(self._tied) < page_size - 1 else None

    def was_seen(self, page: Page, newest: datetime | None) -> bool:
        """Return whether the previous walk has read everything below a page.

        It has if it saw the last job of the page in the same version. A job that moved up meanwhile
        may be below others of its second: if the last job is as new as `newest`, the whole page
        must have been seen. A job newer than that may have been seen by this walk alone, before it
        read a part again.

        Args:
            newest: the newest update when the previous walk began.
        """
        seen = [
            (row.updated, self.versions.get(row.key) == row.updated) for row in page.rows if row.updated is not None
        ]
        if not seen or newest is None:
            return False
        last, is_known = seen[-1]
        return is_known and (last < newest or (last == newest and all(known for _, known in seen)))

    def add(self, page: Page) -> None:
        """Remember a page, and forget rows that are far from both the top and the bottom."""
        self.versions |= {record.key: record.updated if isinstance(record, Row) else None for record in page.records}
        timed = [row for row in page.rows if row.updated is not None]
        if timed:
            bottom = timed[-1].updated
            follows = bottom == self._bottom and self._count is not None
            self._tied = (self._tied if follows else set()) | {row.key for row in timed if row.updated == bottom}
            self._bottom = bottom
        self._count = page.count
        self._last = page.records[-1].key if page.records else ""
        if len(self.versions) > 3 * self._keep:
            for key in list(islice(self.versions, self._keep, len(self.versions) - self._keep)):
                del self.versions[key]
