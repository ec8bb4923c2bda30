"""The order of a tenant's jobs and the pages cut out of it.

Promises that a page with its count costs little at any offset: exact times in sorted lists, filtered orders kept until
something changes. Knows no HTTP and does not judge parameters.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass

from .jobs import PHOTO_TYPES, TWO_D, Job
from .times import END_OF_TIME, SECOND

Entry = tuple[int, str]
_LAST = "\U0010ffff"
_KEPT_ORDERS = 64


@dataclass(frozen=True, slots=True)
class Filters:
    """What a job must be to be listed; None and empty ask nothing. `fuzzy` names the fields matched as parts."""

    states: frozenset[str] = frozenset()
    job_type: str | None = None
    script_id: str | None = None
    asset_name: str | None = None
    job_id: str | None = None
    job_ids: frozenset[str] | None = None
    app_user_id: str | None = None
    fuzzy: frozenset[str] = frozenset()

    def admit(self, job: Job) -> bool:
        """Whether the job passes every filter but the times."""
        return (
            (not self.states or job.state in self.states)
            and (self.job_type is None or _same_type(self.job_type, job.job_type))
            and (self.script_id is None or self._match("script_id", self.script_id, job.script_id))
            and (self.asset_name is None or self._match("asset_name", self.asset_name, job.asset_name))
            and (self.job_id is None or self._match("job_id", self.job_id, job.shown_job_id or ""))
            and (self.job_ids is None or job.shown_job_id in self.job_ids)
            and (self.app_user_id is None or job.app_user_id == self.app_user_id)
        )

    def named(self) -> frozenset[str] | None:
        """The only job_ids that can pass, where the filters name any."""
        if self.job_ids is not None:
            return self.job_ids
        return None if self.job_id is None or "job_id" in self.fuzzy else frozenset((self.job_id,))

    def _match(self, field: str, wanted: str, value: str) -> bool:
        return wanted in value if field in self.fuzzy else wanted == value


def _same_type(wanted: str, job_type: str | None) -> bool:
    """Both spellings of the photo jobs name the same type; a row without one is a 2D job."""
    if wanted in PHOTO_TYPES:
        return job_type in PHOTO_TYPES
    return wanted == (job_type or TWO_D)


@dataclass(frozen=True, slots=True)
class Query:
    """One list request, already judged: times in microseconds, both inclusive."""

    filters: Filters = Filters()
    since_us: int = 0
    until_us: int = END_OF_TIME
    sort_key: str = "create_time"
    descending: bool = False
    offset: int = 0
    limit: int = 10


class Listing:
    """The visible jobs in their orders. `version` rises with every change."""

    def __init__(self) -> None:
        self.version = 0
        self.by_create: list[Entry] = []
        self._by_update: list[Entry] = []
        self._by_state: dict[str, list[Entry]] = {}
        self._jobs: dict[str, Job] = {}
        self._raw: set[str] = set()
        self._kept: dict[object, list[Entry]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, key: str) -> bool:
        return key in self._jobs

    def add_all(self, jobs: list[Job]) -> None:
        """Adds many jobs at once, at the price of one sort."""
        for job in jobs:
            self._jobs[job.key] = job
            self.by_create.append((job.create_us, job.key))
            self._by_update.append((job.update_us, job.key))
            self._by_state.setdefault(job.state, []).append((job.create_us, job.key))
        for order in (self.by_create, self._by_update, *self._by_state.values()):
            order.sort()
        self._changed()

    def add(self, job: Job) -> None:
        self._jobs[job.key] = job
        if job.is_raw:
            self._raw.add(job.key)
        insort(self.by_create, (job.create_us, job.key))
        insort(self._by_update, (job.update_us, job.key))
        insort(self._by_state.setdefault(job.state, []), (job.create_us, job.key))
        self._changed()

    def remove(self, job: Job) -> None:
        del self._jobs[job.key]
        self._raw.discard(job.key)
        _take(self.by_create, (job.create_us, job.key))
        _take(self._by_update, (job.update_us, job.key))
        _take(self._by_state[job.state], (job.create_us, job.key))
        self._changed()

    def change(self, job: Job, how: Callable[[Job], None]) -> None:
        """Lets `how` change the job (never its create time or key) and puts it where it belongs then."""
        state, update_us = job.state, job.update_us
        how(job)
        if job.key not in self._jobs:
            return
        if job.state != state:
            _take(self._by_state[state], (job.create_us, job.key))
            insort(self._by_state.setdefault(job.state, []), (job.create_us, job.key))
        if job.update_us != update_us:
            _take(self._by_update, (update_us, job.key))
            insort(self._by_update, (job.update_us, job.key))
        self._changed()

    def state_keys(self, state: str) -> list[str]:
        """The jobs in a state, oldest first."""
        return [key for _, key in self._by_state.get(state, ())]

    def select(self, query: Query, ties: random.Random | None = None) -> tuple[int, list[str]]:
        """The number of jobs that match, and the keys of the page.

        Args:
            ties: rows whose shown second is equal are shuffled with it; None orders by the exact times, then by key.
        """
        order, low, high = self._find_order(query)
        size = high - low
        start = min(query.offset, size)
        stop = min(start + query.limit, size)
        first, last = (high - stop, high - start) if query.descending else (low + start, low + stop)
        if ties is not None and query.sort_key != "asset_order":
            return size, _shuffled(order, low, high, first, last, query.descending, ties)
        page = [key for _, key in order[first:last]]
        if query.descending:
            page.reverse()
        return size, page

    def _find_order(self, query: Query) -> tuple[list[Entry], int, int]:
        filters = query.filters
        if filters == Filters():
            matching = self.by_create
        elif filters.named() is not None:
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
        named = filters.named()
        if named is None:
            return [entry for entry in self.by_create if filters.admit(self._jobs[entry[1]])]
        candidates = (self._jobs[key] for key in (named | self._raw) if key in self._jobs)
        return sorted((job.create_us, job.key) for job in candidates if filters.admit(job))

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

    def _changed(self) -> None:
        self.version += 1
        self._kept.clear()


def _take(order: list[Entry], entry: Entry) -> None:
    place = bisect_left(order, entry)
    assert order[place] == entry
    del order[place]


def _shuffled(
    order: list[Entry], low: int, high: int, first: int, last: int, descending: bool, ties: random.Random
) -> list[str]:
    """The page cut out after every group of rows with an equal shown second that it touches was shuffled whole."""
    begin, end = first, last
    while begin > low and begin < high and order[begin - 1][0] // SECOND == order[begin][0] // SECOND:
        begin -= 1
    while low < end < high and order[end][0] // SECOND == order[end - 1][0] // SECOND:
        end += 1
    drawn = sorted((at // SECOND, ties.random(), key) for at, key in order[begin:end])
    page = [key for _, _, key in drawn[first - begin : last - begin]]
    return page[::-1] if descending else page
