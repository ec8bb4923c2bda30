"""The requests of the protocol do not exceed the bounds of the design."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from math import ceil

import pytest
from metastudio.extraction.types import ExtractionSettings

from tests.support.reader import Reader
from tests.support.tenant import NOW, SECOND, START, Habits, Tenant

DAY = timedelta(days=1)
STATES = ("SUCCEED", "FAILED", "PROCESSING")


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader(Tenant(), ExtractionSettings(start_date=START))
    yield reader
    reader.close()


def fill(tenant: Tenant, number: int, days: float = 3650, seed: int = 1) -> None:
    """Add jobs created over so many days, each last changed up to a day later."""
    chance = random.Random(seed)
    for _ in range(number):
        created = NOW - DAY - timedelta(days=chance.uniform(0, days - 2))
        job = tenant.add(created, state=chance.choice(STATES))
        job.updated = created + timedelta(days=chance.uniform(0, 0.9))


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 1_000, 5_000])
def test_a_sync_after_which_nothing_changed_costs_one_request(reader: Reader, number: int) -> None:
    fill(reader.tenant, number)
    reader.sync()
    for _ in range(3):
        assert reader.count(reader.sync) == 1
        reader.tenant.now += timedelta(hours=1)


@pytest.mark.parametrize("number", [1, 99, 100, 199, 2_500])
@pytest.mark.parametrize("apart", [timedelta(0), 0.3 * SECOND])
def test_changes_cost_a_request_for_each_99_and_two_more(reader: Reader, number: int, apart: timedelta) -> None:
    fill(reader.tenant, 3_000)
    reader.sync()
    reader.tenant.now += timedelta(hours=1)
    for job in random.Random(3).sample(reader.tenant.jobs, number):
        reader.tenant.now += apart
        reader.tenant.change(job, "BLOCK")
    assert reader.count(reader.sync) <= ceil(number / 99) + 2
    assert sum(row.state == "BLOCK" for row in reader.destination.live) == number


def test_after_a_burst_of_changes_a_sync_soon_costs_one_request_again(reader: Reader) -> None:
    fill(reader.tenant, 1_000)
    reader.sync()
    for job in random.Random(3).sample(reader.tenant.jobs, 500):
        reader.tenant.now += 0.3 * SECOND
        reader.tenant.change(job, "BLOCK")
    reader.sync()
    reader.tenant.now += timedelta(minutes=11)
    reader.sync()
    assert reader.count(reader.sync) == 1


def test_where_the_newest_changes_prove_no_order_one_request_more_does(reader: Reader) -> None:
    for day in range(300):
        job = reader.tenant.add(NOW - (300 - day) * DAY, state="SUCCEED")
        job.updated += 5.5 * DAY if day == 50 else 0 * DAY
    reader.sync()
    reader.tenant.now += DAY
    assert reader.count(reader.sync) == 2
    assert "update_time_sorting" not in reader.destination.state


@pytest.mark.parametrize("number", [0, 100, 2_001, 3_000, 20_000])
@pytest.mark.parametrize("days", [25, 365, 3650])
def test_a_backfill_costs_at_most_8_percent_more_than_its_pages_and_12(
    reader: Reader, number: int, days: float
) -> None:
    fill(reader.tenant, number, days)
    assert reader.count(reader.sync) <= 1.08 * number / 100 + 12
    assert len(reader.destination.live) == number


@pytest.mark.parametrize("hidden", [1, 3])
def test_a_hidden_job_costs_eight_requests_at_first_and_all_of_them_two_a_sync_later(
    reader: Reader, hidden: int
) -> None:
    fill(reader.tenant, 3_000)
    undisturbed = Reader(reader.tenant, reader.settings)
    requests = undisturbed.count(undisturbed.sync)
    undisturbed.close()
    for job in random.Random(7).sample(reader.tenant.jobs, hidden):
        job.flaw = "hidden"
    assert reader.count(reader.sync) <= requests + 8 * hidden
    assert reader.missing == hidden
    for _ in range(4):
        reader.tenant.now += timedelta(hours=2)
        assert reader.count(reader.sync) <= 1 + 2


def test_a_newest_job_that_cannot_be_read_costs_a_sync_25_requests_whatever_the_history(reader: Reader) -> None:
    fill(reader.tenant, 5_000, days=20)
    newest = max(reader.tenant.jobs, key=lambda job: job.updated)
    newest.flaw = "unreadable"
    reader.sync()
    assert reader.missing == 1
    other = next(job for job in reader.tenant.jobs if job is not newest)
    for _ in range(3):
        reader.tenant.now += timedelta(minutes=15)
        reader.tenant.change(other, "BLOCK")
        reader.tenant.change(newest, "BLOCK")
        assert reader.count(reader.sync) <= 25
        assert reader.destination.rows[str(other.job_id)].state == "BLOCK"


def test_a_job_that_becomes_unreadable_is_found_and_reported(reader: Reader) -> None:
    fill(reader.tenant, 1_000)
    reader.sync()
    reader.tenant.now += timedelta(hours=1)
    job = random.Random(2).choice(reader.tenant.jobs)
    reader.tenant.change(job, "BLOCK")
    job.flaw = "unreadable"
    reader.sync()
    assert reader.missing == 1


def test_windows_as_wide_as_the_endpoint_answers_cost_one_request_each(reader: Reader) -> None:
    fill(reader.tenant, 100)
    reader.tenant.habits = Habits(max_range=20 * DAY)
    ranges = (NOW - START) // (20 * DAY)
    assert reader.count(reader.sync) <= 2 * ranges + 60  # two ways read by windows
    assert len(reader.destination.live) == 100


def test_an_audit_that_finds_nothing_costs_one_request_a_state_and_two(reader: Reader) -> None:
    fill(reader.tenant, 5_000)
    reader.sync()
    assert reader.count(reader.audit) <= 2 + len(STATES)


@pytest.mark.parametrize("repair", [True, False])
@pytest.mark.parametrize("differing", [1, 20])
@pytest.mark.parametrize("kind", ["vanished", "missing", "other state"])
def test_an_audit_costs_at_most_40_requests_for_each_difference(
    reader: Reader, kind: str, differing: int, repair: bool
) -> None:
    fill(reader.tenant, 2_000)
    reader.sync()
    for job in random.Random(5).sample(reader.tenant.jobs, differing):
        if kind == "vanished":
            reader.tenant.remove(job)
        elif kind == "missing":
            del reader.destination.rows[str(job.job_id)]
        else:
            job.state, job.row = "BLOCK", None
    before = reader.tenant.requests
    audit = reader.audit(repair=repair)
    assert reader.tenant.requests - before <= len(STATES) + 40 * differing
    found = {
        "vanished": audit.findings.vanished,
        "missing": audit.findings.missing,
        "other state": audit.findings.other_state,
    }
    assert len(found[kind]) == audit.findings.differences == differing
    if repair:
        assert {row.job_id: row.state for row in reader.destination.live} == {
            job.job_id: job.state for job in reader.tenant.jobs
        }
        assert len(reader.destination.deleted) == (differing if kind == "vanished" else 0)


def test_jobs_listed_twice_within_seconds_cost_one_narrowing_though_pages_are_short(reader: Reader) -> None:
    reader.settings = ExtractionSettings(start_date=START, page_size=4)
    reader.tenant.cap = 1
    for age in range(3):
        reader.tenant.add(NOW - 40 * DAY - age * SECOND, state="SUCCEED")
    for job in reader.tenant.jobs[1:]:
        job.flaw = "doubled"
    assert reader.count(reader.sync) <= 150
    assert len(reader.destination.live) == 3


def test_a_scan_joins_its_pages_around_rows_that_cannot_be_read_though_two_share_each_second(reader: Reader) -> None:
    reader.settings = ExtractionSettings(start_date=START, page_size=5)
    for number in range(16):
        reader.tenant.add(NOW - DAY - number * SECOND / 2, state="SUCCEED", updated=NOW - (number + 1) // 2 * SECOND)
    for number in (6, 9):
        reader.tenant.jobs[number].flaw = "unreadable"
    assert reader.count(reader.sync) <= 500
    assert len(reader.destination.live) == 14
