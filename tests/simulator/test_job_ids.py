"""The ways in which endpoints treat `job_ids`."""

import pytest

EVER = "2000-01-01T00:00:00Z"


def ids(rows):
    return [row["job_id"] for row in rows]


def test_an_endpoint_that_ignores_job_ids_lists_everything(sim, ask):
    sim.behavior.job_ids = "ignored"
    some = sim.tenant.visible()[0]["job_id"]
    assert ask(sim, job_ids=some, create_since=EVER).json()["count"] == 300
    assert ask(sim, job_id=some, create_since=EVER).json()["count"] == 1


@pytest.fixture
def three(sim):
    return [sim.tenant.visible()[place]["job_id"] for place in (5, 120, 250)]


@pytest.mark.parametrize(
    ("behavior", "repeated", "joined"),
    [("honored", 3, 3), ("repeated_only", 3, 0), ("comma_joined_only", 1, 3), ("ignored", 300, 300)],
)
def test_an_endpoint_may_read_one_spelling_only(sim, ask, three, behavior, repeated, joined):
    sim.behavior.job_ids = behavior
    assert ask(sim, create_since=EVER, job_ids=three).json()["count"] == repeated
    assert ask(sim, create_since=EVER, job_ids=",".join(three)).json()["count"] == joined


@pytest.mark.parametrize("refusal", ["400", "404", "414"])
def test_an_endpoint_may_refuse_the_parameter(sim, ask, three, refusal):
    sim.behavior.merge({"job_ids": "refused", "job_ids_refusal": refusal})
    assert ask(sim, job_ids=three).status_code == int(refusal)
    assert ask(sim, job_id=three[0]).status_code == 200


def test_an_unknown_id_may_be_not_found(sim, ask, three):
    assert ask(sim, create_since=EVER, job_ids=[*three, "nobody"]).json()["count"] == 3
    sim.behavior.unknown_job_ids_refusal = "404"
    assert ask(sim, create_since=EVER, job_ids=three).json()["count"] == 3
    answer = ask(sim, create_since=EVER, job_ids=[*three, "nobody"])
    assert (answer.status_code, answer.json()["error_code"]) == (404, "MSS.00000002")
    sim.tenant.vanish(three[0])
    assert ask(sim, create_since=EVER, job_ids=three).status_code == 404
