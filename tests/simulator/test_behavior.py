"""Behavior itself: names and values, changes between requests, latency."""

import time

import pytest

EVER = "2000-01-01T00:00:00Z"


def ids(rows):
    return [row["job_id"] for row in rows]


def test_something_changes_between_two_requests_but_not_before_the_first(sim, jobs_of):
    before = sim.tenant.visible()
    sim.behavior.between_requests = lambda tenant: tenant.vanish(before[0]["job_id"])
    assert ids(jobs_of(sim))[0] == before[0]["job_id"]
    assert ids(jobs_of(sim))[0] == before[1]["job_id"]


def test_numbers_of_changes_between_two_requests_will_do(sim, ask):
    sim.behavior.between_requests = {"vanish": 2, "update": 1, "create": 5}
    counts = [ask(sim, create_since=EVER).json()["count"] for _ in range(3)]
    assert counts == [300, 303, 306]


def test_latency_is_waited_for(sim, ask):
    sim.behavior.latency_seconds = 0.05
    sim.behavior.latency_jitter_seconds = 0.01
    began = time.monotonic()
    ask(sim)
    assert time.monotonic() - began >= 0.05


def test_an_unknown_behavior_cannot_be_set(sim):
    with pytest.raises(AttributeError):
        sim.behavior.latency = 1
    with pytest.raises(ValueError, match="honored"):
        sim.behavior.job_ids = "maybe"


@pytest.mark.parametrize(
    "wrong",
    [
        {"faults": ["explode"]},
        {"faults": {"4000": 1}},
        {"poison": "403:none"},
        {"max_offset_refusal": "teapot"},
        {"hidden_jobs": "some"},
        {"time_format": "unix"},
    ],
)
def test_a_wrong_value_is_refused_and_named(sim, wrong):
    (name,) = wrong
    before = getattr(sim.behavior, name)
    with pytest.raises(ValueError, match=name):
        sim.behavior.merge(wrong)
    assert getattr(sim.behavior, name) == before
