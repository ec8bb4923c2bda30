"""Scans for changes in later runs, down to the watermark (`docs/extraction.md#later-syncs`).

The scan trusts nothing. A page must begin with a job that was already seen. The rows must show that
the list is ordered by update time and not by creation time. A list of several pages is read once
more from the top. `sync` decides what to do if that fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from metastudio.errors import MetaStudioError, RefusedError
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.limits import ASK_AGAIN
from metastudio.extraction.page_overlap import PageOverlap
from metastudio.extraction.pages import TooDeepError, read_page
from metastudio.extraction.proof import NOT_READABLE
from metastudio.extraction.sort_order import Order, OrderEvidence, classify_order, find_order_evidence
from metastudio.extraction.state import State, count_missing, set_watermark
from metastudio.extraction.types import Chunk, Emit, LedgerEntry, Page, Query, UnreadableError, newest_versions
from metastudio.records.parser import Rejected, Row
from metastudio.timestamps import SECOND, format_time, parse_time

MAX_REWINDS = 100
"""The maximum number of pages that one scan reads again because pages do not overlap."""


async def should_scan(context: ExtractionContext, state: State) -> bool:
    """Return whether sorting by update_time is worth a try.

    It is not worth it for a day after it was disproved or the whole list was refused.
    """
    if state.get("limits", {}).get("max_range_days") is not None:
        await context.now()  # this forgets old limits
        if context.limits.max_range is not None:
            return False
    if state.get("update_time_sorting") != "disproved":
        return True
    return await context.now() - parse_time(state["sorting_asked_at"]) >= ASK_AGAIN


def find_horizon(state: State, overlap: timedelta) -> datetime:
    """Return the update time down to which a scan must read.

    That is `overlap` before the watermark, because a change may become visible late. It is just
    past the watermark if a scan at least `overlap` later has read those changes once more.
    """
    watermark = parse_time(state["watermark"])
    return watermark + SECOND if state.get("settled") else watermark - overlap


class Scan:
    """One scan of the list by update time: call `run`, then `finish`.

    Attributes:
        whole_count: the smallest count of the whole list that an answer gave.
    """

    def __init__(self, context: ExtractionContext, state: State) -> None:
        self.context = context
        self.state = state
        self.horizon = find_horizon(state, context.settings.overlap)
        self.entry = LedgerEntry(mode="changes", since=self.horizon, until=self.horizon, is_window=False)
        self.whole_count: int | None = None
        self._overlap = PageOverlap(context.settings.chunk_rows)
        self._evidence: set[OrderEvidence] = set()
        self._refused = self._reached = self._whole = self._stuck = False
        self._news = True
        self._rewinds = self._skipped = 0
        self._counts: set[int] = set()
        self._newest: datetime | None = None
        self._newest_at_top: datetime | None = None
        self._fresh: list[Row] = []
        self._rejected: list[Rejected] = []

    @property
    def order(self) -> Order:
        """Return what the rows showed about the endpoint's sorting."""
        return "disproved" if self._refused else classify_order(self._evidence)

    @property
    def is_complete(self) -> bool:
        """Return whether the scan is proved to have missed nothing.

        The proof is the whole list, or the order of what was read. Unreadable rows must be known as
        gaps.
        """
        unreadable = count_missing(gap for gap in self.context.gaps if gap["reason"] == NOT_READABLE)
        if self._stuck or self._skipped > unreadable:
            return False
        return self._whole or (self._reached and self.order == "proved")

    @property
    def is_lost(self) -> bool:
        """Return whether the list is in order, but its changes could not be read to their end."""
        return self.order == "proved" and not self.is_complete

    async def run(self, emit: Emit) -> None:
        """Walk down the list, then again from the top as long as a walk takes several pages.

        The top then has the jobs that moved up meanwhile. All chunks but the last leave the state
        as it is.

        Raises:
            MetaStudioError: the endpoint does not answer; what was read before is emitted first.
        """
        failure: MetaStudioError | None = None
        for number in range(MAX_REWINDS):
            pages, self._news = 0, False
            try:
                pages = await self._walk(emit, again=number > 0)
                if self._reached and not self._whole and self.order == "not proved":
                    await self._prove_order()
            except MetaStudioError as error:
                failure = error
            if failure or pages == 1 or not self._news or not self.is_complete:
                break
        else:
            self._stuck = True
        if failure:
            if self._fresh:
                await emit(self._make_chunk())
            raise failure

    async def _walk(self, emit: Emit, *, again: bool) -> int:
        """Read page after page from the top, each overlapping the last; return their number.

        The first walk ends at the horizon. A walk `again` ends at rows that were read before.
        """
        offset = pages = 0
        newest_before, self._newest_at_top = self._newest_at_top, None
        self._overlap.restart()
        while (page := await self._fetch(offset)) is not None:
            if offset and not self._overlap.is_contiguous(page):
                rewound = self._rewind(offset, page)
                if rewound is None:
                    return pages
                offset = rewound
                continue
            ends = self._overlap.was_seen(page, newest_before) if again else self._ends_behind_horizon(page)
            self._take(page)
            received = len(page.records) + page.skipped
            at_end = offset + received >= page.count and received < self.context.settings.page_size
            at_end = at_end and page.count != self.context.limits.count_cap
            self._reached |= ends or at_end
            self._whole |= at_end and self._counts == {len(self._overlap.versions)}
            pages += 1
            if len(self._fresh) >= self.context.settings.chunk_rows:
                await emit(self._make_chunk())
            places = [place for place, record in enumerate(page.records) if isinstance(record, Row)]
            anchor = places[-1] if places and places[-1] else len(page.records) - 1
            anchor += page.skipped - page.skipped_at_end  # these stand above it, or are read once more
            if ends or at_end or anchor < 1 or self.order == "disproved":
                return pages
            offset += anchor
        return pages

    async def _fetch(self, offset: int) -> Page | None:
        """Fetch a page.

        Return None if the endpoint refuses the sort key or the offset, or if no row can be read.
        """
        settings = self.context.settings
        query = Query(since=settings.start_date, offset=offset, limit=settings.page_size, sort_key="update_time")
        try:
            page = await read_page(self.context, query)
        except RefusedError:
            self._refused = True
            return None
        except (TooDeepError, UnreadableError):
            self._stuck = True
            return None
        self.entry.add(page)
        self.horizon = min(self.horizon, await self.context.now() - settings.overlap)
        return page

    def _rewind(self, offset: int, page: Page) -> int | None:
        """Return the offset to read again from, after a page without an overlap; None: give up."""
        rows = self._overlap.rewind_rows(page, self.context.settings.page_size)
        self._rewinds += 1 if rows is not None else MAX_REWINDS // 5
        if self._rewinds > MAX_REWINDS:
            self._stuck = True
            return None
        self._overlap.restart()
        return 0 if rows is None else max(0, offset - rows)

    def _ends_behind_horizon(self, page: Page) -> bool:
        return any(row.updated is not None and row.updated < self.horizon for row in page.rows)

    def _take(self, page: Page) -> None:
        """Keep a page's changed rows, and the evidence of its order."""
        self._counts.add(page.count)
        self._skipped = max(self._skipped, page.skipped)
        self.whole_count = min(self._counts)
        versions = self._overlap.versions
        self._news |= any(row.key not in versions or versions[row.key] != row.updated for row in page.rows)
        self._overlap.add(page)
        self._newest_at_top = self._newest_at_top or max(
            (row.updated for row in page.rows if row.updated), default=None
        )
        self._evidence |= find_order_evidence(page.rows)
        for record in page.records:
            if isinstance(record, Rejected):
                self._rejected.append(record)
            elif record.updated is None or record.updated >= self.horizon:
                self._fresh.append(record)
                if record.key in page.noted:
                    self._rejected.append(page.noted[record.key])
                if record.updated is not None:
                    self._newest = max(self._newest or record.updated, record.updated)

    async def _prove_order(self) -> None:
        """Look for proof of the order at a place where the loaded jobs must show it.

        That takes one request, far fewer than a rescan takes.
        """
        place = await self.context.loaded.inversion()
        if place is None:
            return
        page = await self._fetch(max(0, place - self.context.settings.page_size // 2))
        if page is not None:
            self._evidence |= find_order_evidence(page.rows)

    def _make_chunk(self) -> Chunk:
        chunk = Chunk(
            mode="changes",
            rows=newest_versions(self._fresh),
            seen=self._fresh,
            rejected=self._rejected,
            state=State(**self.state),
        )
        self._fresh, self._rejected = [], []
        return chunk

    async def finish(self) -> Chunk:
        """Return the last chunk, with the ledger entry and what was learned.

        If the scan is complete, the state of the chunk has the new watermark.
        """
        now = await self.context.now()
        old = parse_time(self.state["watermark"])
        watermark = min(now, max(old, self._newest or old))
        self.entry.since, self.entry.until = self.horizon, max(watermark, self.horizon)
        self.entry.rows_read = len(self._overlap.versions)
        self.entry.complete = self.is_complete
        self.entry.reason = None if self.is_complete else f"order {self.order}" if not self.is_lost else "kept moving"
        chunk = self._make_chunk()
        chunk.windows = [self.entry]
        if self.order == "proved":
            chunk.state.pop("update_time_sorting", None)
            chunk.state.pop("sorting_asked_at", None)
        elif not self.is_complete and not self._stuck:
            chunk.state.update({"update_time_sorting": self.order, "sorting_asked_at": format_time(now)})
        if self.is_complete and watermark != old:
            chunk.state.update(set_watermark(watermark, now))
        elif self.is_complete and now > parse_time(self.state["watermark_at"]) + self.context.settings.overlap:
            chunk.state["settled"] = True
        return chunk
