"""What cannot be read or proved: kept in the state, and asked for again."""

from __future__ import annotations

from datetime import timedelta

from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.pages import read_page
from metastudio.extraction.types import ExtractionSettings, Page, Query

from tests.support.reader import MakeReader, Reader, run_alone
from tests.support.tenant import NOW, SECOND, START, Job

DAY = timedelta(days=1)


def hide_one(reader: Reader) -> Job:
    for number in range(150):
        reader.tenant.add(NOW - (150 - number) * DAY, state="SUCCEED")
    hidden = reader.tenant.jobs[70]
    hidden.flaw = "hidden"
    return hidden


def test_a_job_that_is_counted_and_not_listed_is_a_gap_until_a_later_sync_finds_it(make_reader: MakeReader) -> None:
    reader = make_reader()
    hidden = hide_one(reader)
    reader.sync()
    (gap,) = reader.destination.state["gaps"]
    assert (gap["reason"], reader.missing, len(reader.destination.live)) == ("counted, not listed", 1, 149)
    hidden.flaw = ""
    reader.sync()
    assert reader.missing == 1  # it is not asked for again within the hour
    reader.tenant.now += timedelta(hours=1)
    reader.sync()
    assert (reader.missing, len(reader.destination.live)) == (0, 150)


def test_records_without_an_id_make_no_gap(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(150):
        reader.tenant.add(NOW - (150 - number) * DAY, state="SUCCEED", **({} if number % 50 else {"job_id": None}))
    reader.sync()
    assert (reader.missing, len(reader.destination.live), len(reader.destination.rejected)) == (0, 147, 3)


def test_what_could_not_be_read_is_missing_though_a_lagging_count_fits_the_rest(make_reader: MakeReader) -> None:
    reader = make_reader()
    jobs = [reader.tenant.add(NOW - age * SECOND, state="SUCCEED") for age in range(2)]
    jobs[0].shown_at, jobs[1].flaw = NOW - DAY, "unreadable"
    reader.tenant.habits.count_lag = timedelta(seconds=90)
    reader.sync()
    assert reader.missing


def test_a_gap_closes_even_if_its_rows_fill_a_capped_page(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(8):
        reader.tenant.add(NOW - DAY - number * SECOND / 10, state="SUCCEED")
    for job in reader.tenant.jobs[:3]:
        job.flaw = "hidden"
    reader.sync()
    assert reader.missing == 3
    for job in reader.tenant.jobs:
        job.flaw = ""
    reader.tenant.cap = 5
    reader.tenant.now += timedelta(hours=2)
    reader.sync()
    assert (reader.missing, len(reader.destination.live)) == (0, 8)


def test_a_page_behind_the_first_of_which_no_row_can_be_read_is_a_gap(make_reader: MakeReader) -> None:
    reader = make_reader()
    reader.settings = ExtractionSettings(start_date=START, page_size=2)
    for number in range(7):
        reader.tenant.add(NOW - DAY - number * SECOND / 100, state="SUCCEED")
    for job in reader.tenant.jobs[2:4]:
        job.flaw = "unreadable"
    reader.sync()
    assert (reader.missing, len(reader.destination.live)) == (2, 5)


def test_a_page_whose_parts_were_read_from_a_list_that_moved_is_not_whole(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(8):
        reader.tenant.add(NOW - DAY - number * SECOND / 100, state="SUCCEED")
    unreadable = reader.tenant.jobs[5]
    unreadable.flaw = "unreadable"
    vanishes = reader.tenant.jobs[0]

    async def fetch(query: Query) -> Page:
        page = await reader.tenant.fetch(query)
        if vanishes in reader.tenant.jobs and query.offset >= 50:  # the last part of the page
            reader.tenant.remove(vanishes)  # the others move up, and one stands where another was skipped
        return page

    context = ExtractionContext(fetch, reader.destination, reader.settings, sleep=reader.tenant.sleep)
    page = run_alone(read_page(context, Query(since=NOW - 2 * DAY, until=NOW)))
    assert vanishes not in reader.tenant.jobs
    assert (len(page.records), page.skipped) == (8, 1)
