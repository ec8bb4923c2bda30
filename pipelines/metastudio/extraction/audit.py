"""Proves by counting that the destination equals the API, or repairs it.

See `docs/extraction.md#audit`. Counts are compared for the whole range, in total and by state. If
they differ, the range is halved, and only the half that differs is halved again, until a part fits
one page and is read. What is counted is always "created at t or later", so that the difference of
two counts is exact: a window closed at both ends would include only a part of its last second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

from metastudio.errors import IncompleteError, RefusedError
from metastudio.extraction.backfill import make_chunk
from metastudio.extraction.context import ExtractionContext, find_max_range
from metastudio.extraction.filters import KEPT, lies_outside, verify_filters
from metastudio.extraction.findings import Comparison, Findings, make_deletion_error
from metastudio.extraction.lookup import find_gone
from metastudio.extraction.planning import cut_window
from metastudio.extraction.proof import WindowRead
from metastudio.extraction.retry import retry_gap
from metastudio.extraction.state import State, count_missing
from metastudio.extraction.types import OPEN_END, Chunk, Emit, Page, Window, newest_versions
from metastudio.extraction.windows import DAY, read_range
from metastudio.timestamps import SECOND

ROUNDS = 3
"""The number of rounds of repair. One round is enough unless jobs change meanwhile."""
ALWAYS_DELETED = 100
"""Up to this number of jobs may be marked as deleted, whatever their share."""
DELETED_PER_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the range: the jobs created in [since, before).

    For each end, it has the number of jobs created then or later, at the API and in the
    destination.
    """

    since: datetime
    before: datetime
    api: tuple[int, int]
    held: tuple[int, int]

    @property
    def jobs(self) -> tuple[int, int]:
        return self.api[0] - self.api[1], self.held[0] - self.held[1]


