"""One customer's jobs: created, changed, vanished, shown and listed. No HTTP.

Promises that the same seed and the same calls give the same jobs, that every method may be called from any thread, and
that `visible` and the pages agree. Life that goes on by itself is in `life.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from threading import RLock
from typing import Any

from .clock import Clock
from .history import make_history, make_new_job, make_plan
from .jobs import PRESIGNED, Job, become, make_parts, make_row, make_text
from .life import live
from .listing import Listing, Query
from .switches import Switches
from .times import SECOND, Instant, make_datetime, make_us

_TIMES = {"start_time": "start_us", "end_time": "end_us"}
_PLAIN = frozenset({"job_type", "script_id", "app_user_id", "asset_name", "duration"})


class Tenant:
    """A tenant and its jobs.

    Args:
        jobs: how many it has at the start, spread over `days` before the clock's now.
        seed: of everything that is drawn.
    """

    def __init__(self, clock: Clock, switches: Switches, *, jobs: int, days: float, seed: int) -> None:
        self.lock = RLock()
        self.clock = clock
        self.switches = switches
        self.rng = random.Random(f"tenant {seed}")
        self.jobs_per_second = jobs / (max(days, 1 / 24) * 86_400)
        self.project_id = f"{random.Random(f'project {seed}').getrandbits(128):032x}"
        self.listing = Listing()
        self._ties = random.Random(f"ties {seed}")
        self._jobs: dict[str, Job] = {}
        self._late: list[tuple[int, str]] = []
        self._vanished: set[str] = set()
        self._shape: bytes | None = None
        self._raw_rows = 0
        self._lived_us = clock.now_us()
        history = make_history(random.Random(f"history {seed}"), jobs, days, self._lived_us)
        self._jobs = {job.key: job for job in history}
        self.listing.add_all(history)

    def create(
        self,
        n: int = 1,
        *,
        at: Instant | None = None,
        state: str = "WAITING",
        visible_after_seconds: float = 0,
        **fields: Any,
    ) -> list[str]:
        """Creates jobs and returns their job_ids.

        Args:
            at: the exact create time, and the update time too unless `lastupdate_time` is given; the clock's now by
                default.
            visible_after_seconds: they take part in lists only so long after their create time.
            fields: `job_id` (with n=1), `lastupdate_time`, and those of `update`.

        Raises:
            ValueError: a field that jobs do not have, or a job_id that is taken.
        """
        with self.lock:
            at_us = self.clock.now_us() if at is None else make_us(at)
            return [self._create(at_us, state, visible_after_seconds, dict(fields)) for _ in range(n)]

    def _create(self, at_us: int, state: str, visible_after_seconds: float, fields: dict[str, Any]) -> str:
        job = make_new_job(self.rng, at_us)
        job.key = fields.pop("job_id", job.key)
        if job.key in self._jobs:
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

    def adopt(self, job: Job) -> None:
        """Takes a finished job in; it is listed once the clock has reached its `visible_us`."""
        with self.lock:
            self._jobs[job.key] = job
            if job.visible_us > self.clock.now_us():
                heappush(self._late, (job.visible_us, job.key))
            else:
                self.listing.add(job)

    def update(self, job_id: str, *, at: Instant | None = None, **fields: Any) -> None:
        """Changes a job and moves its lastupdate_time to now, or to `at`.

        Args:
            fields: `state` (which brings and takes what belongs to it), `asset_name`, `job_type`, `script_id`,
                `app_user_id`, `start_time`, `end_time`, `duration`, `error_info` (an object or None).

        Raises:
            KeyError: there is no such job.
            ValueError: a field that jobs do not have.
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

    def change(self, key: str, how: Callable[[Job], None]) -> None:
        """Lets a function change a job in place."""
        with self.lock:
            job = self._jobs[key]
            self.listing.change(job, how)
            job.parts = None

    def vanish(self, job_id: str) -> None:
        """The API shows the job no more; `reappear` brings it back as it was.

        Raises:
            KeyError: there is no such job, or it has vanished already.
        """
        with self.lock:
            if job_id in self._vanished:
                raise KeyError(job_id)
            job = self._jobs[job_id]
            self._vanished.add(job_id)
            if job_id in self.listing:
                self.listing.remove(job)

    def reappear(self, job_id: str) -> None:
        """Shows a vanished job again, as it was.

        Raises:
            KeyError: it has not vanished.
        """
        with self.lock:
            self._vanished.remove(job_id)
            self.adopt(self._jobs[job_id])

    def change_some(self, *, create: int = 0, update: int = 0, vanish: int = 0) -> None:
        """Creates, renames and removes so many jobs now, drawn by seed from the visible ones."""
        with self.lock:
            self._reveal()
            for key in self.pick(vanish):
                self.vanish(key)
            for key in self.pick(update):
                self.update(key, asset_name=f"renamed {self.rng.randrange(10**6)}")
            self.create(create)

    def pick(self, n: int, state: str | None = None) -> list[str]:
        """Up to n different visible jobs, of one state if named, drawn by seed."""
        with self.lock:
            keys = self.listing.state_keys(state) if state else [key for _, key in self.listing.by_create]
            whole = [key for key in keys if not self._jobs[key].is_raw] if self._raw_rows else keys
            return self.rng.sample(whole, min(n, len(whole)))

    def spoil(self, job_id: str, **raw_fields: Any) -> None:
        """Shows these values in the job's row instead of its own, `ABSENT` leaving a field out; the job itself stays
        sane."""
        self.change(job_id, lambda job: setattr(job, "spoiled", {**(job.spoiled or {}), **raw_fields}))

    def add_raw(self, row: Any, *, at: Instant | None = None) -> str:
        """Puts any JSON value among the rows, created and updated at an instant; returns the key to make it vanish
        by."""
        with self.lock:
            self._raw_rows += 1
            at_us = self.clock.now_us() if at is None else make_us(at)
            state, job_type = make_text(row, "state") or "", make_text(row, "job_type")
            job = Job(f"raw-{self._raw_rows:06}", at_us, at_us, state, job_type, is_raw=True, raw=row)
            self.adopt(job)
            return job.key

    def live(self, seconds: float) -> None:
        """Moves the clock on and lets the tenant live meanwhile.

        Open jobs progress, at least one new job comes, at least three settled ones change late (one renamed, one
        frozen, one FAILED mended, where there are such), at least one vanishes; all drawn by seed.
        """
        with self.lock:
            self._reveal()
            start_us = self.clock.now_us()
            self._lived_us = start_us + round(seconds * SECOND)
            self.clock.advance(seconds)
            live(self, start_us, self._lived_us, lively=True)

    def catch_up(self) -> None:
        """Lets a `living` tenant live, at its usual rate, through what has passed on its clock since it last lived."""
        with self.lock:
            start_us, now_us = self._lived_us, self.clock.now_us()
            self._lived_us = max(start_us, now_us)
            if self.switches.living and start_us < now_us:
                self._reveal()
                live(self, start_us, now_us, lively=False)

    def job(self, key: str) -> Job:
        """The job itself, exact times and hidden fields included; change it only through the tenant."""
        return self._jobs[key]

    def inside(self, job_id: str) -> dict[str, Any]:
        """What the row does not show: exact times, script_id, app_user_id, the instant from which it is visible."""
        with self.lock:
            job = self._jobs[job_id]
            return {
                "create_time": make_datetime(job.create_us),
                "lastupdate_time": make_datetime(job.update_us),
                "visible_from": make_datetime(max(job.visible_us, job.create_us)),
                "script_id": job.script_id,
                "app_user_id": job.app_user_id,
                "asset_name": job.asset_name,
            }

    def visible(self, *, everything: bool = False) -> list[Any]:
        """The rows that the API would show now, oldest first, URLs without their query.

        Args:
            everything: also the raw rows that are no object with a job_id.
        """
        with self.lock:
            self._reveal()
            rows = [_bare(self._make_row(self._jobs[key])) for _, key in self.listing.by_create]
            return rows if everything else [row for row in rows if isinstance(row, dict) and "job_id" in row]

    def select(self, query: Query) -> tuple[int, list[list[bytes]]]:
        """The number of jobs that match, and the page's rows serialised, each cut where a URL's signature goes."""
        with self.lock:
            self._reveal()
            self._forget_other_shapes()
            count, keys = self.listing.select(query, self._ties if self.switches.unstable_ties else None)
            return count, [self._parts(self._jobs[key]) for key in keys]

    def _parts(self, job: Job) -> list[bytes]:
        if job.parts is None:
            job.parts = make_parts(self._make_row(job))
        return job.parts

    def _make_row(self, job: Job) -> Any:
        switches = self.switches
        return make_row(
            job,
            project_id=self.project_id,
            unknown_fields=switches.unknown_fields,
            shown_states=switches.shown_states,
        )

    def _forget_other_shapes(self) -> None:
        fields, states = self.switches.unknown_fields, self.switches.shown_states
        shape = repr((fields, states)).encode() if fields or states else None
        if shape != self._shape:
            self._shape = shape
            for job in self._jobs.values():
                job.parts = None

    def _reveal(self) -> None:
        now_us = self.clock.now_us()
        while self._late and self._late[0][0] <= now_us:
            _, key = heappop(self._late)
            if key not in self._vanished and key not in self.listing:
                self.listing.add(self._jobs[key])


def _set_fields(job: Job, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if name in _TIMES:
            setattr(job, _TIMES[name], None if value is None else make_us(value))
        elif name == "error_info":
            job.error = None if value is None else (value["error_code"], value["error_msg"])
        elif name in _PLAIN:
            setattr(job, name, value)
        else:
            raise ValueError(f"jobs have no field {name}; Tenant.spoil shows any field")


def _bare(row: Any) -> Any:
    if isinstance(row, dict) and isinstance(asset := row.get("output_asset_config"), dict):
        for name, value in asset.items():
            if isinstance(value, str) and PRESIGNED in value:
                asset[name] = value[: value.index(PRESIGNED)]
    return row
