"""Lists and counts from copies that lag behind."""

from itertools import pairwise

import pytest

EVER = "2000-01-01T00:00:00Z"


@pytest.fixture
def count(ask):
    return lambda sim, **params: ask(sim, create_since=EVER, **params).json()["count"]


def test_copies_answer_by_turns_each_with_its_lag(sim, count):
    sim.behavior.replica_lags_seconds = [0, 30]
    assert count(sim) == count(sim) == 300
    sim.tenant.create(5)
    assert [count(sim) for _ in range(4)] == [305, 300, 305, 300]
    sim.clock.advance(29)
    assert [count(sim) for _ in range(2)] == [305, 300]
    sim.clock.advance(1)
    assert [count(sim) for _ in range(2)] == [305, 305]


def test_copies_may_answer_at_random(sim, count):
    sim.behavior.merge({"replica_lags_seconds": [0, 30], "replica_choice": "random"})
    count(sim)
    sim.tenant.create(5)
    counts = [count(sim) for _ in range(40)]
    assert 8 <= counts.count(300) <= 32
    assert any(one == other for one, other in pairwise(counts))


def test_a_lagging_copy_shows_rows_as_they_were(sim, jobs_of):
    rows = sim.tenant.visible()
    sim.behavior.replica_lags_seconds = [60]
    jobs_of(sim)
    sim.tenant.update(rows[0]["job_id"], state="FAILED" if rows[0]["state"] != "FAILED" else "BLOCK")
    sim.tenant.vanish(rows[1]["job_id"])
    sim.tenant.create(job_id="new")
    old = jobs_of(sim)
    assert (old[0]["state"], old[1]["job_id"]) == (rows[0]["state"], rows[1]["job_id"])
    assert jobs_of(sim, job_ids="new") == []
    sim.clock.advance(60)
    new = jobs_of(sim)
    assert new[0]["state"] != rows[0]["state"]
    assert new[1]["job_id"] == rows[2]["job_id"]
    assert [row["job_id"] for row in jobs_of(sim, job_ids="new")] == ["new"]
    assert jobs_of(sim, sort_key="update_time", sort_dir="desc")[0]["job_id"] in ("new", rows[0]["job_id"])


def test_a_copy_lags_behind_each_event_of_a_life(sim, jobs_of):
    sim.behavior.replica_lags_seconds = [0, 600]
    jobs_of(sim), jobs_of(sim)
    before = {row["job_id"] for row in sim.tenant.visible()}
    sim.tenant.live(86_400)
    gone = before - {row["job_id"] for row in sim.tenant.visible()}
    fresh, lagging = jobs_of(sim, sort_dir="desc"), jobs_of(sim, sort_dir="desc")
    assert len([row for row in lagging if row["create_time"] > "2026-01-15T12:00:00Z"]) >= 1
    assert max(row["lastupdate_time"] for row in lagging) <= "2026-01-16T11:50:00Z"
    assert gone and [jobs_of(sim, job_ids=sorted(gone)) for _ in range(2)] == [[], []]
    sim.clock.advance(600)
    caught_up = [jobs_of(sim, sort_dir="desc") for _ in range(2)][1]
    assert [row["job_id"] for row in caught_up] == [row["job_id"] for row in fresh]


def test_the_count_may_come_from_another_copy(sim, ask):
    sim.behavior.merge({"replica_lags_seconds": [0, 30], "count_from_another_replica": True})
    ask(sim), ask(sim)
    sim.tenant.create(5)
    query = {"create_since": EVER, "sort_dir": "desc", "limit": 6}
    answers = [ask(sim, **query).json() for _ in range(2)]
    newest = [answer["jobs"][0]["create_time"] == "2026-01-15T12:00:00Z" for answer in answers]
    assert list(zip((answer["count"] for answer in answers), newest, strict=True)) == [(300, True), (305, False)]


def test_one_copy_without_lag_is_the_tenant_again(sim, count):
    sim.behavior.replica_lags_seconds = [3600]
    count(sim)
    sim.tenant.create(5)
    assert count(sim) == 300
    sim.behavior.replica_lags_seconds = []
    assert count(sim) == 305
