"""Windows of creation time: split, read, and proved whole."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metastudio.errors import UnavailableError
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.planning import split_window
from metastudio.extraction.sync import sync
from metastudio.extraction.types import Chunk, ExtractionSettings, Page, Query, Window
from metastudio.extraction.windows import read_range

from tests.support.destination import Destination
from tests.support.reader import MakeReader, run_alone
from tests.support.tenant import NOW, SECOND, START, Habits, Tenant

DAY = timedelta(days=1)
SECONDS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)).map(
    lambda time: time.replace(microsecond=0, tzinfo=NOW.tzinfo)
)


@given(since=SECONDS, seconds=st.integers(0, 10**9), parts=st.integers(2, 9))
def test_the_parts_of_a_window_share_their_ends_and_leave_no_gap(since: datetime, seconds: int, parts: int) -> None:
    window = Window(since, since + seconds * SECOND)
    split = split_window(window, parts)
    assert len(split) == (min(parts, seconds) if seconds > 1 else 0)
    if split:
        assert split[0].until == window.until and split[-1].since == window.since
        assert all(newer.since == older.until for newer, older in pairwise(split))
        assert all(part.since < part.until and part.since.microsecond == 0 for part in split)


def test_a_job_created_at_a_fraction_of_a_boundary_second_is_not_lost(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(5_000):
        reader.tenant.add(START + timedelta(days=1) + number * 0.1 * SECOND, state="SUCCEED")
    reader.sync()
    assert len(reader.destination.live) == 5_000


def test_the_only_job_of_a_window_may_show_a_create_time_outside_of_it(make_reader: MakeReader) -> None:
    reader = make_reader()
    job = reader.tenant.add(NOW - DAY)
    job.row = job.make_record()._replace(create_time=datetime(1970, 1, 1, tzinfo=NOW.tzinfo))
    reader.sync()
    assert [row.job_id for row in reader.destination.live] == [job.job_id]


@pytest.mark.parametrize("sorting", ["honored", "refused"])
@pytest.mark.parametrize("year", [2027, 2999, 9999])
def test_a_job_that_was_created_in_the_future_is_not_left_out(make_reader: MakeReader, sorting: str, year: int) -> None:
    reader = make_reader(sorting=sorting)
    for number in range(300):
        reader.tenant.add(NOW - (300 - number) * DAY, state="SUCCEED")
    ahead = reader.tenant.add(NOW.replace(year=year), state="SUCCEED", updated=NOW - 100 * DAY)
    reader.sync()
    assert ahead.job_id in {row.job_id for row in reader.destination.live}
    assert reader.audit().findings.differences == 0


@pytest.mark.parametrize("error", [1, -1])
@pytest.mark.parametrize("number", [30, 99, 101, 201, 250, 2_500])
def test_a_count_that_is_wrong_leaves_gaps_and_loads_everything(
    make_reader: MakeReader, error: int, number: int
) -> None:
    reader = make_reader(habits=Habits(count_error=error))
    for place in range(number):
        reader.tenant.add(START + place * DAY / 2, state="SUCCEED")
    reader.sync()
    assert reader.missing > 0
    assert len(reader.destination.live) == number


def test_a_window_with_a_vanished_and_a_new_job_is_not_taken_for_unchanged(
    make_reader: MakeReader,
) -> None:
    reader = make_reader()
    for number in range(150):
        reader.tenant.add(NOW - (150 - number) * DAY, state="SUCCEED")
    lost = reader.tenant.jobs[0]

    def swap(request: int) -> None:
        if request == 2 and lost in reader.tenant.jobs:
            reader.tenant.remove(lost)
            reader.tenant.add(state="WAITING")

    reader.tenant.meanwhile = swap
    reader.sync()
    assert {row.job_id for row in reader.destination.live} >= {job.job_id for job in reader.tenant.jobs}


def test_an_open_window_with_equal_counts_is_read_until_its_jobs_are_the_same(make_reader: MakeReader) -> None:
    """One job vanishes and another appears: the count is the same, but the row at the end of the
    first page was skipped.
    """
    reader = make_reader(sorting="refused")
    for number in range(150):
        reader.tenant.add(NOW - (300 - number) * SECOND, state="SUCCEED")
    first, skipped = reader.tenant.jobs[0], reader.tenant.jobs[100]

    def swap(request: int) -> None:
        if request == 2:
            reader.tenant.remove(first)
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
    reader.tenant.meanwhile = lambda request: reader.tenant.remove(first) if request == 2 else None
    (chunk,) = reader.read(START, START + 200 * DAY)
    assert [(record.count, record.rows_read, record.requests) for record in chunk.windows] == [(149, 149, 5)]
    assert {row.job_id for row in chunk.rows} >= {job.job_id for job in reader.tenant.jobs}


def test_the_tries_of_an_open_window_pause_between_each_other(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(150):
        reader.tenant.add(NOW - (300 - number) * SECOND, state="SUCCEED")
    reader.tenant.meanwhile = lambda request: reader.tenant.add(state="WAITING") and None
    before, now = reader.tenant.now, NOW.replace(microsecond=0)
    requests = reader.count(lambda: reader.read(now - timedelta(minutes=8), now + timedelta(minutes=8)))
    assert reader.tenant.now - before - requests * reader.tenant.tick >= 0.5 * SECOND


def test_a_count_that_stops_below_the_rows_received_is_learned(make_reader: MakeReader) -> None:
    reader = make_reader(habits=Habits(count_cap=250))
    for number in range(1_000):
        reader.tenant.add(START + number * DAY / 2, state="SUCCEED")
    reader.sync()
    assert (reader.missing, len(reader.destination.live)) == (0, 1_000)
    assert reader.destination.state["limits"]["count_cap"] == 250


def test_reading_continues_after_a_full_page_even_if_the_count_lags(make_reader: MakeReader) -> None:
    reader = make_reader(sorting="refused", habits=Habits(count_lag=timedelta(seconds=90)))
    for number in range(150):
        reader.tenant.add(NOW - number * SECOND / 3, state="SUCCEED")
    reader.sync()
    assert len(reader.destination.live) == 150


def test_an_offset_that_is_refused_is_learned(make_reader: MakeReader) -> None:
    reader = make_reader(habits=Habits(max_offset=300), sorting="refused")
    for number in range(1_000):
        reader.tenant.add(START + number * DAY / 2, state="SUCCEED")
    reader.sync()
    assert (reader.missing, len(reader.destination.live)) == (0, 1_000)
    assert reader.destination.state["limits"]["max_offset"] in range(300, 1_000)


def test_a_failure_of_one_window_cancels_the_others_and_is_raised_unchanged() -> None:
    class Failing(Tenant):
        async def fetch(self, query: Query) -> Page:
            if self.requests > 20:
                raise UnavailableError("gone")
            return await super().fetch(query)

    tenant = Failing()
    for number in range(9_000):
        tenant.add(START + number * DAY / 4, state="SUCCEED")

    async def ignore(_chunk: Chunk) -> None: ...

    async def read() -> None:
        run = ExtractionContext(tenant.fetch, Destination(), ExtractionSettings(start_date=START))
        with pytest.raises(UnavailableError):
            await sync(run, {}, ignore)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_alone(read())


def test_waiting_for_the_newest_window_costs_no_processor_time() -> None:
    """A window that is read before its turn must not make the reader spin until the window before
    it arrives.
    """
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


def test_a_part_of_the_history_is_read_without_a_request_for_a_plan() -> None:
    tenant, asked = Tenant(), []
    for number in range(3_000):
        tenant.add(NOW - DAY - number * timedelta(hours=1), state="SUCCEED")

    async def fetch(query: Query) -> Page:
        asked.append(query.offset)
        return await tenant.fetch(query)

    async def read() -> None:
        run = ExtractionContext(fetch, Destination(), ExtractionSettings(start_date=START))
        await run.fetch(Query(since=START, limit=1))
        async for _ in read_range(run, Window(START, START + DAY), "gap"):
            pass

    run_alone(read())
    assert max(asked) == 0
