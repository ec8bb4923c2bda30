"""What an audit counts as a difference, and which jobs it marks as deleted."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from metastudio.errors import IncompleteError

from tests.support.reader import MakeReader
from tests.support.tenant import NOW, SECOND, Habits

DAY = timedelta(days=1)


def test_records_without_an_id_are_no_difference_to_an_audit(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(400):
        named = number % 150
        reader.tenant.add(NOW - (400 - number) * DAY, state="SUCCEED", **({} if named else {"job_id": None}))
    reader.sync()
    audit = reader.audit()
    assert (len(audit.findings.without_id), audit.findings.differences) == (3, 0)
    assert len(reader.destination.live) == 397


def test_a_lagging_count_that_equals_a_full_page_proves_nothing(make_reader: MakeReader) -> None:
    """The count is that of two old jobs; two young ones fill the page."""
    reader = make_reader(cap=2, habits=Habits())
    for age in (2 * DAY, DAY, 2 * SECOND, SECOND):
        reader.tenant.add(NOW - age, state="SUCCEED")
    for job in reader.tenant.jobs[:2]:
        job.shown_at = job.created
    reader.sync()
    reader.tenant.habits.count_lag = timedelta(seconds=90)
    with suppress(IncompleteError):
        reader.audit()
    assert len(reader.destination.live) == 4


def test_a_job_that_vanished_young_is_marked_by_a_later_audit(make_reader: MakeReader) -> None:
    reader = make_reader()
    for age in range(20):
        reader.tenant.add(NOW - age * SECOND, state="SUCCEED")
    reader.sync()
    gone = reader.tenant.jobs[3]
    reader.tenant.remove(gone)
    audit = reader.audit()
    assert (audit.findings.differences, reader.destination.deleted) == (0, {})
    assert audit.findings.not_listed == {gone.job_id: "SUCCEED"}
    reader.tenant.now += timedelta(minutes=11)
    assert reader.audit().findings.vanished == reader.destination.deleted.keys() == {gone.job_id}


def test_a_missing_job_is_noticed_even_if_most_listed_jobs_are_from_the_second_before(make_reader: MakeReader) -> None:
    reader = make_reader()
    second = (NOW - DAY).replace(microsecond=0)
    for number in range(180):
        reader.tenant.add(second - (SECOND if number < 150 else 0 * SECOND), state="SUCCEED")
    reader.sync()
    gone = reader.tenant.jobs[-1]
    reader.tenant.remove(gone)
    reader.audit()
    assert reader.destination.deleted.keys() == {gone.job_id}


def test_an_audit_counts_even_if_the_newest_job_cannot_be_read(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(150):
        reader.tenant.add(NOW - number * DAY, state="SUCCEED")
    reader.sync()
    reader.tenant.jobs[0].flaw = "unreadable"
    assert reader.audit().comparisons[0].api == 150


def test_an_audit_reads_everything_where_the_whole_list_is_refused(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(150):
        reader.tenant.add(NOW - number * DAY, state="SUCCEED")
    reader.sync()
    gone = reader.tenant.jobs[100]
    reader.tenant.remove(gone)
    reader.tenant.habits.max_range = 90 * DAY
    audit = reader.audit()
    assert (audit.comparisons[0].api, reader.destination.deleted.keys()) == (None, {gone.job_id})


@pytest.mark.parametrize("hours", [8, -5])
def test_vanished_jobs_are_looked_up_by_id_if_filters_use_another_zone(make_reader: MakeReader, hours: int) -> None:
    reader = make_reader(habits=Habits(zone=timedelta(hours=hours)))
    for number in range(400):
        reader.tenant.add(NOW - (400 - number) * timedelta(hours=3), state="SUCCEED")
    reader.sync()
    gone = [reader.tenant.jobs[number] for number in (399, 210, 0)]
    for job in gone:
        reader.tenant.remove(job)
    assert reader.audit().findings.vanished == reader.destination.deleted.keys() == {job.job_id for job in gone}


def test_no_job_is_taken_for_deleted_by_an_endpoint_that_finds_none_by_its_id(make_reader: MakeReader) -> None:
    reader = make_reader(habits=Habits(zone=timedelta(hours=8)), job_ids="refused")
    for number in range(200):
        reader.tenant.add(NOW - (200 - number) * timedelta(hours=3), state="SUCCEED")
    reader.sync()
    reader.tenant.remove(reader.tenant.jobs[100])
    with suppress(IncompleteError):
        reader.audit()
    assert not reader.destination.deleted
