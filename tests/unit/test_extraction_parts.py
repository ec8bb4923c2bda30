"""The pure parts of the protocol, and cases that random tests meet too rarely."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metastudio.errors import IncompleteError, UnavailableError
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.rescan import MAX_WINDOW_GAP, plan_windows
from metastudio.extraction.sort_order import classify_order, find_order_evidence
from metastudio.extraction.sync import sync
from metastudio.extraction.types import ExtractionSettings, Page, Query, Window, newest_versions
from metastudio.extraction.windows import read_range, split_window
from metastudio.timestamps import format_time, parse_time

from tests.properties.tenant import EMPTY, NOW, SECOND, START, Destination, Reader, Tenant, run_alone

SECONDS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)).map(
    lambda time: time.replace(microsecond=0, tzinfo=NOW.tzinfo)
)
DAY = timedelta(days=1)
MakeReader = Callable[..., Reader]


@pytest.fixture
def make_reader() -> Iterator[MakeReader]:
    readers: list[Reader] = []

    def make(**options: Any) -> Reader:
        readers.append(Reader(Tenant(**options), ExtractionSettings(start_date=START)))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


@given(since=SECONDS, seconds=st.integers(0, 10**9), parts=st.integers(2, 9))
def test_the_parts_of_a_window_share_their_ends_and_leave_no_gap(since: datetime, seconds: int, parts: int) -> None:
    window = Window(since, since + seconds * SECOND)
    split = split_window(window, parts)
    assert len(split) == (min(parts, seconds) if seconds > 1 else 0)
    if split:
        assert split[0].until == window.until and split[-1].since == window.since
        assert all(newer.since == older.until for newer, older in pairwise(split))
        assert all(part.since < part.until and part.since.microsecond == 0 for part in split)


@given(st.lists(SECONDS, max_size=30))
def test_each_open_job_is_in_one_planned_window_with_its_full_second(created: list[datetime]) -> None:
    windows = list(plan_windows(created))
    for time in created:
        assert sum(window.since <= time and time + SECOND <= window.until for window in windows) == 1
    assert all(newer.since - older.until > MAX_WINDOW_GAP - SECOND for newer, older in pairwise(windows))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_a_list_in_order_of_the_creation_is_never_taken_for_one_in_order_of_the_update(
    times: list[tuple[int, int]],
) -> None:
    rows = [EMPTY._replace(create_time=NOW + a * SECOND, updated=NOW + b * SECOND) for a, b in times]
    for down in (True, False):
        rows.sort(key=lambda row: row.create_time, reverse=down)  # type: ignore[arg-type, return-value]
        assert classify_order(find_order_evidence(rows)) != "proved"
    rows.sort(key=lambda row: row.updated, reverse=True)  # type: ignore[arg-type, return-value]
    assert classify_order(find_order_evidence(rows)) != "disproved"


@given(st.lists(st.integers(0, 9), max_size=12))
def test_jobs_all_updated_in_one_second_prove_no_order(created: list[int]) -> None:
    rows = [EMPTY._replace(create_time=NOW + second * SECOND, updated=NOW) for second in created]
    assert classify_order(find_order_evidence(rows)) == "not proved"


def test_the_newest_version_wins_and_of_equal_ones_the_one_read_last() -> None:
    rows = [EMPTY._replace(job_id="a", updated=NOW + second * SECOND, duration=version) for second, version in
            [(1, 1.0), (2, 2.0), (2, 3.0), (0, 4.0)]]  # fmt: skip
    assert [row.duration for row in newest_versions(rows)] == [3.0]


@given(SECONDS)
def test_a_time_in_the_state_is_read_as_it_was_written(time: datetime) -> None:
    assert parse_time(format_time(time)) == time


def test_a_job_created_at_a_fraction_of_a_boundary_second_is_not_lost(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(5_000):
        reader.tenant.add(START + timedelta(days=1) + number * 0.1 * SECOND, state="SUCCEED")
    reader.sync()
    assert len(reader.destination.live) == 5_000


@pytest.mark.parametrize("filters", [("since",), ("until",), ()])
@pytest.mark.parametrize("older", [True, False])
def test_an_endpoint_that_ignores_a_create_time_filter_is_found_out(
    make_reader: MakeReader, filters: tuple[str, ...], older: bool
) -> None:
    reader = make_reader(filters=filters)
    for number in range(3_000):
        reader.tenant.add(START + (3_000 if older else 0) * DAY + number * timedelta(minutes=7), state="SUCCEED")
    with pytest.raises(IncompleteError, match="must be empty"):
        reader.sync()
    assert reader.tenant.requests < 50


def test_a_window_answered_with_jobs_outside_of_it_is_refused_though_it_is_small(make_reader: MakeReader) -> None:
    reader = make_reader(filters=(), sorting="refused")
    for number in range(500):
        reader.tenant.add(NOW - (500 - number) * DAY, state="SUCCEED")
    with pytest.raises(IncompleteError, match="must be empty"):
        reader.sync()


def test_the_only_job_of_a_window_may_show_a_create_time_outside_of_it(make_reader: MakeReader) -> None:
    reader = make_reader()
    job = reader.tenant.add(NOW - DAY)
    job.row = job.make_record()._replace(create_time=datetime(1970, 1, 1, tzinfo=NOW.tzinfo))
    reader.sync()
    assert [row.job_id for row in reader.destination.live] == [job.job_id]


@pytest.mark.parametrize("sorting", ["honoured", "refused"])
@pytest.mark.parametrize("year", [2027, 2999, 9999])
def test_a_job_that_was_created_in_the_future_is_not_left_out(make_reader: MakeReader, sorting: str, year: int) -> None:
    reader = make_reader(sorting=sorting)
    for number in range(300):
        reader.tenant.add(NOW - (300 - number) * DAY, state="SUCCEED")
    ahead = reader.tenant.add(NOW.replace(year=year), state="SUCCEED", updated=NOW - 100 * DAY)
    reader.sync()
    assert ahead.job_id in {row.job_id for row in reader.destination.live}
    assert reader.audit().findings.differences == 0


def test_records_without_an_id_are_no_difference_to_an_audit(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(400):
        named = number % 150
        reader.tenant.add(NOW - (400 - number) * DAY, state="SUCCEED", **({} if named else {"job_id": None}))
    reader.sync()
    audit = reader.audit()
    assert (len(audit.findings.without_id), audit.findings.differences) == (3, 0)
    assert len(reader.destination.live) == 397


@pytest.mark.parametrize("error", [1, -1])
@pytest.mark.parametrize("number", [30, 99, 101, 201, 250, 2_500])
def test_a_count_that_is_wrong_leaves_gaps_and_loads_everything(
    make_reader: MakeReader, error: int, number: int
) -> None:
    reader = make_reader(count_error=error)
    for index in range(number):
        reader.tenant.add(START + index * DAY / 2, state="SUCCEED")
    reader.sync()
    assert reader.missing > 0
    assert len(reader.destination.live) == number


@pytest.mark.parametrize("sorting", ["ignored", "ignored with sort_dir", "upwards", "refused"])
def test_where_sorting_is_not_what_was_asked_for_the_same_sync_still_finds_the_changes(
    make_reader: MakeReader, sorting: str
) -> None:
    reader = make_reader(sorting=sorting)
    for number in range(1_000):  # all last changed in one second, by some migration
        reader.tenant.add(NOW - (1_000 - number) * DAY / 3, state="SUCCEED", updated=NOW - DAY)
    reader.sync()
    for job in reader.tenant.jobs[-20:]:
        reader.tenant.now += SECOND
        reader.tenant.change(job, "BLOCK")
    reader.sync()
    assert sum(row.state == "BLOCK" for row in reader.destination.live) == 20


def test_a_job_that_vanishes_and_one_that_appears_do_not_pass_for_a_window_that_stood_still(
    make_reader: MakeReader,
) -> None:
    reader = make_reader()
    for number in range(150):
        reader.tenant.add(NOW - (150 - number) * DAY, state="SUCCEED")
    lost = reader.tenant.jobs[0]

    def swap(request: int) -> None:
        if request == 2 and lost in reader.tenant.jobs:
            reader.tenant.jobs.remove(lost)
            reader.tenant.add(state="WAITING")

    reader.tenant.meanwhile = swap
    reader.sync()
    assert {row.job_id for row in reader.destination.live} >= {job.job_id for job in reader.tenant.jobs}


def test_an_open_window_whose_count_stayed_the_same_is_still_read_until_it_stood_still(make_reader: MakeReader) -> None:
    """Let one job vanish and another appear: the count stays, but a row is skipped."""
    reader = make_reader(sorting="refused")
    for number in range(150):
        reader.tenant.add(NOW - (300 - number) * SECOND, state="SUCCEED")
    first, skipped = reader.tenant.jobs[0], reader.tenant.jobs[100]

    def swap(request: int) -> None:
        if request == 2:
            reader.tenant.jobs.remove(first)
            reader.tenant.add(state="SUCCEED")

    reader.tenant.meanwhile = swap
    now = NOW.replace(microsecond=0)
    reader.read(now - timedelta(minutes=8), now + timedelta(minutes=8))
    assert skipped.job_id in reader.destination.rows


def test_a_job_that_vanishes_while_its_window_is_read_costs_one_more_try(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(150):
        reader.tenant.add(START + number * DAY, state="SUCCEED")
    first = reader.tenant.jobs[0]
    reader.tenant.meanwhile = lambda request: reader.tenant.jobs.remove(first) if request == 2 else None
    (chunk,) = reader.read(START, START + 200 * DAY)
    assert [(record.count, record.rows_read, record.requests) for record in chunk.windows] == [(149, 149, 5)]
    assert {row.job_id for row in chunk.rows} >= {job.job_id for job in reader.tenant.jobs}


def test_a_job_that_jumps_to_the_front_before_it_was_read_is_read_in_the_same_sync(make_reader: MakeReader) -> None:
    reader = make_reader()
    chance = random.Random(1)
    for _ in range(600):
        created = NOW - DAY - chance.random() * 900 * DAY
        reader.tenant.add(created, state="PROCESSING", updated=created + chance.random() * DAY)
    reader.sync()
    reader.tenant.now += DAY
    for job in chance.sample(reader.tenant.jobs, 300):
        reader.tenant.now += SECOND
        reader.tenant.change(job, "SUCCEED")
    last = min((job for job in reader.tenant.jobs if job.state == "SUCCEED"), key=lambda job: job.updated)
    first = reader.tenant.requests
    reader.tenant.meanwhile = lambda request: reader.tenant.change(last, "FAILED") if request == first + 2 else None
    reader.sync()
    assert reader.destination.rows[str(last.job_id)].state == "FAILED"


def test_a_page_of_jobs_without_times_does_not_keep_a_scan_going(make_reader: MakeReader) -> None:
    reader = make_reader()
    reader.settings = ExtractionSettings(start_date=START, page_size=2)
    for _ in range(2):
        reader.tenant.add(broken=frozenset(["lastupdate_time"]))
    reader.sync()
    assert reader.count(reader.sync) <= 4


@pytest.mark.parametrize(
    "happens", ["one vanishes", "two vanish", "one appears", "one appears and one vanishes", "one jumps", "many jump"]
)
@pytest.mark.parametrize(("stable", "exact"), [(True, True), (False, True), (True, False)])
def test_whatever_happens_between_any_two_pages_of_a_scan_loses_no_change(
    make_reader: MakeReader, happens: str, stable: bool, exact: bool
) -> None:
    for request in range(1, 7):
        for victim in (0, 9, 10):
            reader = make_reader(stable=stable, exact=exact)
            reader.settings = ExtractionSettings(start_date=START, page_size=10)
            for number in range(80):
                reader.tenant.add(NOW - (80 - number * 7 % 80) * DAY, state="SUCCEED", updated=NOW - (number + 1) * DAY)
            reader.sync()
            reader.tenant.now += DAY
            for job in reader.tenant.jobs[10:50]:
                reader.tenant.now += SECOND / 2
                reader.tenant.change(job, "BLOCK")
            shown = {job.job_id: job.version for job in reader.tenant.jobs}
            happen_at(reader, reader.tenant.requests + request, happens, victim)
            reader.sync()
            for job in reader.tenant.jobs:
                if job.job_id not in shown:
                    continue
                row = reader.destination.rows[str(job.job_id)]
                assert row.duration is not None and row.duration >= shown[job.job_id]


def happen_at(reader: Reader, request: int, happens: str, victim: int) -> None:
    changed = sorted(reader.tenant.jobs[10:50], key=lambda job: job.updated, reverse=True)

    def happen(now: int) -> None:
        if now != request:
            return
        if "appears" in happens:
            reader.tenant.add(state="SUCCEED")
        if "vanish" in happens:
            for job in changed[victim : victim + 1 + ("two" in happens)]:
                reader.tenant.jobs.remove(job)
        if "jump" in happens:
            for job in changed[victim :: 40 if "one" in happens else 7]:
                reader.tenant.change(job, "AGAIN")

    reader.tenant.meanwhile = happen


def test_a_job_that_moves_up_among_others_of_its_second_is_read_in_the_same_sync(make_reader: MakeReader) -> None:
    reader = make_reader(exact=False)
    reader.settings = ExtractionSettings(start_date=START, page_size=2)
    jobs = [reader.tenant.add(NOW - (40 - number) * DAY, state="SUCCEED") for number in range(20)]
    reader.sync()
    reader.tenant.now = NOW + DAY
    for number in (9, 3, 2, 4, 5):
        reader.tenant.now += SECOND
        reader.tenant.change(jobs[number], "BLOCK")
    fourth = reader.tenant.requests + 3

    def move(request: int) -> None:
        if request == fourth:  # in the second in which job 5 changed, and while job 9 is unread
            for number in (1, 9):
                reader.tenant.change(jobs[number], "FAILED")

    reader.tenant.meanwhile = move
    reader.sync()
    assert [reader.destination.rows[str(jobs[number].job_id)].state for number in (1, 9)] == ["FAILED", "FAILED"]


def test_equal_update_times_in_another_order_each_time_lose_no_change(make_reader: MakeReader) -> None:
    for seed in range(30):
        reader = make_reader(stable=False, exact=False)
        reader.tenant.random.seed(seed)
        for number in range(400):
            reader.tenant.add(NOW - (400 - number * 7 % 400) * DAY, state="SUCCEED", updated=NOW - (number + 1) * DAY)
        reader.sync()
        reader.tenant.now += DAY
        for number, job in enumerate(reader.tenant.jobs[:250]):
            reader.tenant.now += SECOND if number % 5 == 0 else timedelta(0)
            reader.tenant.change(job, "BLOCK")
        reader.sync()
        assert sum(row.state == "BLOCK" for row in reader.destination.live) == 250


def test_the_trail_of_a_scan_over_very_many_changes_stays_short(make_reader: MakeReader) -> None:
    reader = make_reader()
    reader.settings = ExtractionSettings(start_date=START, page_size=10, chunk_rows=50)
    for number in range(1_000):
        reader.tenant.add(NOW - (1_000 - number * 7 % 1_000) * DAY, state="SUCCEED", updated=NOW - (number + 1) * DAY)
    reader.sync()
    reader.tenant.now += DAY
    for job in reader.tenant.jobs:
        reader.tenant.now += SECOND
        reader.tenant.change(job, "BLOCK")
    chunks = reader.sync()
    assert {chunk.mode for chunk in chunks} == {"changes"}
    assert max(len(chunk.seen) for chunk in chunks) <= 60
    assert chunks[-1].windows[0].rows_read < 200 and all(row.state == "BLOCK" for row in reader.destination.live)


def test_a_start_date_that_moved_on_and_back_reads_again_what_was_left_out(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(300):
        reader.tenant.add(NOW - (300 - number) * DAY, state="PROCESSING")
    reader.sync()
    reader.settings = ExtractionSettings(start_date=(NOW - 100 * DAY).replace(microsecond=0))
    reader.tenant.change(reader.tenant.jobs[5], "SUCCEED")
    reader.tenant.now += DAY
    reader.tenant.change(reader.tenant.jobs[250], "SUCCEED")
    reader.sync()
    reader.settings = ExtractionSettings(start_date=START)
    reader.sync()
    assert sum(row.state == "SUCCEED" for row in reader.destination.live) == 2


def test_a_watermark_ahead_of_the_server_comes_back(make_reader: MakeReader) -> None:
    reader = make_reader(skews=[5 * DAY])
    reader.tenant.add(state="WAITING")
    reader.sync()
    reader.tenant.skews = [timedelta(0)]
    reader.tenant.now += timedelta(minutes=1)
    reader.tenant.add(state="WAITING")
    reader.sync()
    assert parse_time(reader.destination.state["watermark"]) <= reader.tenant.now
    assert len(reader.destination.live) == 2


def test_a_failure_of_one_window_ends_the_others_and_is_raised_as_it_is() -> None:
    class Failing(Tenant):
        async def fetch(self, query: Query) -> Page:
            if self.requests > 20:
                raise UnavailableError("gone")
            return await super().fetch(query)

    tenant = Failing()
    for number in range(9_000):
        tenant.add(START + number * DAY / 4, state="SUCCEED")

    async def read() -> None:
        run = ExtractionContext(tenant.fetch, Destination(), ExtractionSettings(start_date=START))
        with pytest.raises(UnavailableError):
            async for _ in sync(run, {}):
                pass
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_alone(read())


def test_waiting_for_the_newest_window_costs_no_processor_time() -> None:
    """Check that the reader does not spin while a window read early waits for its turn."""
    tenant, turns = Tenant(), 0
    for number in range(6_000):
        tenant.add(START + number * DAY / 2, state="SUCCEED")
    newest = Window((NOW - DAY).replace(microsecond=0), NOW.replace(microsecond=0))

    async def fetch(query: Query) -> Page:
        nonlocal turns
        if query.until is not None and query.until >= newest.since:
            for _ in range(1_000):
                await asyncio.sleep(0)
        return await tenant.fetch(query)

    async def read() -> None:
        nonlocal turns
        wait = asyncio.wait

        async def count(*args: object, **options: object) -> object:
            nonlocal turns
            turns += 1
            return await wait(*args, **options)  # type: ignore[call-overload]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "wait", count)
            run = ExtractionContext(fetch, Destination(), ExtractionSettings(start_date=START))
            async for _ in read_range(run, Window(START, newest.until), "backfill"):
                pass

    run_alone(read())
    assert turns < 60
