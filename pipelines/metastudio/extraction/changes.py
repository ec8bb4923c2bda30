"""Later runs: the update_time scan down to the watermark, with anchors and the proof of the order (`docs/extraction.md#later-syncs`).

The scan trusts nothing: a page must begin with a job already seen, the rows read must show that the list is in order of the update
and not of the creation, and a list that took several pages is looked at once more from the top. What to do where that fails is for
`sync` to say.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from metastudio.errors import IncompleteError, RefusedError
from metastudio.extraction.page_overlap import PageOverlap
from metastudio.extraction.types import (
    Chunk,
    ExtractionContext,
    LedgerEntry,
    Page,
    Query,
    State,
    newest_versions,
    set_watermark,
)
from metastudio.records.parser import Rejected, Row
from metastudio.timestamps import SECOND, format_time, parse_time

Order = Literal["proved", "not proved", "disproved"]
OrderEvidence = Literal["update rises", "create rises", "create falls"]

ASK_AGAIN = timedelta(days=1)
"""How long an endpoint that was found not to sort by update_time is left alone before it is asked again."""


async def should_scan(run: ExtractionContext, state: State) -> bool:
    """Tell whether sorting by update_time is worth a try: it was not disproved within the last day."""
    if state.get("update_time_sorting") != "disproved":
        return True
    return await run.now() - parse_time(state["sorting_asked_at"]) >= ASK_AGAIN


def find_horizon(state: State, overlap: timedelta) -> datetime:
    """Give the update time down to which a scan must read.

    That is `overlap` behind the watermark; and just past the watermark once a scan at least `overlap` later had read through it again,
    because what was to become visible late has done so by then.
    """
    watermark = parse_time(state["watermark"])
    return watermark + SECOND if state.get("settled") else watermark - overlap


def find_order_evidence(rows: list[Row]) -> set[OrderEvidence]:
    """Say what neighbouring rows of one answer show of its order, from the top down.

    In order of the update, `updated` never rises. In an order of the creation, create_time only falls or only rises; where it rises
    the update must have fallen, so that jobs all updated in one second prove nothing.
    """
    signs: set[OrderEvidence] = set()
    for above, below in pairwise(row for row in rows if row.updated is not None):
        assert above.updated is not None and below.updated is not None
        if above.updated < below.updated:
            signs.add("update rises")
        if above.create_time and below.create_time and above.create_time > below.create_time:
            signs.add("create falls")
        if above.create_time and below.create_time and above.create_time < below.create_time:
            signs |= {"create rises"} if above.updated > below.updated else set()
    return signs


def classify_order(signs: set[OrderEvidence]) -> Order:
    """Say what the signs prove: an order of the update, which is none of the creation."""
    if "update rises" in signs:
        return "disproved"
    return "proved" if signs >= {"create rises", "create falls"} else "not proved"


class Scan:
    """One scan of the list in order of update_time: iterate `chunks`, then `finish`."""

    def __init__(self, run: ExtractionContext, state: State) -> None:
        self.run = run
        self.state = state
        self.horizon = find_horizon(state, run.settings.overlap)
        self.record = LedgerEntry(mode="changes", since=self.horizon, until=self.horizon)
        self._trail = PageOverlap(run.settings.chunk_rows)
        self._signs: set[OrderEvidence] = set()
        self._refused = self._reached = self._whole = False
        self._news = True
        self._steps_back = 0
        self._counts: set[int] = set()
        self._newest: datetime | None = None
        self._newest_at_first: datetime | None = None
        self._fresh: list[Row] = []
        self._rejected: list[Rejected] = []

    @property
    def order(self) -> Order:
        """What the rows read showed of the endpoint's sorting."""
        return "disproved" if self._refused else classify_order(self._signs)

    @property
    def complete(self) -> bool:
        """Whether the scan is proved to have missed nothing: by having read the whole list, or by the order of what it read."""
        return self._whole or (self._reached and self.order == "proved")

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Walk down the list, then again from the top as long as a walk takes several pages: what moved up meanwhile stands there.

        Chunks on the way leave the state as it is.

        Raises:
            IncompleteError: the list is in order, but moved too much to be read.
        """
        for number in range(self.run.settings.tries * 20):
            pages, self._news = 0, False
            async with aclosing(self._walk(again=number > 0)) as walk:
                async for _page in walk:
                    pages += 1
                    if len(self._fresh) >= self.run.settings.chunk_rows:
                        yield self._make_chunk()
            if self._reached and not self._whole and self.order == "not proved":
                await self._prove_order()
            if pages == 1 or not self._news or not self.complete:
                return
        raise self._make_restless_error(0)

    async def _walk(self, *, again: bool) -> AsyncGenerator[Page, None]:
        """Read page after page from the top, each anchored in what was read, down to the horizon or, `again`, to what is known."""
        offset = 0
        self._trail.restart()
        while (page := await self._fetch(offset)) is not None:
            if offset and not self._trail.is_contiguous(page):
                if (offset := self._step_back(offset, page)) < 0:
                    return
                continue
            ends = self._trail.was_seen(page, self._newest_at_first) if again else self._ends_behind_horizon(page)
            self._take(page)
            at_end = offset + len(page.records) >= page.count and len(page.records) < self.run.settings.page_size
            self._reached |= ends or at_end
            self._whole |= at_end and self._counts == {len(self._trail.versions)}
            yield page
            places = [place for place, record in enumerate(page.records) if isinstance(record, Row)]
            anchor = places[-1] if places and places[-1] else len(page.records) - 1
            if ends or at_end or anchor < 1 or self.order == "disproved":
                return
            offset += anchor

    async def _fetch(self, offset: int) -> Page | None:
        """Fetch a page; None where the endpoint refuses the order."""
        limits = self.run.settings
        query = Query(since=limits.start_date, offset=offset, limit=limits.page_size, sort_key="update_time")
        try:
            page = await self.run.fetch(query)
        except RefusedError:
            if offset:
                raise
            self._refused = True
            return None
        self.record.add(page)
        self.horizon = min(self.horizon, await self.run.now() - limits.overlap)
        return page

    def _step_back(self, offset: int, page: Page) -> int:
        """Give the offset from which to read again because a page did not join what was read; -1: give up, there is no order."""
        steps = self._trail.rewind_rows(page, self.run.settings.page_size)
        self._steps_back += 1 if steps is not None else 20
        if self._steps_back > self.run.settings.tries * 20:
            if self.order != "proved":
                return -1
            raise self._make_restless_error(offset)
        self._trail.restart()
        return 0 if steps is None else max(0, offset - steps)

    def _ends_behind_horizon(self, page: Page) -> bool:
        return any(row.updated is not None and row.updated < self.horizon for row in page.rows)

    def _take(self, page: Page) -> None:
        """Take a page's changed rows, and what its order shows."""
        self._counts.add(page.count)
        self._news |= any(
            row.key not in self._trail.versions or self._trail.versions[row.key] != row.updated for row in page.rows
        )
        self._trail.add(page)
        self._newest_at_first = self._newest_at_first or max(
            (row.updated for row in page.rows if row.updated), default=None
        )
        self._signs |= find_order_evidence(page.rows)
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
        """Look where the destination knows an older job to be updated last: one request, far less than a rescan."""
        place = await self.run.known.inversion()
        if place is None:
            return
        page = await self._fetch(max(0, place - self.run.settings.page_size // 2))
        if page is not None:
            self._signs |= find_order_evidence(page.rows)

    def _make_restless_error(self, offset: int) -> IncompleteError:
        return IncompleteError(
            f"The changes could not be read: at offset {offset} the list kept moving.",
            hint="Too many jobs change or vanish between two requests. Nothing was lost: run it again.",
            record=self.record,
        )

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
        """Make the last chunk: what is left, the ledger's line, what was learned, and, where complete, the new watermark."""
        now = await self.run.now()
        old = parse_time(self.state["watermark"])
        watermark = min(now, max(old, self._newest or old))
        self.record.since, self.record.until = self.horizon, max(watermark, self.horizon)
        self.record.rows_read = len(self._trail.versions)
        self.record.complete = self.complete
        chunk = self._make_chunk()
        chunk.windows = [self.record]
        if not self.complete:
            chunk.state.update({"update_time_sorting": self.order, "sorting_asked_at": format_time(now)})
        elif self.order == "proved":
            chunk.state["update_time_sorting"] = "proved"
        if self.complete and watermark != old:
            chunk.state.update(set_watermark(watermark, now))
        elif self.complete and now > parse_time(self.state["watermark_at"]) + self.run.settings.overlap:
            chunk.state["settled"] = True
        return chunk
