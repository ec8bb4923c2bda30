"""Filters that do not select what they should: zones, ends, precision, states and job types."""

import pytest

EVER = "2000-01-01T00:00:00Z"
SECOND = "2026-01-01T00:00:10Z"


def ids(rows):
    return [row["job_id"] for row in rows]


def test_filters_may_read_times_in_another_zone(empty, jobs_of):
    (job_id,) = empty.tenant.create(at="2026-01-01T00:00:00Z")
    empty.behavior.filter_utc_offset_hours = 8
    assert jobs_of(empty, create_since=EVER, create_until="2026-01-01T07:59:59Z") == []
    assert ids(jobs_of(empty, create_since="2026-01-01T08:00:00Z", create_until="2026-01-01T08:00:00Z")) == [job_id]
    assert jobs_of(empty)[0]["create_time"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("end", ["create_since", "create_until"])
def test_an_end_of_the_range_may_be_left_out(empty, jobs_of, end):
    empty.tenant.create(at=SECOND)
    window = {"create_since": SECOND, "create_until": SECOND}
    assert len(jobs_of(empty, **window)) == 1
    empty.behavior.merge({f"{end}_exclusive": True})
    assert jobs_of(empty, **window) == []
    assert len(jobs_of(empty, **{"create_since": EVER, "create_until": "2026-01-01T00:00:11Z"})) == 1


@pytest.mark.parametrize(("exclusive", "shown"), [(None, 2), ("create_since", 0), ("create_until", 0)])
def test_filters_may_compare_full_seconds(empty, jobs_of, exclusive, shown):
    empty.tenant.create(at="2026-01-01T00:00:10.4Z")
    empty.tenant.create(at=SECOND)
    assert len(jobs_of(empty, create_since=EVER, create_until=SECOND)) == 1
    empty.behavior.filter_precision = "seconds"
    if exclusive:
        empty.behavior.merge({f"{exclusive}_exclusive": True})
    assert len(jobs_of(empty, create_since=SECOND, create_until=SECOND)) == shown


def test_a_shown_state_may_be_unknown_to_the_filter(sim, ask):
    every = ask(sim, create_since=EVER, state="SUCCEED").json()["count"]
    failed = ask(sim, create_since=EVER, state="FAILED").json()["count"]
    sim.behavior.merge({"shown_states": {"SUCCEED": "SUCCESS"}, "unfilterable_states": ["SUCCESS"]})
    assert ask(sim, create_since=EVER, state="SUCCESS").json() == {"count": 0, "jobs": []}
    assert ask(sim, create_since=EVER, state="SUCCEED").json()["count"] == every > 0
    assert ask(sim, create_since=EVER, state="SUCCESS,FAILED").json()["count"] == failed > 0


def test_a_shown_state_may_be_refused_by_the_filter(sim, ask):
    sim.behavior.refused_states = ["BLOCK"]
    assert "BLOCK" in {row["state"] for row in sim.tenant.visible()}
    assert ask(sim, state="BLOCK").json()["error_code"] == "MSS.00000003"
    assert ask(sim, state="FAILED,BLOCK").status_code == 400
    assert ask(sim, state="FAILED").status_code == 200


def test_a_job_type_may_be_shown_under_another_name_than_its_filters(sim, jobs_of):
    two_d = jobs_of(sim, job_type="2D_DIGITAL_HUMAN_VIDEO")
    sim.behavior.shown_job_types = {"2D_DIGITAL_HUMAN_VIDEO": "DIGITAL_HUMAN_2D"}
    shown = jobs_of(sim, job_type="2D_DIGITAL_HUMAN_VIDEO")
    assert ids(shown) == ids(two_d)
    assert {row.get("job_type", "DIGITAL_HUMAN_2D") for row in shown} == {"DIGITAL_HUMAN_2D"}
    assert jobs_of(sim, job_type="DIGITAL_HUMAN_2D") == []
