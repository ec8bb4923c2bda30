"""Shows rows, lists and counts as the current behavior says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metastudio_simulator.behavior import Behavior
from metastudio_simulator.tenant.index import SOUND, Defects, Index
from metastudio_simulator.tenant.job import Job
from metastudio_simulator.tenant.row import RowStyle, make_parts, make_row
from metastudio_simulator.tenant.selection import Selections


class Appearance:
    """The style of a tenant's rows, and the defects of its lists."""

    def __init__(self, behavior: Behavior, project_id: str, seed: int) -> None:
        self._behavior = behavior
        self._selections = Selections(behavior, seed)
        self._plain_style = self._style = RowStyle(project_id)
        self._style_name: object = None

    def selected(self, name: str, index: Index) -> frozenset[str]:
        """Return the keys of the jobs in a `JobSelection`, for example `hidden_jobs`."""
        return self._selections.find(name, index)

    def find_style(self, index: Index) -> RowStyle:
        """Return the style of the rows: the same object until the behavior changes."""
        behavior = self._behavior
        texts = behavior.unknown_fields, behavior.shown_states, behavior.shown_job_types
        times = behavior.time_format, behavior.empty_times
        if not any(texts) and times == ("utc", False) and not behavior.blank_jobs:
            self._style_name, self._style = None, self._plain_style
            return self._style
        blank = self.selected("blank_jobs", index)
        if (name := (repr(texts), times, behavior.blank_row, blank)) != self._style_name:
            self._style_name = name
            self._style = RowStyle(
                self._plain_style.project_id,
                unknown_fields=dict(behavior.unknown_fields),
                shown_states=dict(behavior.shown_states),
                shown_job_types=dict(behavior.shown_job_types),
                time_format=behavior.time_format,
                empty_times=behavior.empty_times,
                blank_jobs=blank,
                blank_row=behavior.blank_row,
            )
        return self._style

    def find_defects(self, index: Index) -> Defects:
        """Return what is wrong with the lists."""
        behavior = self._behavior
        if not behavior.hidden_jobs and not behavior.doubled_jobs and behavior.list_cap is None:
            return SOUND
        hidden, doubled = self.selected("hidden_jobs", index), self.selected("doubled_jobs", index)
        return Defects(hidden, behavior.hidden_jobs_leave_holes, doubled, behavior.list_cap)

    def show_count(self, count: int) -> int:
        """Return the count that an answer shows."""
        count = max(0, count + self._behavior.count_offset)
        cap = self._behavior.count_cap
        return count if cap is None else min(count, cap)


def serialize(jobs: Iterable[Job], style: RowStyle) -> list[Sequence[bytes]]:
    """Return the jobs' rows in this style. A row is serialized again only if its style changed."""
    return [job.parts if job.style is style else _serialize(job, style) for job in jobs]


def _serialize(job: Job, style: RowStyle) -> Sequence[bytes]:
    job.parts, job.style = make_parts(make_row(job, style)), style
    return job.parts
