"""Endpoints that do not obey create_since or create_until."""

from __future__ import annotations

from datetime import timedelta

import pytest
from metastudio.errors import IncompleteError

from tests.support.reader import MakeReader
from tests.support.tenant import NOW, SECOND, START, Habits

DAY = timedelta(days=1)


@pytest.mark.parametrize("filters", [("since",), ("until",), ()])
@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("sorting", ["honored", "ignored", "refused"])
def test_an_endpoint_that_ignores_a_create_time_filter_is_read_without_windows(
    make_reader: MakeReader, filters: tuple[str, ...], older: bool, sorting: str
) -> None:
    reader = make_reader(habits=Habits(filters=filters), sorting=sorting)
    for number in range(1_500):
        reader.tenant.add(START + (3_000 if older else 0) * DAY + number * timedelta(minutes=7), state="SUCCEED")
    assert reader.count(reader.sync) < 75
    assert len(reader.destination.live) == 1_500
    reader.tenant.change(reader.tenant.jobs[5], "BLOCK")
    reader.sync()
    assert reader.destination.rows[str(reader.tenant.jobs[5].job_id)].state == "BLOCK"


def test_a_list_that_neither_windows_nor_its_order_prove_is_loaded_and_an_error(make_reader: MakeReader) -> None:
    reader = make_reader(habits=Habits(filters=(), count_error=1), sorting="refused")
    for number in range(500):
        reader.tenant.add(NOW - (500 - number) * DAY, state="SUCCEED")
    with pytest.raises(IncompleteError, match="ignores create_since or create_until"):
        reader.sync()
    assert len(reader.destination.live) == 500


def test_a_small_window_answered_with_jobs_outside_of_it_is_found_out(make_reader: MakeReader) -> None:
    reader = make_reader(habits=Habits(filters=()), sorting="refused")
    for number in range(500):
        reader.tenant.add(NOW - (500 - number) * DAY, state="SUCCEED")
    reader.sync()
    assert reader.destination.state["limits"]["filters"] == "ignored"
    assert len(reader.destination.live) == 500


@pytest.mark.parametrize("broken", [frozenset[str](), frozenset(["create_time"])])
def test_an_ignored_create_since_is_detected_with_jobs_of_one_second_or_of_unknown_times(
    make_reader: MakeReader, broken: frozenset[str]
) -> None:
    reader = make_reader(habits=Habits(filters=("until",)), sorting="refused")
    for _ in range(2_500):
        reader.tenant.add(NOW - DAY, state="SUCCEED", broken=broken)
    assert reader.count(reader.sync) < 1_000
    assert reader.destination.state["limits"]["filters"] == "ignored"
    assert len(reader.destination.live) == 2_500


def test_jobs_of_whole_seconds_are_not_lost_where_the_ends_are_left_out(make_reader: MakeReader) -> None:
    """The newest job, created within a second, cannot show that the ends are left out."""
    reader = make_reader(habits=Habits(left_out=("since", "until")))
    for number in range(5_000):
        reader.tenant.add(START + DAY + number * SECOND, state="SUCCEED")
    reader.tenant.add(state="SUCCEED")
    reader.sync()
    assert len(reader.destination.live) == 5_001


def test_a_time_zone_ahead_is_detected_even_if_the_newest_job_is_new(make_reader: MakeReader) -> None:
    reader = make_reader(habits=Habits(zone=timedelta(hours=8)))
    for number in range(300):
        reader.tenant.add(NOW - number * timedelta(hours=9), state="SUCCEED")
    reader.sync()
    reader.audit()
    assert reader.destination.state["limits"]["filters"] == "times of another zone"
    assert len(reader.destination.live) == 300
