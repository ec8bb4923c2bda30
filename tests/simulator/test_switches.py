"""The switches that make the server older, stranger or nastier, from Python and over the admin path."""

import time

import pytest
from metastudio_simulator import ABSENT, Simulator

EVER = "2000-01-01T00:00:00Z"


@pytest.fixture
def admin(session):
    """Calls the admin path: a body makes it a POST."""

    def call(sim, name, body=None):
        method = "GET" if body is None else "POST"
        answer = session.request(method, f"{sim.url}/_admin/{name}", json=body, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    return call


def ids(rows):
    return [row["job_id"] for row in rows]


def test_ignored_update_time_sorting_sorts_by_create_time(sim, jobs_of):
    honest = jobs_of(sim, sort_key="update_time", sort_dir="desc")
    sim.switches.update_time_sorting = "ignored"
    ignored = jobs_of(sim, sort_key="update_time", sort_dir="desc")
    assert ids(ignored) == ids(jobs_of(sim, sort_dir="desc"))
    assert ids(ignored) != ids(honest)


def test_refused_update_time_sorting_is_an_invalid_parameter(sim, ask):
    sim.switches.update_time_sorting = "refused"
    answer = ask(sim, sort_key="update_time")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MSS.00000003")
    assert ask(sim, sort_key="create_time").status_code == 200


def test_an_endpoint_that_ignores_job_ids_lists_everything(sim, ask):
    sim.switches.job_ids = "ignored"
    some = sim.tenant.visible()[0]["job_id"]
    assert ask(sim, job_ids=some, create_since=EVER).json()["count"] == 300
    assert ask(sim, job_id=some, create_since=EVER).json()["count"] == 1


def test_a_capped_page_has_fewer_rows_than_asked_for(sim, jobs_of):
    sim.switches.page_cap = 30
    assert len(jobs_of(sim, limit=100)) == 30
    assert len(jobs_of(sim, limit=7)) == 7


def test_unknown_fields_and_states_are_shown(sim, jobs_of, ask):
    sim.switches.unknown_fields = {"priority": 3, "labels": {"team": "a"}}
    sim.switches.shown_states = {"SUCCEED": "SUCCESS"}
    rows = jobs_of(sim)
    assert all(row["priority"] == 3 and row["labels"] == {"team": "a"} for row in rows)
    assert "SUCCESS" in {row["state"] for row in rows}
    assert "SUCCEED" not in {row["state"] for row in rows}
    assert ids(jobs_of(sim, state="SUCCESS")) == ids(jobs_of(sim, state="SUCCEED"))
    sim.switches.unknown_fields = {}
    assert all("priority" not in row for row in jobs_of(sim))


def test_a_state_nobody_knows_can_be_given_to_a_job(empty, jobs_of):
    (job_id,) = empty.tenant.create(state="ARCHIVED")
    assert (ids(jobs_of(empty, state="ARCHIVED")), jobs_of(empty)[0]["state"]) == ([job_id], "ARCHIVED")


def test_spoiled_rows_show_what_they_should_not(empty, jobs_of):
    (job_id,) = empty.tenant.create(state="SUCCEED")
    empty.tenant.spoil(job_id, lastupdate_time="not-a-time", duration="abc", state=ABSENT)
    (row,) = jobs_of(empty)
    assert (row["lastupdate_time"], row["duration"], "state" in row) == ("not-a-time", "abc", False)
    assert empty.tenant.visible()[0]["duration"] == "abc"


def test_raw_rows_take_their_place_in_the_list(empty, jobs_of):
    made = empty.tenant.create(at="2026-01-01T00:00:00Z") + empty.tenant.create(at="2026-01-03T00:00:00Z")
    raw = ["a string", None, {"state": "SUCCEED"}, {"job_id": "a", "lastupdate_time": "not-a-time", "duration": "abc"}]
    keys = [empty.tenant.add_raw(row, at=f"2026-01-02T00:00:0{place}Z") for place, row in enumerate(raw)]
    rows = jobs_of(empty)
    assert rows[1:5] == raw
    assert [rows[0]["job_id"], rows[5]["job_id"]] == made
    assert jobs_of(empty, job_ids="a") == [raw[3]]
    assert ids(empty.tenant.visible()) == [made[0], "a", made[1]]
    assert len(empty.tenant.visible(everything=True)) == 6
    empty.tenant.vanish(keys[1])
    assert len(jobs_of(empty)) == 5


def test_urls_are_signed_anew_on_every_answer(sim, jobs_of):
    def signed(rows):
        assets = [row["output_asset_config"] for row in rows if row.get("output_asset_config")]
        return [url for asset in assets for url in (asset["cover_url"], asset.get("preview_video_url")) if url]

    first, second = signed(jobs_of(sim)), signed(jobs_of(sim))
    assert [url.split("?")[0] for url in first] == [url.split("?")[0] for url in second]
    assert not set(first) & set(second)
    assert len({url.split("Signature=")[1] for url in first + second}) == 2 * len(first)
    assert all("?AccessKeyId=" in url and f"&Expires={1768478400 + 86400}&" in url for url in first)


def test_the_count_can_be_off(sim, ask):
    sim.switches.count_offset = 5
    assert ask(sim, create_since=EVER).json()["count"] == 305
    sim.switches.count_offset = -1000
    assert ask(sim, create_since=EVER).json()["count"] == 0


def test_something_changes_between_two_requests_but_not_before_the_first(sim, jobs_of):
    before = sim.tenant.visible()
    sim.switches.between_requests = lambda tenant: tenant.vanish(before[0]["job_id"])
    assert ids(jobs_of(sim))[0] == before[0]["job_id"]
    assert ids(jobs_of(sim))[0] == before[1]["job_id"]


def test_numbers_of_changes_between_two_requests_will_do(sim, ask):
    sim.switches.between_requests = {"vanish": 2, "update": 1, "create": 5}
    counts = [ask(sim, create_since=EVER).json()["count"] for _ in range(3)]
    assert counts == [300, 303, 306]


def test_the_date_header_can_be_missing_or_nonsense(sim, ask):
    sim.switches.date_header = False
    assert "Date" not in ask(sim).headers
    sim.switches.date_header = "yesterday"
    assert ask(sim).headers["Date"] == "yesterday"


def test_latency_is_waited_for(sim, ask):
    sim.switches.latency_seconds = 0.05
    sim.switches.latency_jitter_seconds = 0.01
    began = time.monotonic()
    ask(sim)
    assert time.monotonic() - began >= 0.05


def test_a_switch_that_does_not_exist_cannot_be_set(sim):
    with pytest.raises(AttributeError):
        sim.switches.latency = 1
    with pytest.raises(ValueError, match="honoured"):
        sim.switches.job_ids = "maybe"


def test_the_log_tells_every_list_request(sim, ask):
    answer = ask(sim, limit=3, state="FAILED", headers={"X-Auth-Token": sim.token(), "X-App-UserId": "user-1"})
    ask(sim, limit=0)
    good, bad = sim.log
    assert (good.params, good.status, good.app_user_id) == ({"limit": "3", "state": "FAILED"}, 200, "user-1")
    assert good.request_id == answer.headers["X-Request-Id"]
    assert (bad.status, bad.at >= good.at) == (400, True)
    assert (sim.stats.requests, list(sim.stats.request_times)) == (2, [good.at, bad.at])
    assert sim.stats.served_per_second() == [1]
    sim.stats.reset()
    assert (sim.stats.requests, sim.stats.by_status, len(sim.stats.request_times)) == (0, {}, 0)


def test_switches_merge_over_http(sim, admin, ask):
    shown = admin(sim, "switches", {"page_cap": 3, "faults": ["500"]})
    assert (shown["page_cap"], shown["faults"], shown["job_ids"]) == (3, ["500"], "honoured")
    assert [ask(sim).status_code, len(ask(sim).json()["jobs"])] == [500, 3]
    assert admin(sim, "switches") == {**shown, "faults": []}


@pytest.mark.parametrize("wrong", [{"latency": 1}, {"faults": ["explode"]}, {"page_cap": 3, "job_ids": "maybe"}])
def test_wrong_switches_change_nothing_over_http(sim, admin, session, wrong):
    before = admin(sim, "switches")
    assert session.post(f"{sim.url}/_admin/switches", json=wrong, timeout=20).status_code == 400
    assert admin(sim, "switches") == before


def test_the_tenant_can_be_worked_over_http(empty, admin):
    (job_id,) = admin(empty, "create", {"at": "2026-01-01T00:00:00Z", "state": "SUCCEED", "job_id": "mine"})
    admin(empty, "update", {"job_id": job_id, "asset_name": "renamed"})
    (row,) = admin(empty, "visible")
    assert (row["job_id"], row["output_asset_config"]["asset_name"]) == ("mine", "renamed")
    assert row["lastupdate_time"] == "2026-01-15T12:00:00Z"
    admin(empty, "spoil", {"job_id": job_id, "duration": "abc"})
    assert admin(empty, "visible")[0]["duration"] == "abc"
    assert admin(empty, "inside", {"job_id": job_id})["create_time"] == "2026-01-01T00:00:00+00:00"
    admin(empty, "vanish", {"job_id": job_id})
    assert admin(empty, "visible") == []
    admin(empty, "reappear", {"job_id": job_id})
    admin(empty, "raw", {"row": "no object"})
    assert admin(empty, "visible")[-1] == "no object"
    admin(empty, "change", {"create": 2})
    admin(empty, "advance", {"seconds": 10})
    admin(empty, "live", {"seconds": 3600})
    admin(empty, "clock", {"skew_seconds": 5, "date_skew_seconds": 1})
    state = admin(empty, "state")
    assert (state["now"], state["skew_seconds"], state["jobs"]) == ("2026-01-15T13:00:15Z", 5, 4)


def test_credentials_and_stats_are_told_over_http(sim, admin, ask):
    told = admin(sim, "credentials")
    assert (told["project_id"], told["secret_key"]) == (sim.project_id, sim.secret_key)
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
def test_a_wrong_admin_request_is_told_what_is_wrong(sim, session, path, body, status):
    answer = session.post(f"{sim.url}/_admin/{path}", json=body, timeout=20)
    assert answer.status_code == status
    assert answer.json()["error_msg"]


def test_the_server_listens_on_loopback_only():
    with Simulator(jobs=0) as sim:
        assert sim.url.startswith("http://127.0.0.1:")
