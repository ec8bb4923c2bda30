"""Proves the destination equal to the API by counting, or mends it (`extraction.md`, `audit`).

Counts are compared for the whole range, in all and by state; where they differ the range is halved and only the differing part followed
down, until it fits one page and is read. What is counted is always "created at t or later", so that the difference of two counts is
exact: a window closed at both ends would hold only a part of its last second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson

from metastudio.errors import IncompleteError
from metastudio.extraction.backfill import make_chunk
from metastudio.extraction.types import Chunk, ExtractionContext, Query, State, Window, newest_versions
from metastudio.extraction.windows import WindowRead, read_range
from metastudio.records.parser import Rejected
from metastudio.timestamps import SECOND

ROUNDS = 3
"""How often a difference is looked for; more than once is needed only where the tenant works on meanwhile."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The number of live jobs in one state (None: in all) at the API and in the destination, before anything was mended."""

    state: str | None
    api: int
    destination: int


@dataclass(slots=True)
class Findings:
    """What the parts that differed turned out to hold; records without a job_id are no difference, they cannot be loaded."""

    missing: set[str] = field(default_factory=set)
    vanished: set[str] = field(default_factory=set)
    other_state: set[str] = field(default_factory=set)
    without_id: Counter[str] = field(default_factory=Counter)

    @property
    def differences(self) -> int:
        return len(self.missing) + len(self.vanished) + len(self.other_state)


@dataclass(frozen=True, slots=True)
class _Part:
    """Jobs shown as created in [since, before): how many were created at each end or later, at the API and in the destination."""

    since: datetime
    before: datetime
    api: tuple[int, int]
    held: tuple[int, int]

    @property
    def jobs(self) -> tuple[int, int]:
        return self.api[0] - self.api[1], self.held[0] - self.held[1]


