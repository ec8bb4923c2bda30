"""Both promises of the design, tested on a tenant that keeps changing and has bad habits.

Safety: after a sync that ends well, each job that was shown when it began, and can be listed, is in
the destination in that version or a later one. Liveness: after every sync, whatever its end, all
that could be read is there; and once the tenant rests and the endpoint has no bad habits left, a
bounded number of runs makes the tables equal to the tenant.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from metastudio.errors import IncompleteError, UnavailableError
from metastudio.extraction.gaps import to_window
from metastudio.extraction.types import ExtractionSettings, UnreadableError
from metastudio.records.parser import TERMINAL_STATES

from tests.support.habits import FLAWS, MAKE_HABITS, find_unlistable
from tests.support.reader import Killed, Reader
from tests.support.tenant import SECOND, START, Habits, Job, Tenant

RUNS_TO_MEND = 6
"""Number of syncs, a day apart, after which all gaps of a healthy endpoint are closed."""
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LATE = 4 * MINUTE
"""How much later than its times say a row may become visible; with the skews it stays below the
overlap.
"""

STATES = st.sampled_from(["WAITING", "PROCESSING", "SUCCEED", "FAILED", "BLOCK", "NEW"])
PICKS = st.lists(st.integers(0, 200), min_size=1, max_size=9)
KILLS = st.none() | st.tuples(st.sampled_from(["before", "after", "request", "cancel"]), st.integers(0, 40))
MOVES = st.dictionaries(
    st.integers(0, 25),
    st.tuples(st.sampled_from(["insert", "late", "change", "vanish", "many"]), st.integers(0, 200), STATES),
    max_size=8,
)
AGES = st.sampled_from([0.0, 0.4, 1.0, 59.5, 3_600.0, 40 * 86_400.0, 3 * 365 * 86_400.0])
HABITS = st.sampled_from([*MAKE_HABITS, *FLAWS * 3, "blanks"])


class TenantAtWork(RuleBasedStateMachine):
    """Any history of a tenant, read at any time by a process that may be killed at any point."""

    @initialize(
        sorting=st.sampled_from(["honored"] * 4 + ["ignored", "ignored with sort_dir", "refused", "upwards"]),
        job_ids=st.sampled_from(["honored", "ignored", "refused", "first only"]),
        exact=st.booleans(),
        stable=st.sampled_from([True, True, False]),
        cap=st.sampled_from([100, 100, 100, 100, 5, 2, 1]),
        skews=st.lists(st.integers(-90, 90), min_size=1, max_size=3),
        page_size=st.sampled_from([2, 3, 3, 4, 4, 5, 9]),
        ages=st.lists(st.tuples(AGES, st.integers(0, 9), STATES), max_size=25),
        habits=st.lists(HABITS, max_size=0) | st.lists(HABITS, max_size=1) | st.lists(HABITS, max_size=2, unique=True),
        flawed=PICKS,
    )
    def open_tenant(  # type: ignore[no-untyped-def]
        self, sorting, job_ids, exact, stable, cap, skews, page_size, ages, habits, flawed
    ) -> None:
        page_size = page_size if stable else page_size + 6
        self.habits = habits
        self.flaws = [flaw for flaw in habits if flaw in FLAWS]
        self.tenant = Tenant(
            sorting=sorting,
            job_ids=job_ids,
            exact=exact,
            stable=stable,
            cap=cap if stable else 100,
            tick=SECOND,
            habits=Habits(skews=[timedelta(seconds=skew) for skew in skews]),
        )
        for habit in habits:
            if habit in MAKE_HABITS:
                MAKE_HABITS[habit](self.tenant.habits, page_size)
        if len(self.tenant.habits.filters) < 2:  # what is ignored is no range to be refused
            self.tenant.habits.max_range = None
        limits = ExtractionSettings(
            start_date=START, max_rows_per_window=page_size + 4, chunk_rows=page_size + 7, page_size=page_size
        )
        self.reader = Reader(self.tenant, limits)
        self.largest_group = 9 if stable else 3
        self.gone: list[Job] = []
        self.returned: set[str | None] = set()
        for place, (age, number, state) in enumerate(ages):
            age += 0 if stable else 20 * place
            for index in range(1 + number % self.largest_group):
                created = self.tenant.now - timedelta(seconds=age + (index * 0.3 if exact else index))
                job = self.tenant.add(created - DAY, shown_at=created - DAY)
                self.tenant.change(job, state, created)
                job.shown_at = created  # each copy has shown the job for a day, and this version since
        for flaw in self.flaws:
            for pick in flawed[:3]:
                if job := self._pick(pick):
                    job.flaw = flaw

    def teardown(self) -> None:
        if hasattr(self, "tenant"):
            try:
                self.rest()
            finally:
                self.reader.close()

    # What a tenant does

    @rule(number=st.integers(1, 9), late=st.booleans(), state=STATES, apart=st.sampled_from([0.0, 0.3, 1.0]))
    def insert(self, number: int, late: bool, state: str, apart: float) -> None:
        self.tenant.now += SECOND
        for _ in range(min(number, self.largest_group)):
            self.tenant.now += timedelta(seconds=apart)
            self.tenant.add(self.tenant.now - (LATE if late else 0 * SECOND), state=state)

    @rule(picks=PICKS, state=STATES, late=st.booleans(), apart=st.sampled_from([0.0, 0.3]))
    def change(self, picks: list[int], state: str, late: bool, apart: float) -> None:
        self.tenant.now += SECOND
        for pick in picks[: self.largest_group]:
            self.tenant.now += timedelta(seconds=apart)
            self._change(pick, state, late=late)

    @rule(pick=st.integers(0, 200), states=st.lists(STATES, min_size=2, max_size=2))
    def change_twice_in_one_second(self, pick: int, states: list[str]) -> None:
        self.tenant.now += SECOND
        for state in states:
            self._change(pick, state)

    @rule(picks=PICKS)
    def vanish(self, picks: list[int]) -> None:
        for pick in picks:
            self._vanish(pick)

    @precondition(lambda self: self.gone)
    @rule(pick=st.integers(0, 200))
    def come_back(self, pick: int) -> None:
        job = self.gone.pop(pick % len(self.gone))
        self.tenant.jobs.append(job)
        self.returned.add(job.job_id)

    @rule(field=st.sampled_from(["create_time", "lastupdate_time", "job_id"]), state=STATES, late=st.booleans())
    def insert_odd(self, field: str, state: str, late: bool) -> None:
        self.tenant.now += SECOND
        created = self.tenant.now - (LATE if late else 0 * SECOND)
        if field == "job_id":
            self.tenant.add(created, state=state, job_id=None)
        else:
            self.tenant.add(created, state=state, broken=frozenset([field]))

    @precondition(lambda self: self.flaws)
    @rule(pick=st.integers(0, 200), is_flawed=st.booleans())
    def flaw(self, pick: int, is_flawed: bool) -> None:
        job = self._pick(pick)
        if job is not None:
            job.flaw = self.flaws[pick % len(self.flaws)] if is_flawed else ""
            self.returned.add(job.job_id)  # what is shown again late is for `audit` and `scrub` to find

    @precondition(lambda self: "blanks" in self.habits)
    @rule(number=st.integers(1, 3))
    def insert_blank(self, number: int) -> None:
        for _ in range(number):
            self.tenant.add(job_id=None, is_blank=True)

    @rule(seconds=st.sampled_from([0.2, 1.0, 61.0, 700.0, 90_000.0, 40 * 86_400.0]))
    def wait(self, seconds: float) -> None:
        self.tenant.now += timedelta(seconds=seconds)

    # What the reader does

    @rule(moves=MOVES, kill=KILLS)
    def sync(self, moves: dict[int, tuple[str, int, str]], kill: tuple[str, int] | None) -> None:
        shown, unchanged = self._shown(), {id(job): job.version for job in self.tenant.jobs}
        held = set(self.reader.destination.rows)
        start = self.reader.settings.start_date
        known = {job.job_id for job in self.tenant.jobs if job.created >= start}
        self.tenant.meanwhile = self._plan(moves)
        try:
            self.reader.sync(kill)
        except (Killed, UnavailableError):
            event("killed")
            assert kill and held <= self.reader.destination.rows.keys()
            return
        except IncompleteError:
            event("incomplete")
            assert moves or self.habits or not self.tenant.stable
            self._check_liveness(shown, unchanged, is_moving=bool(moves))
            return
        finally:
            self.tenant.meanwhile = None
        self._check_liveness(shown, unchanged, is_moving=bool(moves))
        lost = [job for job in self.tenant.jobs if job.flaw in ("hidden", "unreadable") and job.job_id in known]
        lost = [job for job in lost if job.job_id not in self.returned | self.reader.destination.rows.keys()]
        is_told = self.reader.missing or self.tenant.habits.longest_lag  # too low a count may fit what is listed
        assert is_told or not lost, "what cannot be listed is told of"
        if self.reader.missing:
            event("gaps")
            return
        event("synced")
        self._check(shown)

    @rule(moves=MOVES, kill=KILLS, repair=st.booleans())
    @precondition(lambda self: "watermark" in self.reader.destination.state)
    def audit(self, moves: dict[int, tuple[str, int, str]], kill: tuple[str, int] | None, repair: bool) -> None:
        before, marked = dict(self.reader.destination.rows), set(self.reader.destination.deleted)
        self.tenant.meanwhile = self._plan(moves)
        try:
            self.reader.audit(kill, repair=repair)
        except (Killed, IncompleteError):
            event("audit did not end well")
        except UnreadableError:  # neither the newest job nor one behind it: nothing can be counted
            assert "unreadable" in self.flaws
        finally:
            self.tenant.meanwhile = None
        assert repair or before == self.reader.destination.rows
        shown = {job.job_id for job in self.tenant.jobs}
        assert not shown & (self.reader.destination.deleted.keys() - marked), "only vanished jobs are marked"

    @rule()
    def sync_while_the_endpoint_is_down(self) -> None:
        rows, state = dict(self.reader.destination.rows), self.reader.destination.state
        self.tenant.habits.is_down = True
        with pytest.raises(UnavailableError) as raised:
            self.reader.sync()
        self.tenant.habits.is_down = False
        assert not isinstance(raised.value, UnreadableError)
        assert (self.reader.destination.rows, self.reader.destination.state) == (rows, state)

    @rule(years=st.sampled_from([0, 7, 9]))
    def move_start(self, years: int) -> None:
        start = START.replace(year=START.year + years)
        self.reader.settings = ExtractionSettings(**{**vars_of(self.reader.settings), "start_date": start})

    # How it is done

    def _pick(self, number: int) -> Job | None:
        jobs = [job for job in self.tenant.jobs if job.job_id is not None]
        return jobs[number % len(jobs)] if jobs else None

    def _change(self, pick: int, state: str, *, late: bool = False) -> None:
        job = self._pick(pick)
        if job is not None and not (late and job.updated > self.tenant.now - LATE):
            self.tenant.change(job, state, self.tenant.now - (LATE if late else 0 * SECOND))
            if self._is_trusted():
                self.returned.discard(job.job_id)

    def _vanish(self, pick: int) -> None:
        job = self._pick(pick)
        if job is not None and "create_time" not in job.broken:
            self.tenant.remove(job)
            self.gone.append(job)

    def _plan(self, moves: dict[int, tuple[str, int, str]]) -> Callable[[int], None]:
        """Let something happen before certain answers; jobs do not come back while others
        vanish.
        """
        first = self.tenant.requests

        def move(request: int) -> None:
            kind, pick, state = moves.get(request - first, ("", 0, ""))
            if kind in ("insert", "late"):
                self.tenant.add(self.tenant.now - (LATE if kind == "late" else 0 * SECOND), state=state)
            elif kind == "change":
                self._change(pick, state)
            elif kind == "vanish":
                self._vanish(pick)
            elif kind == "many":
                for number in range(3):
                    self._change(pick + 7 * number, state)

        return move

    def _shown(self) -> dict[str, int]:
        """Return the versions that even the most lagging replica shows."""
        start = self.reader.settings.start_date - self.tenant.habits.zone
        jobs = [*self.tenant.shown(self.tenant.habits.longest_lag)]
        unlistable = find_unlistable(self.tenant, jobs)
        return {
            job.job_id: job.version
            for job in jobs
            if job.job_id is not None and job.created > start and job.job_id not in unlistable
        }

    def _check(self, shown: dict[str, int]) -> None:
        """Check the guarantee for what was visible at the start, except what is left to `audit`."""
        created = {job.job_id: job.created for job in self.tenant.jobs}
        for job_id, version in shown.items():
            if job_id in self.returned or job_id not in created:  # vanished since
                continue
            row = self.reader.destination.rows.get(job_id)
            assert row is not None, f"{job_id} is missing"
            if row.duration is not None and row.duration < version:
                assert not self._is_trusted(), f"{job_id} is stale"
                assert row.state in TERMINAL_STATES or row.create_time is None, f"{job_id} was open, and is stale"
                assert created[job_id] < self.tenant.now - self.reader.settings.rescan, f"{job_id} is young, and stale"

    def _check_liveness(self, shown: dict[str, int], versions: dict[int, int], *, is_moving: bool) -> None:
        """Check the guarantee for all that could be read: what did not change, except gaps."""
        is_moving = is_moving or not self.tenant.stable or bool(self.tenant.habits.longest_lag)
        gaps = [to_window(gap) for gap in self.reader.destination.state.get("gaps", [])]
        for job in self.tenant.jobs:
            if job.job_id not in shown or job.job_id in self.returned or versions.get(id(job)) != job.version:
                continue
            if job.job_id not in self.reader.destination.rows:
                assert is_moving and any(gap.since <= job.created <= gap.until for gap in gaps), (
                    f"{job.job_id} is held up"
                )

    def _is_trusted(self) -> bool:
        """Return whether the list by update time can be read at all."""
        return self.tenant.sorting == "honored" and self.tenant.cap > 1 and not {"width", "narrow"} & {*self.habits}

    def rest(self) -> None:
        """Stop all changes and bad habits, read once more, and compare everything."""
        self.tenant.now += timedelta(hours=1)
        self.tenant.habits = Habits()
        for job in self.tenant.jobs:
            job.flaw = ""
        self.reader.settings = ExtractionSettings(**{**vars_of(self.reader.settings), "start_date": START})
        shown = self._shown()
        for _ in range(RUNS_TO_MEND):
            with suppress(IncompleteError):
                self.reader.sync()
            self.tenant.now += DAY
        with suppress(IncompleteError):
            self.reader.audit()
        self.reader.sync()
        assert not self.reader.missing
        self._check(shown)
        limits = self.reader.settings
        if not self.habits:
            assert self.reader.destination.largest_chunk <= 6 * (limits.chunk_rows + limits.max_rows_per_window)
        if self.returned or not self._is_trusted():
            self.reader.read(START, self.tenant.now + SECOND)
        rows = {row.job_id: row for row in self.reader.destination.rows.values()}
        assert {job.job_id: job.row for job in self.tenant.jobs if job.job_id is not None} == {
            job_id: rows[job_id] for job_id in shown
        }
        without_id = {job.make_record().key for job in self.tenant.jobs if job.job_id is None}
        assert without_id <= self.reader.destination.rejected
        self.tenant.jobs = [job for job in self.tenant.jobs if job.job_id is not None]  # would hide one that vanished
        self.reader.audit()
        assert {row.job_id for row in self.reader.destination.live} == shown.keys()
        assert self.reader.destination.deleted.keys() == rows.keys() - shown.keys()
        assert self.reader.audit().findings.differences == 0


def vars_of(limits: ExtractionSettings) -> dict[str, object]:
    return {name: getattr(limits, name) for name in ExtractionSettings.__dataclass_fields__}


TestTheGuarantee = TenantAtWork.TestCase
TestTheGuarantee.settings = settings(
    max_examples=int(os.environ.get("EXAMPLES", "100")),
    derandomize="EXAMPLES" not in os.environ,
    stateful_step_count=30,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
