"""What may become of `job_ids`."""

EVER = "2000-01-01T00:00:00Z"


def ids(rows):
    return [row["job_id"] for row in rows]


def test_an_endpoint_that_ignores_job_ids_lists_everything(sim, ask):
    sim.behavior.job_ids = "ignored"
    some = sim.tenant.visible()[0]["job_id"]
    assert ask(sim, job_ids=some, create_since=EVER).json()["count"] == 300
    assert ask(sim, job_id=some, create_since=EVER).json()["count"] == 1
