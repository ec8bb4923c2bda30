"""The scan down to the watermark, whatever happens between two pages."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from metastudio.extraction.types import ExtractionSettings
from metastudio.timestamps import parse_time

from tests.support.reader import MakeReader, Reader
from tests.support.tenant import NOW, SECOND, START, Habits

DAY = timedelta(days=1)


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
                reader.tenant.remove(job)
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


def test_a_start_date_moved_forward_and_back_reads_the_skipped_range_again(make_reader: MakeReader) -> None:
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
    reader = make_reader(habits=Habits(skews=[5 * DAY]))
    reader.tenant.add(state="WAITING")
    reader.sync()
    reader.tenant.habits.skews = [timedelta(0)]
    reader.tenant.now += timedelta(minutes=1)
    reader.tenant.add(state="WAITING")
    reader.sync()
    assert parse_time(reader.destination.state["watermark"]) <= reader.tenant.now
    assert len(reader.destination.live) == 2


@pytest.mark.parametrize("second", range(5, 30))
def test_a_restarted_walk_does_not_take_its_own_rows_for_those_of_the_previous_walk(
    make_reader: MakeReader, second: int
) -> None:
    reader = make_reader(exact=False)
    reader.settings = ExtractionSettings(start_date=START, page_size=10)
    for number in range(80):
        reader.tenant.add(NOW - (80 - number * 7 % 80) * DAY, state="SUCCEED", updated=NOW - (number + 1) * DAY)
    reader.sync()
    reader.tenant.now += DAY
    for job in reader.tenant.jobs[10:50]:
        reader.tenant.now += SECOND
        reader.tenant.change(job, "BLOCK")
    moved, first = reader.tenant.jobs[50:75], reader.tenant.requests

    def meanwhile(request: int) -> None:
        if request == first + 3:
            reader.tenant.now += SECOND
            for job in moved:
                reader.tenant.change(job, "FAILED")
        if request == first + second:
            reader.tenant.add(NOW - 90 * DAY, state="SUCCEED", updated=NOW - 90 * DAY)

    reader.tenant.meanwhile = meanwhile
    reader.sync()
    assert {reader.destination.rows[str(job.job_id)].state for job in moved} == {"FAILED"}
