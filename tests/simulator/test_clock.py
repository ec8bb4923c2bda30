"""The clock, windows over times finer than shown, and when jobs become visible."""

import time
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from metastudio_simulator import Simulator

EVER = "2000-01-01T00:00:00Z"


def ids(answer):
    return [job["job_id"] for job in answer.json()["jobs"]]


def test_without_create_since_only_the_last_month_is_listed(empty, ask):
    (old,) = empty.tenant.create(at="2025-12-16T11:59:59.999999Z")
    (young,) = empty.tenant.create(at="2025-12-16T12:00:00Z")
    assert ids(ask(empty)) == [young]
    assert ids(ask(empty, create_until="2026-01-15T12:00:00Z")) == [young]
    assert ids(ask(empty, job_id=old)) == []
    assert ids(ask(empty, create_since=EVER)) == [old, young]


def test_the_last_month_moves_with_the_clock(empty, ask):
    empty.tenant.create()
    empty.clock.advance(30 * 86_400)
    assert ask(empty).json()["count"] == 1
    empty.clock.advance(1)
    assert ask(empty).json()["count"] == 0


def test_windows_include_both_ends(empty, ask):
    (job_id,) = empty.tenant.create(at="2026-01-01T00:00:10Z")
    assert ids(ask(empty, create_since="2026-01-01T00:00:10Z", create_until="2026-01-01T00:00:10Z")) == [job_id]
    assert ids(ask(empty, create_since="2026-01-01T00:00:11Z")) == []
    assert ids(ask(empty, create_since=EVER, create_until="2026-01-01T00:00:09Z")) == []


def test_windows_a_second_apart_lose_a_row_between_the_seconds(empty, ask):
    (job_id,) = empty.tenant.create(at="2026-01-01T00:00:10.4Z")
    left = ask(empty, create_since="2026-01-01T00:00:00Z", create_until="2026-01-01T00:00:10Z")
    right = ask(empty, create_since="2026-01-01T00:00:11Z", create_until="2026-01-01T00:00:20Z")
    shared = ask(empty, create_since="2026-01-01T00:00:10Z", create_until="2026-01-01T00:00:20Z")
    assert (ids(left), ids(right), ids(shared)) == ([], [], [job_id])
    assert shared.json()["jobs"][0]["create_time"] == "2026-01-01T00:00:10Z"


def test_rows_are_ordered_by_times_finer_than_shown(empty, jobs_of):
    made = [empty.tenant.create(at=f"2026-01-01T00:00:10.{part}Z")[0] for part in ("9", "1", "5")]
    shown = jobs_of(empty)
    assert [job["job_id"] for job in shown] == [made[1], made[2], made[0]]
    assert len({job["create_time"] for job in shown}) == 1


def test_a_job_that_becomes_visible_late_is_in_no_list_before(empty, ask):
    (late,) = empty.tenant.create(visible_after_seconds=30)
    assert (ask(empty).json()["count"], ids(ask(empty, job_ids=late)), empty.tenant.visible()) == (0, [], [])
    empty.clock.advance(29)
    assert ids(ask(empty)) == []
    empty.clock.advance(1)
    assert ids(ask(empty)) == [late]
    assert ask(empty).json()["jobs"][0]["create_time"] == "2026-01-15T12:00:00Z"


def test_a_late_job_that_vanished_and_came_back_is_listed_once(empty, ask):
    (late,) = empty.tenant.create(visible_after_seconds=30)
    empty.tenant.vanish(late)
    empty.tenant.reappear(late)
    empty.clock.advance(60)
    assert ids(ask(empty)) == [late]


def test_a_frozen_clock_is_moved_by_advance_alone(empty, ask):
    assert ask(empty).headers["Date"] == ask(empty).headers["Date"] == "Thu, 15 Jan 2026 12:00:00 GMT"
    empty.clock.advance(90)
    assert ask(empty).headers["Date"] == "Thu, 15 Jan 2026 12:01:30 GMT"
    assert empty.clock.now().isoformat() == "2026-01-15T12:01:30+00:00"


def test_a_running_clock_follows_the_machine(ask):
    with Simulator(jobs=0) as sim:
        shown = parsedate_to_datetime(ask(sim).headers["Date"]).timestamp()
        assert abs(shown - time.time()) < 5
        assert abs(sim.clock.now().timestamp() - time.time()) < 5


def test_skew_sets_the_whole_server_off(empty, ask):
    empty.clock.skew_seconds = -3600
    (job_id,) = empty.tenant.create()
    answer = ask(empty)
    assert answer.headers["Date"] == "Thu, 15 Jan 2026 11:00:00 GMT"
    assert ids(answer) == [job_id]
    assert answer.json()["jobs"][0]["create_time"] == "2026-01-15T11:00:00Z"


def test_date_skew_changes_only_the_header(empty, ask):
    empty.behavior.date_skew_seconds = 7200
    empty.tenant.create()
    answer = ask(empty)
    assert answer.headers["Date"] == "Thu, 15 Jan 2026 14:00:00 GMT"
    assert answer.json()["jobs"][0]["create_time"] == "2026-01-15T12:00:00Z"


def test_the_date_header_is_off_for_the_first_answers_only(empty, ask):
    empty.behavior.merge({"date_skew_seconds": -30, "date_skew_answers": 2})
    shown = [ask(empty).headers["Date"][17:25] for _ in range(3)]
    assert shown == ["11:59:30", "11:59:30", "12:00:00"]


def test_the_date_header_can_be_missing_or_nonsense(sim, ask):
    sim.behavior.date_header = False
    assert "Date" not in ask(sim).headers
    sim.behavior.date_header = "yesterday"
    assert ask(sim).headers["Date"] == "yesterday"


def test_times_given_from_python_need_a_zone(empty):
    with pytest.raises(ValueError, match="zone"):
        empty.tenant.create(at="2026-01-01T00:00:00")


def test_python_may_give_times_as_text_number_or_datetime(empty):
    now = empty.clock.now()
    exact = now - timedelta(microseconds=1)
    made = [empty.tenant.create(at=at)[0] for at in (now, now.timestamp(), "2026-01-15T12:00:00Z", exact)]
    assert [empty.tenant.hidden_fields(job_id)["create_time"] for job_id in made] == [now, now, now, exact]
