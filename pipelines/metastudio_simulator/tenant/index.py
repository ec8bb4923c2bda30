"""Keeps the order of a tenant's jobs, and cuts pages out of it.

A page with its count costs little at any offset: exact times are in sorted lists, and filtered
orders are kept until something changes. The index knows no HTTP and does not check parameters.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from metastudio_simulator.tenant.job import PHOTO_TYPES, TWO_D, Job
from metastudio_simulator.timestamps import END_OF_TIME, SECOND

Entry = tuple[int, str]
_LAST = "\U0010ffff"
_KEPT_ORDERS = 64


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on the listed jobs. None and an empty value are no condition.

    Attributes:
        fuzzy: the fields of which a part may match.
        share: the share of the jobs that may be seen at all.
    """

    states: frozenset[str] = frozenset()
    job_type: str | None = None
    script_id: str | None = None
    asset_name: str | None = None
    job_id: str | None = None
    job_ids: frozenset[str] | None = None
    app_user_id: str | None = None
    fuzzy: frozenset[str] = frozenset()
    share: float = 1.0

    def admits(self, job: Job) -> bool:
        """Return whether the job passes every filter but the times."""
        return (
            (not self.states or job.state in self.states)
            and (self.job_type is None or _is_type(self.job_type, job.job_type))
            and (self.script_id is None or self._matches("script_id", self.script_id, job.script_id))
            and (self.asset_name is None or self._matches("asset_name", self.asset_name, job.asset_name))
            and (self.job_id is None or self._matches("job_id", self.job_id, job.shown_job_id or ""))
            and (self.job_ids is None or job.shown_job_id in self.job_ids)
            and (self.app_user_id is None or job.app_user_id == self.app_user_id)
            and (self.share >= 1 or crc32(job.key.encode()) < self.share * 2**32)
        )

    def find_ids(self) -> frozenset[str] | None:
        """Return the only job_ids that can pass, if the filters name some."""
        if self.job_ids is not None:
            return self.job_ids
        return None if self.job_id is None or "job_id" in self.fuzzy else frozenset((self.job_id,))

    def _matches(self, field: str, wanted: str, value: str) -> bool:
        return wanted in value if field in self.fuzzy else wanted == value


def _is_type(wanted: str, job_type: str | None) -> bool:
    """Return whether the types are equal: both photo spellings are equal, and no type means 2D."""
    if wanted in PHOTO_TYPES:
        return job_type in PHOTO_TYPES
    return wanted == (job_type or TWO_D)


NO_FILTERS: Final = Filters()


@dataclass(frozen=True, slots=True)
class Query:
    """One checked list request: times in microseconds, both inclusive."""

    filters: Filters = NO_FILTERS
    since_us: int = 0
    until_us: int = END_OF_TIME
    sort_key: str = "create_time"
    descending: bool = False
    offset: int = 0
    limit: int = 10


@dataclass(frozen=True, slots=True)
class Defects:
    """The defects of the lists. `Behavior` documents the fields."""

    hidden: frozenset[str] = frozenset()
    leave_holes: bool = True
    doubled: frozenset[str] = frozenset()
    list_cap: int | None = None


SOUND: Final = Defects()


