"""What an audit finds: counts that differ, and the jobs that make the difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from metastudio.errors import IncompleteError
from metastudio.extraction.types import Window
from metastudio.records.parser import Rejected, Row
from metastudio.timestamps import SECOND


@dataclass(frozen=True, slots=True)
class Comparison:
    """The number of live jobs at the API and in the destination, before anything was repaired.

    `state` is None for all states. `api` is None if the endpoint refuses the state.
    """

    state: str | None
    api: int | None
    destination: int


@dataclass(slots=True)
class Findings:
    """The differences that were found in the parts that differ.

    Records without a job_id, which cannot be loaded, and jobs that the API lists twice are not
    differences.

    Attributes:
        is_repairing: whether missing jobs and changed states are loaded, so that the counts agree.
        not_listed: jobs, with their state, that a window does not list in which jobs still appear.
            A later audit finds out whether they vanished.
    """

    is_repairing: bool = True
    missing: set[str] = field(default_factory=set)
    vanished: set[str] = field(default_factory=set)
    other_state: set[str] = field(default_factory=set)
    not_listed: dict[str, str | None] = field(default_factory=dict)
    without_id: Counter[str] = field(default_factory=Counter)
    doubled: Counter[str] = field(default_factory=Counter)
    _unrepaired: Counter[str | None] = field(default_factory=Counter)

    @property
    def differences(self) -> int:
        return len(self.missing) + len(self.vanished) + len(self.other_state)

    @property
    def unloadable(self) -> int:
        """Return how many more jobs the API counts than can be loaded."""
        return len(self.without_id) + self.doubled.total()

    def is_explained(self, compared: Comparison, hidden: int) -> bool:
        """Return whether the findings that are not repaired explain a difference of the counts.

        Args:
            hidden: the number of jobs that are missing in gaps; any part of them may explain it.
        """
        if compared.api is None:
            return compared.state is not None
        everything = compared.state is None
        unrepaired = self._unrepaired.total() if everything else self._unrepaired[compared.state]
        stateless = 0 if everything else max(0, self._unrepaired[None])  # counted in any state
        not_listed = sum(everything or state == compared.state for state in self.not_listed.values())
        return -not_listed <= compared.api - compared.destination - unrepaired <= hidden + stateless

    def add_vanished(self, job_id: str, state: str | None) -> None:
        """Record a job that the API no longer shows."""
        self._add(self.vanished, job_id, {state: -1}, is_repaired=False)

    def compare_states(self, held: dict[str, str | None], came: dict[str, Row], window: Window) -> None:
        """Record the jobs of a window that the destination has in another state, or not at all.

        An answer also contains jobs of the second before the window and of the window's last
        instant. These jobs are not called missing, because their parts of the range are compared
        elsewhere.
        """
        for job_id, row in came.items():
            if job_id in held:
                if held[job_id] != row.state:
                    self._add(self.other_state, job_id, {held[job_id]: -1, row.state: 1})
            elif (
                row.create_time is not None
                and row.create_time < window.until
                and not window.since - SECOND <= row.create_time < window.since
            ):
                self._add(self.missing, job_id, {row.state: 1})

    def _add(self, found: set[str], job_id: str, counts: dict[str | None, int], *, is_repaired: bool = True) -> None:
        """Record a difference. Until it is repaired, the counts include it."""
        if job_id not in found and not (self.is_repairing and is_repaired):
            self._unrepaired.update(counts)
        found.add(job_id)

    def add_without_id(self, rejected: Sequence[Rejected]) -> None:
        """Record the records without a job_id; those of several windows only once."""
        items = {item.key: item for item in rejected}
        for key, number in Counter(item.key for item in rejected).items():
            self._unrepaired[_find_state(items[key])] += max(0, number - self.without_id[key])
            self.without_id |= Counter({key: number})

    def add_doubled(self, job_ids: Iterable[str], came: dict[str, Row]) -> None:
        """Record the jobs that the list repeats, once for each repetition."""
        for job_id, number in Counter(job_ids).items():
            self._unrepaired[came[job_id].state] += max(0, number - self.doubled[job_id])
            self.doubled |= Counter({job_id: number})


def _find_state(item: Rejected) -> str | None:
    """Return the state that a record without a job_id is counted under."""
    try:
        record = orjson.loads(item.record)
    except orjson.JSONDecodeError:
        return None
    state = record.get("state") if isinstance(record, dict) else None
    return state if isinstance(state, str) else None


def make_deletion_error(vanished: int, held: int, share: float) -> IncompleteError:
    """Return the error of an audit that would mark too many jobs as deleted.

    Args:
        held: the number of jobs that the destination had before.
        share: the setting `max_deleted_share`.
    """
    return IncompleteError(
        f"The API no longer shows {vanished:,} of {held:,} jobs, more than max_deleted_share ({share:.0%}):"
        " none was marked as deleted.",
        hint="This happens with another key or IAM user, when IAM-user isolation was turned on, with another"
        " project, or with a filter. If the jobs are really gone, run metastudio audit --allow-deletions.",
    )
