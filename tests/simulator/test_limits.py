"""Limits that an endpoint may have: of sorting, depth, width, counts, pages and addresses."""

import pytest
import requests

EVER = "2000-01-01T00:00:00Z"


def ids(rows):
    return [row["job_id"] for row in rows]


def test_ignored_update_time_sorting_sorts_by_create_time(sim, jobs_of):
    honest = jobs_of(sim, sort_key="update_time", sort_dir="desc")
    sim.behavior.update_time_sorting = "ignored"
    ignored = jobs_of(sim, sort_key="update_time", sort_dir="desc")
    assert ids(ignored) == ids(jobs_of(sim, sort_dir="desc"))
    assert ids(ignored) != ids(honest)


def test_refused_update_time_sorting_is_an_invalid_parameter(sim, ask):
    sim.behavior.update_time_sorting = "refused"
    answer = ask(sim, sort_key="update_time")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MSS.00000003")
    assert ask(sim, sort_key="create_time").status_code == 200


def test_a_capped_page_has_fewer_rows_than_asked_for(sim, jobs_of):
    sim.behavior.page_cap = 30
    assert len(jobs_of(sim, limit=100)) == 30
    assert len(jobs_of(sim, limit=7)) == 7


def test_the_count_can_be_off(sim, ask):
    sim.behavior.count_offset = 5
    assert ask(sim, create_since=EVER).json()["count"] == 305
    sim.behavior.count_offset = -1000
    assert ask(sim, create_since=EVER).json()["count"] == 0


def error(answer):
    return answer.status_code, answer.json()["error_code"]


@pytest.mark.parametrize(("refusal", "code"), [("400", "MSS.00000003"), ("404", "MSS.00000002")])
def test_a_depth_beyond_the_limit_is_refused(sim, ask, refusal, code):
    sim.behavior.merge({"max_offset": 200, "max_offset_refusal": refusal})
    assert ask(sim, create_since=EVER, offset=100, limit=100).json()["count"] == 300
    assert error(ask(sim, create_since=EVER, offset=101, limit=100)) == (int(refusal), code)
    assert error(ask(sim, create_since=EVER, offset=200, limit=1)) == (int(refusal), code)


@pytest.mark.parametrize("refusal", ["400", "504"])
def test_a_range_beyond_the_limit_is_refused(sim, ask, refusal):
    sim.behavior.merge({"max_range_days": 31, "max_range_refusal": refusal})
    wide = {"create_since": "2025-12-01T00:00:00Z", "create_until": "2026-01-01T00:00:01Z"}
    assert ask(sim, **wide).status_code == int(refusal)
    assert ask(sim, **wide | {"create_until": "2026-01-01T00:00:00Z"}).status_code == 200
    assert ask(sim, create_since=EVER).status_code == int(refusal)
    assert ask(sim).status_code == 200


def test_a_range_beyond_the_limit_may_get_no_answer(sim, session, ask):
    sim.behavior.merge({"max_range_days": 31, "max_range_refusal": "hang"})
    url = f"{sim.url}/v1/{sim.project_id}/digital-human-videos?create_since={EVER}"
    with pytest.raises(requests.exceptions.ReadTimeout):
        session.get(url, headers={"X-Auth-Token": sim.token()}, timeout=0.1)
    assert ask(sim).status_code == 200


def test_an_end_ahead_of_the_servers_clock_may_be_refused(sim, ask):
    sim.behavior.future_until_refusal = "400"
    assert ask(sim, create_until="2026-01-15T12:00:00Z").status_code == 200
    assert error(ask(sim, create_until="2026-01-15T12:00:01Z")) == (400, "MSS.00000003")
    sim.clock.advance(1)
    assert ask(sim, create_until="2026-01-15T12:00:01Z").status_code == 200


def test_the_count_may_stop_at_a_figure_while_the_list_goes_on(sim, ask):
    sim.behavior.count_cap = 120
    answer = ask(sim, create_since=EVER, offset=250, limit=100).json()
    assert (answer["count"], len(answer["jobs"])) == (120, 50)


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_the_list_may_stop_too(sim, ask, direction):
    rows = ids(sim.tenant.visible())[:: 1 if direction == "asc" else -1]
    sim.behavior.list_cap = 120
    answer = ask(sim, create_since=EVER, sort_dir=direction, offset=100, limit=100).json()
    assert (answer["count"], ids(answer["jobs"])) == (300, rows[100:120])
    assert ask(sim, create_since=EVER, offset=120).json()["jobs"] == []
    sim.behavior.count_cap = 120
    assert ask(sim, create_since=EVER, sort_dir=direction).json()["count"] == 120


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("empty_list", b'{"count":300,"jobs":[]}'),
        ("no_jobs", b'{"count":300}'),
        ("null_jobs", b'{"count":300,"jobs":null}'),
        ("empty_object", b"{}"),
    ],
)
def test_an_empty_page_has_several_forms(sim, ask, form, body):
    sim.behavior.empty_page = form
    assert ask(sim, create_since=EVER, offset=300).content == body
    assert len(ask(sim, create_since=EVER, offset=299).json()["jobs"]) == 1


def test_a_long_address_is_refused_by_the_gateway(sim, ask):
    sim.behavior.max_url_bytes = 2048
    answer = ask(sim, asset_name="x" * 2048)
    assert (answer.status_code, answer.headers["Content-Type"]) == (414, "text/html")
    assert ask(sim, asset_name="x" * 1900).status_code == 200


def test_the_sort_direction_may_be_ignored_or_refused(sim, ask, jobs_of):
    up = ids(jobs_of(sim))
    sim.behavior.sort_direction = "ignored"
    assert ids(jobs_of(sim, sort_dir="desc")) == up
    sim.behavior.sort_direction = "refused"
    assert error(ask(sim, sort_dir="desc")) == (400, "MSS.00000003")
    assert ask(sim, sort_dir="asc").status_code == 200
