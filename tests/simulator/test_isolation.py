"""What a key may see: the service configuration, IAM-user isolation, and a share of the jobs."""

import pytest

EVER = "2000-01-01T00:00:00Z"


@pytest.fixture
def ask_config(session):
    def ask_config(sim, *, token=None, project_id=None):
        url = f"{sim.url}/v1/{project_id or sim.project_id}/tenants/service-configs"
        return session.get(url, headers={"X-Auth-Token": token or sim.token()}, timeout=20)

    return ask_config


@pytest.mark.parametrize(("isolation", "controlled"), [("off", False), ("on", True)])
def test_the_service_configuration_shows_isolation(sim, ask_config, isolation, controlled):
    sim.behavior.isolation = isolation
    answer = ask_config(sim)
    config = {"separately_controlled": controlled, "sub_account_type": "IAM_USER"}
    assert answer.json() == {"sub_account_control_config": config}
    assert answer.headers["X-Request-Id"]
    assert (sim.stats.config_requests, sim.stats.requests) == (1, 0)


def test_the_service_configuration_may_be_missing(sim, ask_config):
    sim.behavior.isolation = "not_found"
    assert (ask_config(sim).status_code, ask_config(sim).json()["error_code"]) == (404, "MSS.00000002")


def test_the_service_configuration_asks_for_credentials(sim, ask_config):
    assert ask_config(sim, token="MII").status_code == 401
    assert ask_config(sim, project_id="0" * 32).status_code == 404


def test_isolation_puts_the_callers_own_user_in_place_of_the_asked_one(sim, ask):
    def count(**headers):
        headers = {"X-Auth-Token": sim.token(), **headers}
        return ask(sim, headers=headers, create_since=EVER).json()["count"]

    own = count(**{"X-App-UserId": "user-1"})
    assert 0 < own < count() == 300
    assert count(**{"X-App-UserId": "user-2"}) == 0
    sim.behavior.isolation = "on"
    assert count() == count(**{"X-App-UserId": "user-1"}) == count(**{"X-App-UserId": "user-2"}) == own
    assert len(sim.tenant.visible()) == own
    sim.behavior.iam_user = "nobody"
    assert count() == 0


def test_a_key_may_suddenly_see_a_part_of_the_jobs_only(sim, ask, jobs_of):
    sim.behavior.visible_share = 0.1
    shown = [row["job_id"] for row in jobs_of(sim)]
    assert 15 <= len(shown) <= 50
    assert [row["job_id"] for row in sim.tenant.visible()] == shown
    assert ask(sim, create_since=EVER).json()["count"] == len(shown)
    sim.behavior.visible_share = 1.0
    assert ask(sim, create_since=EVER).json()["count"] == 300
