"""One customer's jobs: created, changed, lived and shown.

The same seed and the same calls give the same jobs. Every method may be called from any thread.
`visible` shows what a client can read page by page.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metastudio_simulator.behavior import Behavior
from metastudio_simulator.clock import Clock
from metastudio_simulator.tenant.appearance import Appearance, serialize
from metastudio_simulator.tenant.generator import make_history, make_new_job, make_plan
from metastudio_simulator.tenant.index import NO_FILTERS, Filters, Query
from metastudio_simulator.tenant.job import Job, become, read_text
from metastudio_simulator.tenant.lifecycle import live
from metastudio_simulator.tenant.row import make_row, strip_queries
from metastudio_simulator.tenant.store import JobStore
from metastudio_simulator.timestamps import SECOND, Instant, make_datetime, make_us

_TIMES = {"start_time": "start_us", "end_time": "end_us"}
_PLAIN = frozenset({"job_type", "script_id", "app_user_id", "asset_name", "duration"})


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a query.

    Attributes:
        rows: the serialized rows, split where the signatures of URLs must be inserted.
        is_poisonous: whether the page has a job that makes every answer fail.
    """

    count: int
    rows: list[Sequence[bytes]]
    is_poisonous: bool


class Tenant(JobStore):
    """A tenant and its jobs.

    Args:
        jobs: the number of jobs at the start, spread over `days` before the clock's time.
        seed: the seed of everything random.
    """

    def __init__(self, clock: Clock, behavior: Behavior, *, jobs: int, days: float, seed: int) -> None:
        self._lived_us = clock.now_us()
        history = make_history(random.Random(f"history {seed}"), jobs, days, self._lived_us)
        super().__init__(clock, behavior, history, jobs / (max(days, 1 / 24) * 86_400), seed)
        self.project_id = f"{random.Random(f'project {seed}').getrandbits(128):032x}"
        self._ties = random.Random(f"ties {seed}")
        self._appearance = Appearance(behavior, self.project_id, seed)
        self._raw_rows = 0

    def create(
        self,
        n: int = 1,
        *,
        at: Instant | None = None,
        state: str = "WAITING",
        visible_after_seconds: float = 0,
        **fields: Any,
    ) -> list[str]:
        """Create jobs and return their job_ids.

        Args:
            at: the exact create time, and the update time unless `lastupdate_time` is given; by
                default, the clock's time.
            visible_after_seconds: how long after their create time the jobs are listed.
            fields: `job_id` (with n=1), `lastupdate_time`, and those of `update`.

        Raises:
            ValueError: jobs do not have such a field, or the job_id is taken.
        """
        with self.lock:
            at_us = self.clock.now_us() if at is None else make_us(at)
            return [self._create(at_us, state, visible_after_seconds, dict(fields)) for _ in range(n)]

    def _create(self, at_us: int, state: str, visible_after_seconds: float, fields: dict[str, Any]) -> str:
        job = make_new_job(self.rng, at_us)
        job.key = fields.pop("job_id", job.key)
        if job.key in self:
            raise ValueError(f"there is a job {job.key} already")
        updated = fields.pop("lastupdate_time", None)
        if state != "WAITING":
            become(job, state, at_us, self.rng)
        if state == "PROCESSING":
            job.plan = make_plan(self.rng, at_us)
        _set_fields(job, fields)
        job.update_us = at_us if updated is None else make_us(updated)
        job.visible_us = min(at_us, self.clock.now_us()) + round(visible_after_seconds * SECOND)
        self.adopt(job)
        return job.key

    def update(self, job_id: str, *, at: Instant | None = None, **fields: Any) -> None:
        """Change a job, and move its lastupdate_time to now or to `at`.

        Args:
            fields: `state` (with the fields that belong to it), `asset_name`, `job_type`,
                `script_id`, `app_user_id`, `start_time`, `end_time`, `duration`, `error_info` (an
                object or None).

        Raises:
            KeyError: the job does not exist.
            ValueError: jobs do not have such a field.
        """
        with self.lock:
            at_us = self.clock.now_us() if at is None else make_us(at)

            def change(job: Job) -> None:
                state = fields.get("state", job.state)
                if state != job.state:
                    become(job, state, at_us, self.rng)
                _set_fields(job, {name: value for name, value in fields.items() if name != "state"})
                job.update_us = at_us

            self.change(job_id, change)

    def update_some(self, n: int, *, at: Instant | None = None, **fields: Any) -> list[str]:
        """Change n jobs at one instant, drawn by seed, as `update` does. Return their job_ids."""
        with self.lock:
            self.reveal()
            at = self.clock.now() if at is None else at
            keys = self.pick(n)
            for key in keys:
                self.update(key, at=at, **fields)
            return keys

    def change_some(self, *, create: int = 0, update: int = 0, vanish: int = 0) -> None:
        """Create, rename and remove so many jobs now, drawn by seed from the listed ones."""
        with self.lock:
            self.reveal()
            for key in self.pick(vanish):
                self.vanish(key)
            for key in self.pick(update):
                self.update(key, asset_name=f"renamed {self.rng.randrange(10**6)}")
            self.create(create)

    def corrupt(self, job_id: str, **raw_fields: Any) -> None:
        """Show these values in the job's row instead of its own; `ABSENT` leaves a field out."""
        self.change(job_id, lambda job: setattr(job, "corrupted", {**(job.corrupted or {}), **raw_fields}))

    def add_raw(self, row: Any, *, at: Instant | None = None) -> str:
        """Put any JSON value among the rows, created at an instant. Return the key for `vanish`."""
        with self.lock:
            self._raw_rows += 1
            at_us = self.clock.now_us() if at is None else make_us(at)
            state, job_type = read_text(row, "state") or "", read_text(row, "job_type")
            job = Job(f"raw-{self._raw_rows:06}", at_us, at_us, state, job_type, is_raw=True, raw=row)
            self.adopt(job)
            return job.key

    def live(self, seconds: float) -> None:
        """Advance the clock, and let the tenant's events happen meanwhile.

        Open jobs progress. At least one new job arrives, at least three finished ones change late
        (if they exist: one is renamed, one is frozen, one FAILED job is run again), and at least
        one vanishes. The seed decides all of this.
        """
        with self.lock:
            self.reveal()
            start_us = self.clock.now_us()
            self._lived_us = start_us + round(seconds * SECOND)
            self.clock.advance(seconds)
            live(self, start_us, self._lived_us, force_every_event=True)

    def catch_up(self) -> None:
        """Let the events of a `living` tenant since the last call happen, at its usual rate."""
        with self.lock:
            start_us, now_us = self._lived_us, self.clock.now_us()
            self._lived_us = max(start_us, now_us)
            if self.behavior.living and start_us < now_us:
                self.reveal()
                live(self, start_us, now_us, force_every_event=False)

    def hidden_fields(self, job_id: str) -> dict[str, Any]:
        """Return what the row does not show: exact times, fields of filters, time of visibility."""
        with self.lock:
            job = self.job(job_id)
            return {
                "create_time": make_datetime(job.create_us),
                "lastupdate_time": make_datetime(job.update_us),
                "visible_from": make_datetime(max(job.visible_us, job.create_us)),
                "script_id": job.script_id,
                "app_user_id": job.app_user_id,
                "asset_name": job.asset_name,
            }

    def selected(self, name: str) -> list[str]:
        """Return the job_ids of a `JobSelection` of the behavior, for example `hidden_jobs`."""
        with self.lock:
            self.reveal()
            found = self._appearance.selected(name, self.index)
            return [key for _, key in self.index.by_create if key in found]

    def visible(self, *, everything: bool = False) -> list[Any]:
        """Return the rows that a client can read now, oldest first, with URLs without their query.

        Hidden and poisonous jobs, and those that the key may not see, are not among them.

        Args:
            everything: also the rows that are not an object with a job_id.
        """
        with self.lock:
            self.reveal()
            style, filters = self._appearance.find_style(self.index), self._restrict(NO_FILTERS)
            hidden = self._appearance.selected("hidden_jobs", self.index)
            poisonous = self._appearance.selected("poisonous_jobs", self.index)
            keys = [key for _, key in self.index.by_create if key not in hidden and key not in poisonous]
            jobs = [job for job in map(self.job, keys) if filters.admits(job)]
            rows = [strip_queries(make_row(job, style)) for job in jobs]
            return rows if everything else [row for row in rows if isinstance(row, dict) and "job_id" in row]

    def lists_all(self, job_ids: Iterable[str]) -> bool:
        """Return whether every job_id is listed."""
        with self.lock:
            self.reveal()
            return self.index.has_ids(job_ids)

    def select(self, query: Query) -> Page:
        """Return the answer to a query."""
        with self.lock:
            self.reveal()
            style = self._appearance.find_style(self.index)
            defects = self._appearance.find_defects(self.index)
            poisonous = self._appearance.selected("poisonous_jobs", self.index)
            ties = self._ties if self.behavior.unstable_ties else None
            listed, counted = self.replicas.choose(self.index, self.clock.now_us())
            if (filters := self._restrict(query.filters)) is not query.filters:
                query = replace(query, filters=filters)
            count, keys = listed.select(query, defects, ties)
            if counted is not listed:
                count, _ = counted.select(query, defects)
            return Page(
                self._appearance.show_count(count),
                serialize(listed.find(keys), style),
                bool(poisonous) and any(key in poisonous for key in keys),
            )

    def _restrict(self, filters: Filters) -> Filters:
        """Return the filters of a caller who may not see everything."""
        behavior = self.behavior
        if behavior.isolation == "on":
            filters = replace(filters, app_user_id=behavior.iam_user)
        return filters if behavior.visible_share >= 1 else replace(filters, share=behavior.visible_share)


def _set_fields(job: Job, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if name in _TIMES:
            setattr(job, _TIMES[name], None if value is None else make_us(value))
        elif name == "error_info":
            job.error = None if value is None else (value["error_code"], value["error_msg"])
        elif name in _PLAIN:
            setattr(job, name, value)
        else:
            raise ValueError(f"jobs have no field {name}; Tenant.corrupt shows any field")
