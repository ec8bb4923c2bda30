"""Limits that an endpoint may have: of sorting, depth, width, counts, pages and addresses."""

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
