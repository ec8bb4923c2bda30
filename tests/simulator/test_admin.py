"""The admin path, for those who run the simulator as a process."""

from dataclasses import fields

import pytest
from metastudio_simulator import Behavior, Simulator


def test_behavior_merges_over_http(sim, admin, ask):
    shown = admin(sim, "behavior", {"page_cap": 3, "faults": ["500"]})
    assert (shown["page_cap"], shown["faults"], shown["job_ids"]) == (3, ["500"], "honored")
    assert [ask(sim).status_code, len(ask(sim).json()["jobs"])] == [500, 3]
    assert admin(sim, "behavior") == {**shown, "faults": []}


@pytest.mark.parametrize("wrong", [{"latency": 1}, {"faults": ["explode"]}, {"page_cap": 3, "job_ids": "maybe"}])
def test_wrong_behavior_changes_nothing_over_http(sim, admin, session, wrong):
    before = admin(sim, "behavior")
    assert session.post(f"{sim.url}/_admin/behavior", json=wrong, timeout=20).status_code == 400
    assert admin(sim, "behavior") == before


def test_the_tenant_can_be_changed_over_http(empty, admin):
    (job_id,) = admin(empty, "create", {"at": "2026-01-01T00:00:00Z", "state": "SUCCEED", "job_id": "mine"})
    admin(empty, "update", {"job_id": job_id, "asset_name": "renamed"})
    (row,) = admin(empty, "visible")
    assert (row["job_id"], row["output_asset_config"]["asset_name"]) == ("mine", "renamed")
    assert row["lastupdate_time"] == "2026-01-15T12:00:00Z"
    admin(empty, "corrupt", {"job_id": job_id, "duration": "abc"})
    assert admin(empty, "visible")[0]["duration"] == "abc"
    assert admin(empty, "hidden_fields", {"job_id": job_id})["create_time"] == "2026-01-01T00:00:00+00:00"
    admin(empty, "vanish", {"job_id": job_id})
    assert admin(empty, "visible") == []
    admin(empty, "reappear", {"job_id": job_id})
    admin(empty, "raw", {"row": "no object"})
    assert admin(empty, "visible")[-1] == "no object"
    admin(empty, "change", {"create": 2})
    admin(empty, "advance", {"seconds": 10})
    admin(empty, "live", {"seconds": 3600})
    admin(empty, "clock", {"skew_seconds": 5})
    state = admin(empty, "state")
    assert (state["now"], state["skew_seconds"], state["jobs"]) == ("2026-01-15T13:00:15Z", 5, 4)


def test_credentials_and_stats_are_served_over_http(sim, admin, ask):
    served = admin(sim, "credentials")
    assert (served["project_id"], served["secret_key"]) == (sim.project_id, sim.secret_key)
    assert ask(sim, headers={"X-Auth-Token": admin(sim, "token", {})}).status_code == 200
    assert admin(sim, "temporary_key", {})["security_token"]
    assert (admin(sim, "stats")["served"], len(admin(sim, "log"))) == (1, 1)
    admin(sim, "reset_stats", {})
    admin(sim, "revoke_tokens", {})
    assert (admin(sim, "stats")["requests"], len(sim.log)) == (0, 0)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("nonsense", {}, 404),
        ("update", {"job_id": "nobody"}, 400),
        ("create", {"colour": "red"}, 400),
        ("live", {}, 400),
    ],
)
def test_an_invalid_admin_request_gets_the_reason(sim, session, path, body, status):
    answer = session.post(f"{sim.url}/_admin/{path}", json=body, timeout=20)
    assert answer.status_code == status
    assert answer.json()["error_msg"]


def test_the_server_listens_on_loopback_only():
    with Simulator(jobs=0) as sim:
        assert sim.url.startswith("http://127.0.0.1:")


def test_every_behavior_can_be_read_and_set_over_http(sim, admin):
    shown = admin(sim, "behavior")
    assert set(shown) == {one.name for one in fields(Behavior)}
    assert admin(sim, "behavior", shown) == shown
    assert sim.behavior == Behavior()


def test_selected_jobs_are_served_over_http(sim, admin, ask):
    admin(sim, "behavior", {"hidden_jobs": 2, "replica_lags_seconds": [0, 5], "empty_page": "null_jobs"})
    hidden = admin(sim, "selected/hidden_jobs")
    assert hidden == sim.tenant.selected("hidden_jobs")
    assert ask(sim, job_ids=hidden, create_since="2000-01-01T00:00:00Z").json() == {"count": 2, "jobs": None}
    assert len(admin(sim, "update_some", {"n": 3, "state": "BLOCK", "at": "2026-01-15T11:00:00Z"})) == 3