class Audit:
    """One audit: `run` it, then read `comparisons`, `findings` and `unfiltered_states`.

    Args:
        repair: whether to repair differences; if not, they are only reported.
        allow_deletions: whether to mark vanished jobs, however many they are.
    """

    def __init__(
        self, context: ExtractionContext, state: State, *, repair: bool, allow_deletions: bool = False
    ) -> None:
        self.context = context
        self.state = state
        self.repair = repair
        self.allow_deletions = allow_deletions
        self.comparisons: list[Comparison] = []
        self.findings = Findings(is_repairing=repair)
        self.unfiltered_states: list[str] = []
        self._vanished: dict[str, datetime] = {}
        self._failures: list[IncompleteError] = []

    async def run(self, emit: Emit) -> None:
        """Compare all jobs, then state by state, and emit the chunks that repair the differences.

        Raises:
            IncompleteError: a difference stays after all rounds, or too many jobs vanished.
        """
        for gap in list(self.context.gaps) if self.repair else ():
            await emit(await retry_gap(self.context, self.state, gap))
        start = self.context.settings.start_date
        before = Counter(await self.context.loaded.counts(start))
        await self._reconcile(None, before.total(), emit)
        held = {*before, *await self.context.loaded.counts(start)}  # also states that only missing jobs had
        for state in sorted(name for name in held if name is not None) if self._can_count else ():
            await self._reconcile(state, before[state], emit)
        await self._mark_deleted(before.total(), emit)
        if self._failures:
            raise self._failures[0]

    @property
    def _can_count(self) -> bool:
        """Return whether the endpoint's counts can be compared at all."""
        limits = self.context.limits
        return limits.count_cap is None and limits.max_range is None and not limits.is_uncounted

    async def _reconcile(self, state: str | None, held: int, emit: Emit) -> None:
        """Compare the jobs in a state, or all of them, and emit what repairs the difference.

        Args:
            held: the number of these jobs in the destination before the audit.
        """
        for number in range(ROUNDS + 1):
            compared = await self._compare(state)
            if number == 0:
                self.comparisons.append(replace(compared, destination=held))
            if self.findings.is_explained(compared, count_missing(self.context.gaps)) or (number and not self.repair):
                return
            if number == ROUNDS:
                self._failures.append(self._make_rest_error(compared))
                return
            if number == 0 and state is None:
                await self._look_for_count_cap(compared)
            before = self.findings.differences
            whole = number == ROUNDS - 1 or not self._can_count
            await self._repair(state, compared.api or 0, emit, whole=whole)
            if not self._can_count:
                return
            if state is not None and self.findings.differences == before:
                self.unfiltered_states.append(state)  # the jobs are there, under a name the filter does not know
                return

    async def _compare(self, state: str | None) -> Comparison:
        start = self.context.settings.start_date
        held = await self._held(start, state)
        if not self._can_count:
            return Comparison(state, None, held)
        try:
            return Comparison(state, await self.context.count(start, state=state), held)
        except RefusedError as refusal:
            if state is None:
                await find_max_range(self.context, refusal)
            else:
                self.unfiltered_states.append(state)
            return Comparison(state, None, held)

    async def _look_for_count_cap(self, compared: Comparison) -> None:
        """Learn that the API's count is capped, if the two halves of the range count more."""
        if compared.api is None or compared.api >= compared.destination:
            return
        middle = await self.context.loaded.nth_created(OPEN_END, compared.destination // 2)
        if middle is None:
            return
        older = await self.context.count(self.context.settings.start_date, middle)
        if older + await self.context.count(middle) > compared.api + self.context.settings.page_size:
            self.context.learn("count_cap", compared.api)

    def _make_rest_error(self, compared: Comparison) -> IncompleteError:
        finding = self.context.limits.filters or KEPT
        where = f"in state {compared.state} " if compared.state else ""
        return IncompleteError(
            f"After {ROUNDS} rounds of repair, there are {compared.api:,} jobs {where}at the API and"
            f" {compared.destination:,} in the destination.",
            hint="If the tenant is busy, run metastudio sync, then audit again."
            if finding == KEPT
            else f"create_since and create_until do not work as documented ({finding}), so a job that no window lists may"
            " have vanished or not.",
        )

    async def _repair(self, state: str | None, api: int, emit: Emit, *, whole: bool) -> None:
        """Narrow a difference down, read the parts that contain it, and emit their jobs.

        In the last round the `whole` range is read: a difference may hide behind an opposite one in
        every part, such as a job whose create_time is unknown.
        """
        reads: list[WindowRead] = []
        async with aclosing(self._find_parts(state, api, whole=whole)) as parts:
            async for part in parts:
                async with aclosing(self._read_part(part)) as windows:
                    async for read in windows:
                        reads.append(read)
                        await self._compare_jobs(read)
                        if sum(len(read.seen) for read in reads) >= self.context.settings.chunk_rows:
                            await self._emit_repair(reads, emit)
                            reads = []
        if reads:
            await self._emit_repair(reads, emit)

    async def _emit_repair(self, reads: list[WindowRead], emit: Emit) -> None:
        if self.repair:
            await emit(make_chunk(reads, "audit", self.state))

    async def _read_part(self, part: _Part) -> AsyncGenerator[WindowRead, None]:
        """Read a part, cut at `closed_until`: only before that can a missing job be gone."""
        window = Window(part.since, part.before)
        for cut in cut_window(window, await self.context.closed_until(), await self.context.now()) or [window]:
            async with aclosing(read_range(self.context, cut, "audit")) as windows:
                async for read in windows:
                    yield read

    async def _find_parts(self, state: str | None, api: int, *, whole: bool) -> AsyncGenerator[_Part, None]:
        """Yield the smallest parts that differ, newest first. Each halving costs one request."""
        start, now = self.context.settings.start_date, await self.context.now() + SECOND
        later = await self._held(OPEN_END, state)
        everything = _Part(start, OPEN_END, (api, 0), (await self._held(start, state), later))
        if whole:
            yield everything
            return
        parts = [everything]
        while parts:
            part = parts.pop()
            there, here = part.jobs
            seconds = (part.before - part.since) // SECOND
            if there == here:
                continue
            if max(there, here) <= self.context.settings.page_size or seconds < 2:
                yield part
                continue
            middle = now if part.since < now < part.before else part.since + (seconds // 2) * SECOND
            api_middle = await self.context.count(middle, state=state)
            held_middle = await self._held(middle, state)
            parts.append(_Part(part.since, middle, (part.api[0], api_middle), (part.held[0], held_middle)))
            parts.append(_Part(middle, part.before, (api_middle, part.api[1]), (held_middle, part.held[1])))

    async def _compare_jobs(self, read: WindowRead) -> None:
        """Compare a window with the destination, job by job.

        A job that is not listed has vanished only if the window was read whole and no job can
        appear in it any more. Otherwise, a count that lags behind may fit a list that is cut short.
        """
        window, findings = read.window, self.findings
        held = await self.context.loaded.states(window.since, window.until)
        came = {row.job_id: row for row in newest_versions(read.seen)}
        for job_id in came.keys() & self._vanished.keys():  # gone from where it was held, but found here
            del self._vanished[job_id]
        if read.is_whole and held.keys() - came.keys():
            await verify_filters(self.context)
        is_closed = window.until <= await self.context.closed_until()
        ahead = await self._held_ahead() if window.until == OPEN_END else {}
        not_listed = held.keys() - came.keys()
        gone: set[str] = set()
        if not await self._can_tell_vanished(read):
            not_listed = gone = await find_gone(self.context, sorted(not_listed), [*came]) if read.is_whole else set()
        for job_id in not_listed:
            if is_closed or job_id in ahead or job_id in gone:
                self._vanished[job_id] = read.entry.finished_at or await self.context.now()
                findings.add_vanished(job_id, held[job_id])
            else:
                findings.not_listed[job_id] = held[job_id]
        findings.compare_states(held, came, window)
        findings.add_without_id(read.without_id)
        findings.add_doubled(read.doubled, came)

    async def _held_ahead(self) -> dict[str, str | None]:
        """Return the live jobs with a creation time in the future, whose windows never close."""
        return await self.context.loaded.states(await self.context.now() + DAY, OPEN_END)

    async def _can_tell_vanished(self, read: WindowRead) -> bool:
        """Return whether a job that a window did not list is gone.

        That requires filters that work, as far as the jobs can show it.
        """
        page = Page(count=0, records=list(read.seen), server_time=await self.context.now())
        kept = self.context.filters_verified and self.context.limits.filters in (None, KEPT)
        is_counted = not self.context.limits.is_uncounted
        return read.is_whole and is_counted and kept and not (read.seen and lies_outside(read.window, page))

    async def _mark_deleted(self, held: int, emit: Emit) -> None:
        """Emit the vanished jobs, unless they are so many that another cause is more likely."""
        if not self._vanished or not self.repair:
            return
        share = self.context.settings.max_deleted_share
        if len(self._vanished) > max(ALWAYS_DELETED, share * held) and not self.allow_deletions:
            self._failures.insert(0, make_deletion_error(len(self._vanished), held, share))
            return
        vanished = list(self._vanished.items())
        for start in range(0, len(vanished), DELETED_PER_CHUNK):
            part = vanished[start : start + DELETED_PER_CHUNK]
            await emit(Chunk(mode="audit", vanished=part, state=State(**self.state)))

    async def _held(self, since: datetime, state: str | None) -> int:
        counts = await self.context.loaded.counts(since)
        return sum(counts.values()) if state is None else counts.get(state, 0)
