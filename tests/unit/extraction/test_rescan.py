"""Reading again what can still change, where sorting cannot be trusted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metastudio.extraction.rescan import MAX_WINDOW_GAP, plan_windows
from metastudio.timestamps import parse_time

from tests.support.reader import MakeReader
from tests.support.tenant import NOW, SECOND

DAY = timedelta(days=1)
SECONDS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)).map(
    lambda time: time.replace(microsecond=0, tzinfo=NOW.tzinfo)
)


@given(st.lists(SECONDS, max_size=30))
def test_each_open_job_lies_in_one_planned_window_with_its_whole_second(created: list[datetime]) -> None:
    windows = list(plan_windows(created))
    for time in created:
        assert sum(window.since <= time and time + SECOND <= window.until for window in windows) == 1
    assert all(newer.since - older.until > MAX_WINDOW_GAP - SECOND for newer, older in pairwise(windows))


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


def test_an_old_job_that_was_open_is_asked_for_again_and_the_clock_moves_no_watermark(make_reader: MakeReader) -> None:
    reader = make_reader(sorting="refused")
    reader.tenant.habits.skews = [timedelta(hours=1)]
    reader.settings = replace(reader.settings, scrub=0 * DAY)
    for number in range(300):
        reader.tenant.add(NOW - (300 - number) * DAY, state="SUCCEED")
    still_open = reader.tenant.add(NOW - 90 * DAY, state="WAITING")
    reader.sync()
    reader.tenant.now += DAY
    reader.tenant.change(still_open, "SUCCEED")
    reader.sync()
    assert reader.destination.rows[str(still_open.job_id)].state == "SUCCEED"
    assert parse_time(reader.destination.state["watermark"]) <= still_open.updated


def test_an_order_that_is_not_proved_ends_no_scan_early(make_reader: MakeReader) -> None:
    """In order of creation, the jobs on the first page are older than the watermark, and the
    changed job is not among them.
    """
    reader = make_reader(sorting="ignored")
    reader.settings = replace(reader.settings, scrub=0 * DAY)
    for number in range(1_000):
        reader.tenant.add(NOW - (1_000 - number) * DAY / 40, state="SUCCEED")
    reader.sync()
    reader.tenant.now += DAY
    reader.tenant.change(reader.tenant.jobs[-500], "BLOCK")
    reader.sync()
    assert reader.destination.rows[str(reader.tenant.jobs[-500].job_id)].state == "BLOCK"