class Index:
    """The listed jobs in their orders."""

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self.by_create: list[Entry] = []
        self._by_update: list[Entry] = []
        self._by_state: dict[str, list[Entry]] = {}
        self._jobs: dict[str, Job] = {}
        self._raw: set[str] = set()
        self._kept: dict[object, list[Entry]] = {}
        for job in jobs:
            self._jobs[job.key] = job
            if job.is_raw:
                self._raw.add(job.key)
            self.by_create.append((job.create_us, job.key))
            self._by_update.append((job.update_us, job.key))
            self._by_state.setdefault(job.state, []).append((job.create_us, job.key))
        for order in (self.by_create, self._by_update, *self._by_state.values()):
            order.sort()

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, key: str) -> bool:
        return key in self._jobs

    def jobs(self) -> Iterable[Job]:
        """Return every job, in any order."""
        return self._jobs.values()

    def find(self, keys: list[str]) -> list[Job]:
        """Return the jobs with these keys, in the same order."""
        jobs = self._jobs
        return [jobs[key] for key in keys]

    def put(self, job: Job) -> None:
        """Add the job, or replace an older version of it."""
        old = self._jobs.get(job.key)
        self._jobs[job.key] = job
        if job.is_raw:
            self._raw.add(job.key)
        created = (job.create_us, job.key)
        if old is None:
            insort(self.by_create, created)
            insort(self._by_update, (job.update_us, job.key))
        elif old.update_us != job.update_us:
            _take(self._by_update, (old.update_us, job.key))
            insort(self._by_update, (job.update_us, job.key))
        if old is None or old.state != job.state:
            if old is not None:
                _take(self._by_state[old.state], created)
            insort(self._by_state.setdefault(job.state, []), created)
        self._kept.clear()

    def remove(self, key: str) -> None:
        job = self._jobs.pop(key)
        self._raw.discard(key)
        _take(self.by_create, (job.create_us, key))
        _take(self._by_update, (job.update_us, key))
        _take(self._by_state[job.state], (job.create_us, key))
        self._kept.clear()

    def state_keys(self, state: str) -> list[str]:
        """Return the jobs in a state, oldest first."""
        return [key for _, key in self._by_state.get(state, ())]

    def has_ids(self, job_ids: Iterable[str]) -> bool:
        """Return whether every job_id is listed."""
        raw = {self._jobs[key].shown_job_id for key in self._raw}
        return all(job_id in self._jobs or job_id in raw for job_id in job_ids)

    def select(
        self, query: Query, defects: Defects = SOUND, ties: random.Random | None = None
    ) -> tuple[int, list[str]]:
        """Return the number of jobs that match, and the keys of the page.

        Args:
            ties: shuffles rows of the same second; None orders by the exact times, then by key.
        """
        order, low, high = self._find_order(query)
        count = high - low
        if defects is not SOUND:
            order, count = self._apply(defects, query, order, low, high)
            low, high = 0, len(order)
        size = high - low if defects.list_cap is None else min(high - low, defects.list_cap)
        start = min(query.offset, size)
        stop = min(start + query.limit, size)
        first, last = (high - stop, high - start) if query.descending else (low + start, low + stop)
        if ties is not None and query.sort_key != "asset_order":
            page = _shuffle(order, low, high, first, last, query.descending, ties)
        else:
            page = [key for _, key in order[first:last]]
            if query.descending:
                page.reverse()
        if defects.hidden:
            page = [key for key in page if key not in defects.hidden]
        return count, page

    def _apply(
        self, defects: Defects, query: Query, order: list[Entry], low: int, high: int
    ) -> tuple[list[Entry], int]:
        """Return the order with doubled jobs and without the hidden ones, and its count."""
        name = (query.filters, low, high, query.sort_key)
        doubled, hidden = defects.doubled, defects.hidden
        order = self._keep(
            (*name, "doubled", doubled),
            lambda: [entry for entry in order[low:high] for _ in range(1 + (entry[1] in doubled))],
        )
        if not hidden or defects.leave_holes:
            return order, len(order)
        listed = self._keep(
            (*name, "listed", doubled, hidden), lambda: [entry for entry in order if entry[1] not in hidden]
        )
        return listed, len(order)

    def _find_order(self, query: Query) -> tuple[list[Entry], int, int]:
        filters = query.filters
        if filters == NO_FILTERS:
            matching = self.by_create
        elif filters.find_ids() is not None:
            matching = self._matching(filters)
        elif len(filters.states) == 1 and filters == Filters(states=filters.states):
            matching = self._by_state.get(next(iter(filters.states)), [])
        else:
            matching = self._keep(filters, lambda: self._matching(filters))
        low = bisect_left(matching, (query.since_us, ""))
        high = max(low, bisect_right(matching, (query.until_us, _LAST)))
        if query.sort_key == "create_time":
            return matching, low, high
        if matching is self.by_create and query.sort_key == "update_time" and high - low == len(matching):
            return self._by_update, low, high
        order = self._keep(
            (filters, low, high, query.sort_key), lambda: self._resorted(matching[low:high], query.sort_key)
        )
        return order, 0, len(order)

    def _matching(self, filters: Filters) -> list[Entry]:
        ids = filters.find_ids()
        if ids is None:
            return [entry for entry in self.by_create if filters.admits(self._jobs[entry[1]])]
        candidates = (self._jobs[key] for key in (ids | self._raw) if key in self._jobs)
        return sorted((job.create_us, job.key) for job in candidates if filters.admits(job))

    def _resorted(self, entries: list[Entry], sort_key: str) -> list[Entry]:
        jobs = self._jobs
        if sort_key == "update_time":
            return sorted((jobs[key].update_us, key) for _, key in entries)
        return sorted(entries, key=lambda entry: (jobs[entry[1]].asset_name, entry[1]))

    def _keep(self, name: object, make: Callable[[], list[Entry]]) -> list[Entry]:
        if name not in self._kept:
            if len(self._kept) >= _KEPT_ORDERS:
                self._kept.clear()
            self._kept[name] = make()
        return self._kept[name]


def _take(order: list[Entry], entry: Entry) -> None:
    place = bisect_left(order, entry)
    assert order[place] == entry
    del order[place]


def _shuffle(
    order: list[Entry], low: int, high: int, first: int, last: int, descending: bool, ties: random.Random
) -> list[str]:
    """Return the page, after all jobs of each second in it were shuffled."""
    begin, end = first, last
    while begin > low and begin < high and order[begin - 1][0] // SECOND == order[begin][0] // SECOND:
        begin -= 1
    while low < end < high and order[end][0] // SECOND == order[end - 1][0] // SECOND:
        end += 1
    drawn = sorted((at // SECOND, ties.random(), key) for at, key in order[begin:end])
    page = [key for _, _, key in drawn[first - begin : last - begin]]
    return page[::-1] if descending else page