class Audit:
    """One audit: iterate `chunks`, each of which mends something, then read `comparisons` and `findings`.

    Args:
        repair: with False nothing is yielded; the findings only tell.
    """

    def __init__(self, run: ExtractionContext, state: State, *, repair: bool, allow_deletions: bool = False) -> None:
        self.run = run
        self.state = state
        self.repair = repair
        self.comparisons: list[Comparison] = []
        self.findings = Findings()
        self._unmended: Counter[str | None] = Counter()

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Compare in all, then state by state, and yield what mends the differences.

        Raises:
            IncompleteError: a difference stays after all rounds, or a differing window could not be read whole.
        """
        start = self.run.settings.start_date
        before = Counter(await self.run.known.counts(start))
        async with aclosing(self._reconcile(None, before.total())) as chunks:
            async for chunk in chunks:
                yield chunk
        held = {*before, *await self.run.known.counts(start)}  # by now also the states that only missing jobs had
        for state in sorted(name for name in held if name is not None):
            async with aclosing(self._reconcile(state, before[state])) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _reconcile(self, state: str | None, held: int) -> AsyncGenerator[Chunk, None]:
        """Compare the jobs in a state, or all of them, and yield what mends the difference; `held` were there before the audit."""
        for number in range(ROUNDS + 1):
            compared = await self._compare(state)
            if number == 0:
                self.comparisons.append(Comparison(state, compared.api, held))
            if compared.api - compared.destination == self._explain(state) or (number and not self.repair):
                return
            if number == ROUNDS:
                raise self._make_rest_error(compared)
            async with aclosing(self._repair(state, compared.api, whole=number == ROUNDS - 1)) as chunks:
                async for chunk in chunks:
                    if self.repair:
                        yield chunk

    async def _compare(self, state: str | None) -> Comparison:
        start = self.run.settings.start_date
        return Comparison(state, await self._count(start, state), await self._held(start, state))

    def _explain(self, state: str | None) -> int:
        """Give by how much the API must still count more: what was found and is not mended."""
        return self._unmended.total() if state is None else self._unmended[state]

    @staticmethod
    def _make_rest_error(compared: Comparison) -> IncompleteError:
        return IncompleteError(
            f"After {ROUNDS} rounds of mending, {compared.api} jobs {f'in state {compared.state} ' if compared.state else ''}"
            f"at the API are {compared.destination} in the destination.",
            hint="If the tenant is busy, run metastudio sync, then audit again.",
        )

    async def _repair(self, state: str | None, api: int, *, whole: bool) -> AsyncGenerator[Chunk, None]:
        """Follow a difference down, read the parts that hold it, and yield their jobs and what vanished from them.

        In the last round the `whole` range is read: a difference may hide behind an opposite one in every part, such as a job whose
        create_time is unknown.
        """
        reads: list[WindowRead] = []
        vanished: list[tuple[str, datetime]] = []
        async with aclosing(self._find_parts(state, api, whole=whole)) as parts:
            async for part in parts:
                async with aclosing(read_range(self.run, Window(part.since, part.before), "audit")) as windows:
                    async for read in windows:
                        reads.append(read)
                        vanished += await self._find_vanished(read)
                        if sum(read.record.rows_read for read in reads) >= self.run.settings.chunk_rows:
                            yield self._make_chunk(reads, vanished)
                            reads, vanished = [], []
        if reads:
            yield self._make_chunk(reads, vanished)

    async def _find_parts(self, state: str | None, api: int, *, whole: bool) -> AsyncGenerator[_Part, None]:
        """Halve the range as long as a half differs, newer half first; one request a halving."""
        start, end = self.run.settings.start_date, await self.run.newest() + SECOND
        parts = [_Part(start, end, (api, 0), (await self._held(start, state), await self._held(end, state)))]
        while parts:
            part = parts.pop()
            there, here = part.jobs
            seconds = (part.before - part.since) // SECOND
            if there == here and not whole:
                continue
            if whole or max(there, here) <= self.run.settings.page_size or seconds < 2:
                yield part
                continue
            middle = part.since + (seconds // 2) * SECOND
            api_middle, held_middle = await self._count(middle, state), await self._held(middle, state)
            parts.append(_Part(part.since, middle, (part.api[0], api_middle), (part.held[0], held_middle)))
            parts.append(_Part(middle, part.before, (api_middle, part.api[1]), (held_middle, part.held[1])))

    async def _find_vanished(self, read: WindowRead) -> list[tuple[str, datetime]]:
        """Compare a window that was read whole with the destination, job by job.

        The window's last second was read only as far as its first instant, so a job shown in it is not missed there.
        """
        held = await self.run.known.states(read.window.since, read.window.until)
        came = {row.job_id: row for row in newest_versions(read.seen)}
        gone = [job_id for job_id in held if job_id not in came]
        for job_id in gone:
            self._record_difference(self.findings.vanished, job_id, {held[job_id]: -1})
        for job_id, row in came.items():
            if job_id in held:
                if held[job_id] != row.state:
                    self._record_difference(self.findings.other_state, job_id, {held[job_id]: -1, row.state: 1})
            elif row.create_time is not None and row.create_time < read.window.until:
                self._record_difference(self.findings.missing, job_id, {row.state: 1})
        items = {item.key: item for item in read.without_id}
        for key, number in Counter(item.key for item in read.without_id).items():
            self._unmended[_find_state(items[key])] += max(0, number - self.findings.without_id[key])
            self.findings.without_id |= Counter({key: number})
        at = read.record.finished_at or await self.run.now()
        return [(job_id, at) for job_id in gone]

    def _record_difference(self, found: set[str], job_id: str, differences: dict[str | None, int]) -> None:
        """Keep a difference; what is not going to be mended stays in the counts."""
        if job_id not in found and not self.repair:
            self._unmended.update(differences)
        found.add(job_id)

    def _make_chunk(self, reads: list[WindowRead], vanished: list[tuple[str, datetime]]) -> Chunk:
        chunk = make_chunk(reads, "audit", self.state)
        came = {row.job_id for row in chunk.rows}  # gone from where it was held, but found in another part
        return replace(chunk, vanished=[(job_id, at) for job_id, at in vanished if job_id not in came])

    async def _count(self, since: datetime, state: str | None) -> int:
        """Ask how many jobs were created at a time or later, in one state or in all."""
        page = await self.run.fetch(Query(since=since, limit=1, state=state))
        return page.count

    async def _held(self, since: datetime, state: str | None) -> int:
        counts = await self.run.known.counts(since)
        return sum(counts.values()) if state is None else counts.get(state, 0)


def _find_state(item: Rejected) -> str | None:
    """Give the state that a record without a job_id is counted under."""
    try:
        record = orjson.loads(item.record)
    except orjson.JSONDecodeError:
        return None
    state = record.get("state") if isinstance(record, dict) else None
    return state if isinstance(state, str) else None
