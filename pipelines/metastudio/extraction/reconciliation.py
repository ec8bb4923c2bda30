"""Compares the destination with the API's own count in every sync, and reads again what was lost.

A destination can lose rows unnoticed: a table is emptied or restored, another run interferes, or a
load fails silently. The count of the whole list is in the answers of the sync itself, so comparing
costs no request. If jobs are lacking, an audit looks for them; if it does not find them all,
everything is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from metastudio.errors import IncompleteError, RefusedError, UnavailableError
from metastudio.extraction.audit import Audit
from metastudio.extraction.backfill import backfill, keep_changed, make_chunk
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.filters import ENDS_LEFT_OUT, OTHER_ZONE, are_ignored
from metastudio.extraction.limits import ASK_AGAIN
from metastudio.extraction.proof import WindowRead
from metastudio.extraction.rescan import batched, plan_windows
from metastudio.extraction.state import Progress, State, count_missing, forget_backfill, to_incremental_state
from metastudio.extraction.types import Books, Chunk, Emit
from metastudio.extraction.ways import Reread, WholeList
from metastudio.extraction.windows import read_whole_range
from metastudio.timestamps import format_time, parse_time


class Reconciliation:
    """One comparison, at the end of a sync's reading.

    Args:
        is_first: whether this run read everything by its backfill.
        has_reread: whether it read everything again since.
    """

    def __init__(
        self, context: ExtractionContext, state: State, emit: Emit, *, is_first: bool, has_reread: bool
    ) -> None:
        self.context = context
        self.state = state
        self.is_first = is_first
        self.has_reread = has_reread
        self._pass_on = emit
        self._committed = state
        self._lacking = 0

    async def run(self, *, reread: bool) -> None:
        """Emit what repairs the destination, and the state with what stays unexplained.

        Raises:
            IncompleteError: jobs are lacking even when everything was read again.
        """
        if reread and not self.has_reread:
            await self._read_everything(lacking=0)
        if not await self._can_compare():
            return
        books = await self._count_books()
        found = self._count_lacking(books)
        if books.doubled:
            await self._repair_doubled()
            books = await self._count_books()
            found = self._count_lacking(books)
        known = self.state["backfill"].get("lacking", 0)
        if found > known and not self.is_first and not self.context.is_one_package:
            self._lacking = found
            await self._audit(books)
            books = await self._count_books()
        if self._count_lacking(books) > 0 and not self.has_reread and await self._is_reread_due():
            await self._read_everything(lacking=self._count_lacking(books))
            books = await self._count_books()
        self._explain_older(books)
        await self._record(books)

    async def _can_compare(self) -> bool:
        """Return whether the count of the whole list is known; ask for it if no scan was made."""
        limits = self.context.limits
        if limits.is_uncounted:
            return False
        if limits.max_range is None and self.context.whole_count is None:
            try:
                self.context.whole_count = await self.context.count(self.context.settings.start_date)
            except (RefusedError, UnavailableError):
                return False
        return limits.max_range is None and self.context.whole_count not in (None, limits.count_cap)

    async def _count_books(self) -> Books:
        assert self.context.whole_count is not None
        surplus = self.state["backfill"].get("surplus", 0)
        expected = self.context.whole_count - self._count_explained() + surplus
        books = await self.context.loaded.books(self.context.settings.start_date, expected)
        new = await self.context.loaded.count_new(sorted(self.context.unloaded)) if self.context.unloaded else 0
        return books._replace(live=books.live + new)

    def _count_explained(self) -> int:
        """Return how many jobs the API counts that cannot be loaded, or are known to be missing."""
        return count_missing(self.context.gaps) + self.state["backfill"].get("not_rows", 0)

    def _count_lacking(self, books: Books) -> int:
        """Return how many jobs the API counts that are neither held nor explained."""
        assert self.context.whole_count is not None
        return self.context.whole_count - self._count_explained() - books.live

    async def _is_reread_due(self) -> bool:
        """Return whether a day has passed since everything was read again for lacking jobs."""
        lacking_at = self.state["backfill"].get("lacking_at")
        return lacking_at is None or await self.context.now() - parse_time(lacking_at) >= ASK_AGAIN

    async def _emit(self, chunk: Chunk) -> None:
        """Pass a chunk on, and keep its state. The first one says how many jobs were lacking."""
        chunk.lacking, self._lacking = self._lacking, 0
        self.state = self._committed = chunk.state
        await self._pass_on(chunk)

    async def _emit_changed(self, chunk: Chunk) -> None:
        await keep_changed(self.context, chunk)
        await self._emit(chunk)

    async def _audit(self, books: Books) -> None:
        """Look for the lacking jobs, window by window, unless most jobs are lacking.

        Listed records that cannot become rows explain the rest of the difference.
        """
        if books.live < self._count_lacking(books) or are_ignored(self.context):
            return
        try:
            await Audit(self.context, self.state, repair=True).run(self._emit_changed)
        except IncompleteError:
            return  # the next, more expensive way decides
        self.context.whole_count = await self.context.count(self.context.settings.start_date)
        books = await self._count_books()
        self._explain(self._count_lacking(books))

    def _explain(self, lacking: int) -> None:
        if lacking > 0:
            progress = self.state["backfill"]
            self.state = State(**self.state)
            self.state["backfill"] = {**progress, "not_rows": progress.get("not_rows", 0) + lacking}

    def _explain_older(self, books: Books) -> None:
        """Count jobs that were created before `start_date` and listed in a window after it."""
        if self.has_reread or self.is_first:
            self._explain(min(self._count_lacking(books), books.older))

    async def _read_everything(self, lacking: int) -> None:
        """Read everything again; if most jobs are lacking, as a first run does."""
        self._lacking = self._lacking or lacking
        self.has_reread = True
        whole_count = self.context.whole_count or 0
        if are_ignored(self.context):
            await WholeList(self.context, self.state).run(self._emit)
        elif lacking * 2 > whole_count and not self.context.is_one_package:
            await self._start_over()
        else:
            await Reread(self.context, self.state).run(self._emit)

    async def _start_over(self) -> None:
        """Read everything by a backfill. After a kill, the next run continues it."""
        self.context.not_rows = 0
        await backfill(self.context, forget_backfill(self.state), self._emit)
        self.state = to_incremental_state(self.state, self.context.settings.start_date)

    async def _repair_doubled(self) -> None:
        """Reduce jobs with several rows to one row each.

        They are read again, unless they are too many.
        """
        settings = self.context.settings
        created = [time for _, time in await self.context.loaded.doubled() if time is not None]
        if are_ignored(self.context) or len(created) * 2 > settings.max_reread_requests * settings.page_size:
            created = []
        await self._read_around(created)
        rest = [job_id for job_id, _ in await self.context.loaded.doubled()]
        for job_ids in batched(rest, settings.chunk_rows):
            await self._emit(Chunk(mode="reread", doubled=list(job_ids), state=State(**self.state)))

    async def _read_around(self, created: Sequence[datetime]) -> None:
        """Read the windows that hold these creation times again."""
        reads: list[WindowRead] = []
        for window in plan_windows(created):
            reads += await read_whole_range(self.context, window, "reread")
            if sum(len(read.seen) for read in reads) >= self.context.settings.chunk_rows:
                await self._emit_changed(make_chunk(reads, "reread", self.state))
                reads = []
        if reads:
            await self._emit_changed(make_chunk(reads, "reread", self.state))

    async def _record(self, books: Books) -> None:
        """Emit the state with what stays unexplained.

        Raises:
            IncompleteError: jobs are lacking.
        """
        lacking = self._count_lacking(books)
        progress = self.state["backfill"]
        figures = ("lacking", "lacking_at", "surplus")
        found = {name: value for name, value in progress.items() if name not in figures}
        if lacking > 0:
            now = format_time(await self.context.now())
            found |= {"lacking": lacking, "lacking_at": now if self.has_reread else progress.get("lacking_at", now)}
        elif lacking < 0:
            found["surplus"] = -lacking
        if found != self._committed["backfill"] or self._lacking:
            state = State(**{**self.state, "backfill": Progress(**found)})  # type: ignore[typeddict-item]
            await self._emit(Chunk(mode="changes", state=state))
        if lacking > 0:
            raise self._make_lacking_error(lacking)

    def _make_lacking_error(self, lacking: int) -> IncompleteError:
        causes = {
            OTHER_ZONE: "The endpoint seems to read create_since and create_until in another time zone.",
            ENDS_LEFT_OUT: "The endpoint seems to exclude jobs at create_since or create_until.",
        }
        finding = self.context.limits.filters or ""
        return IncompleteError(
            f"The API counts {self.context.whole_count:,} jobs in its whole list; {lacking:,} of them are in no window"
            " of creation time.",
            hint=causes.get(finding, "It counts jobs that no window lists.")
            + " All other jobs are loaded; a later sync reads everything again.",
        )
