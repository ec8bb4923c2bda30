"""Rows that are counted but not listed, listed twice, blank, or that break their page."""

import pytest

EVER = "2000-01-01T00:00:00Z"


@pytest.fixture
def read_all(ask):
    """Read every page: the count, and the rows page by page."""

    def read_all(sim, limit=100):
        first = ask(sim, create_since=EVER, limit=limit).json()
        rest = [
            ask(sim, create_since=EVER, limit=limit, offset=offset).json()
            for offset in range(limit, first["count"], limit)
        ]
        assert {page["count"] for page in rest} <= {first["count"]}
        return first["count"], [page["jobs"] for page in [first, *rest]]

    return read_all


def ids(pages):
    return [row["job_id"] for page in pages for row in page]


def test_hidden_jobs_are_counted_and_their_pages_are_short(sim, read_all):
    rows = ids([sim.tenant.visible()])
    sim.behavior.hidden_jobs = [rows[0], rows[150]]
    count, pages = read_all(sim)
    assert (count, [len(page) for page in pages]) == (300, [99, 99, 100])
    assert ids(pages) == ids([sim.tenant.visible()]) == [row for row in rows if row not in (rows[0], rows[150])]


def test_a_list_may_close_up_over_its_hidden_jobs(sim, read_all, jobs_of):
    rows = ids([sim.tenant.visible()])
    sim.behavior.merge({"hidden_jobs": [rows[0], rows[1], rows[150]], "hidden_jobs_leave_holes": False})
    count, pages = read_all(sim)
    assert (count, [len(page) for page in pages]) == (300, [100, 100, 97])
    assert set(ids(pages)).isdisjoint(sim.tenant.selected("hidden_jobs"))
    assert len(jobs_of(sim, sort_key="update_time", sort_dir="desc", offset=200)) == 97


def test_a_number_of_jobs_is_drawn_once_and_by_seed(sim, read_all):
    sim.behavior.hidden_jobs = 3
    drawn = sim.tenant.selected("hidden_jobs")
    sim.tenant.create(100, at="2001-01-01T00:00:00Z")
    assert len(drawn) == 3
    assert sim.tenant.selected("hidden_jobs") == drawn
    assert set(ids(read_all(sim)[1])).isdisjoint(drawn)


def test_hidden_jobs_are_not_found_by_their_ids_either(sim, ask):
    some = sim.tenant.visible()[5]["job_id"]
    sim.behavior.hidden_jobs = [some]
    assert ask(sim, job_ids=some, create_since=EVER).json() == {"count": 1, "jobs": []}


def test_a_doubled_job_is_listed_twice_and_counted_twice(sim, read_all, ask):
    rows = ids([sim.tenant.visible()])
    sim.behavior.doubled_jobs = [rows[99]]
    count, pages = read_all(sim)
    assert count == 301
    assert ids(pages) == [*rows[:100], rows[99], *rows[100:]]
    assert pages[0][-1]["job_id"] == pages[1][0]["job_id"]
    assert ids([ask(sim, job_id=rows[99], create_since=EVER).json()["jobs"]]) == [rows[99]] * 2
    assert len(sim.tenant.visible()) == 300


def test_each_page_that_holds_a_poisonous_job_fails(sim, ask):
    rows = ids([sim.tenant.visible()])
    sim.behavior.poisonous_jobs = [rows[150]]
    statuses = [ask(sim, create_since=EVER, limit=1, offset=offset).status_code for offset in (149, 150, 151)]
    assert statuses == [200, 500, 200]
    assert ask(sim, create_since=EVER, limit=100, offset=100).json()["error_code"] == "MSS.00000004"
    assert ask(sim, create_since=EVER, limit=51, offset=100).status_code == 500
    assert ask(sim, create_since=EVER, limit=50, offset=100).json()["count"] == 300
    assert ask(sim, create_since=EVER, job_ids=rows[150]).status_code == 500
    assert rows[150] not in ids([sim.tenant.visible()])


def test_a_poisonous_job_may_break_the_pages_json(sim, ask):
    sim.behavior.merge({"poisonous_jobs": 1, "poison": "broken_json"})
    answers = [ask(sim, create_since=EVER, limit=100, offset=offset) for offset in (0, 100, 200)]
    assert {answer.status_code for answer in answers} == {200}
    broken = []
    for answer in answers:
        try:
            answer.json()
        except ValueError:
            broken.append(answer)
    assert [b'"jobs":[{' in answer.content for answer in broken] == [True]


@pytest.mark.parametrize(("blank", "shown"), [("empty", {}), ("null", None)])
def test_blank_rows_are_counted_and_listed(sim, read_all, blank, shown):
    sim.behavior.merge({"blank_jobs": 2, "blank_row": blank})
    count, pages = read_all(sim)
    rows = [row for page in pages for row in page]
    assert (count, len(rows), rows.count(shown)) == (300, 300, 2)
    assert len(sim.tenant.visible()) == 298


def test_a_row_may_lack_its_job_id(sim, jobs_of):
    sim.behavior.merge({"blank_jobs": [sim.tenant.visible()[0]["job_id"]], "blank_row": "no_job_id"})
    first, second, *_ = jobs_of(sim)
    assert set(second) - set(first) >= {"job_id"}
    assert first["create_time"]


def test_all_rows_may_be_blank_new_ones_too(sim, read_all):
    sim.behavior.blank_jobs = "all"
    sim.tenant.create()
    count, pages = read_all(sim)
    assert (count, {repr(row) for page in pages for row in page}) == (301, {"{}"})
    sim.behavior.blank_jobs = 0
    assert len(ids(read_all(sim)[1])) == 301
