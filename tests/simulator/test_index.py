"""Pages, counts and orders, compared with a naive reading of the tenant's visible jobs."""

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metastudio_simulator import Simulator

NOW = "2026-01-15T12:00:00Z"
STATES = ["WAITING", "PROCESSING", "SUCCEED", "FAILED", "CANCELED", "BLOCK", "SUCCESS"]
PHOTO = ("PHOTO_DIGITAL_HUMAN_VIDEO", "DIGITAL_HUMAN_PHOTO_VIDEO")


@pytest.fixture(scope="module")
def crowded():
    """Return a tenant with few names and scripts, and many jobs at the same times."""
    with Simulator(jobs=120, days=20, seed=3, now=NOW) as running:
        for number in range(60):
            at = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(milliseconds=250 * number)
            running.tenant.create(2, at=at, state=STATES[number % 6], asset_name=f"name {number % 3}")
            job_id = running.tenant.visible()[number]["job_id"]
            running.tenant.update(job_id, at=at + timedelta(hours=number % 5))
        yield running


def moments():
    around = st.integers(0, 20 * 86_400).map(
        lambda seconds: datetime(2025, 12, 27, tzinfo=UTC) + timedelta(seconds=seconds)
    )
    burst = st.integers(-2, 18).map(lambda seconds: datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=seconds))
    return (around | burst).map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"))


QUERIES = st.fixed_dictionaries(
    {"create_since": moments()},
    optional={
        "create_until": moments(),
        "state": st.lists(st.sampled_from(STATES), min_size=1, max_size=3).map(",".join),
        "job_type": st.sampled_from(["2D_DIGITAL_HUMAN_VIDEO", *PHOTO]),
        "script_id": st.integers(1, 4).map(lambda number: f"{number:032x}"),
        "asset_name": st.sampled_from(["name 1", "name", "数字人"]),
        "fuzzy_query_field": st.sampled_from(["asset_name", "script_id,asset_name"]),
        "sort_key": st.sampled_from(["create_time", "update_time", "asset_order"]),
        "sort_dir": st.sampled_from(["asc", "desc"]),
        "offset": st.integers(0, 260),
        "limit": st.integers(1, 100),
    },
)


def naive(sim, query):
    """Return the expected page and count, by reading every job once."""
    wanted = []
    states = query.get("state", "").split(",")
    since = datetime.fromisoformat(query["create_since"])
    until = datetime.fromisoformat(query.get("create_until", "2100-01-01T00:00:00Z"))
    for job in sim.tenant.visible():
        hidden = sim.tenant.hidden_fields(job["job_id"])
        kind = job.get("job_type", "2D_DIGITAL_HUMAN_VIDEO")
        name, fuzzy = query.get("asset_name"), "asset_name" in query.get("fuzzy_query_field", "")
        if (
            since <= hidden["create_time"] <= until
            and (states == [""] or job["state"] in states)
            and ("job_type" not in query or (query["job_type"] in PHOTO) == (kind in PHOTO))
            and query.get("script_id", hidden["script_id"]) == hidden["script_id"]
            and (name is None or (name in hidden["asset_name"] if fuzzy else name == hidden["asset_name"]))
        ):
            order = {"update_time": "lastupdate_time", "asset_order": "asset_name"}.get(
                query.get("sort_key"), "create_time"
            )
            wanted.append(((hidden[order], job["job_id"]), job["job_id"]))
    wanted.sort(reverse=query.get("sort_dir") == "desc")
    start = query.get("offset", 0)
    return len(wanted), [job_id for _, job_id in wanted][start : start + query.get("limit", 10)]


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(query=QUERIES)
def test_every_page_and_count_equal_a_naive_reading(crowded, ask, query):
    answer = ask(crowded, **query).json()
    assert (answer["count"], [job["job_id"] for job in answer["jobs"]]) == naive(crowded, query)


def test_a_page_shows_the_rows_that_visible_shows(sim, jobs_of):
    rows = [job for offset in (0, 100, 200) for job in jobs_of(sim, offset=offset)]
    for row in rows:
        for name, value in (row.get("output_asset_config") or {}).items():
            row["output_asset_config"][name] = value.split("?")[0]
    assert rows == sim.tenant.visible()


def test_counts_by_state_add_up_to_the_whole(sim, ask):
    def count(**params):
        return ask(sim, create_since="2000-01-01T00:00:00Z", limit=1, **params).json()["count"]

    assert sum(count(state=state) for state in STATES) == count() == 300


def test_an_offset_past_the_end_gives_an_empty_page_with_the_count(sim, ask):
    answer = ask(sim, create_since="2000-01-01T00:00:00Z", offset=300).json()
    assert answer == {"count": 300, "jobs": []}


def test_a_window_that_ends_before_it_begins_is_empty(sim, ask):
    answer = ask(sim, create_since="2026-01-10T00:00:00Z", create_until="2026-01-01T00:00:00Z", sort_key="update_time")
    assert answer.json() == {"count": 0, "jobs": []}


def test_the_default_page_has_ten_rows_oldest_first(sim, ask):
    rows = ask(sim).json()["jobs"]
    assert len(rows) == 10
    assert [row["create_time"] for row in rows] == sorted(row["create_time"] for row in rows)


def test_job_ids_come_joined_by_commas_or_repeated(sim, jobs_of):
    some = [job["job_id"] for job in sim.tenant.visible()[10:13]]
    assert [job["job_id"] for job in jobs_of(sim, job_ids=",".join(some))] == some
    assert [job["job_id"] for job in jobs_of(sim, job_ids=some)] == some
    assert [job["job_id"] for job in jobs_of(sim, job_ids=some, job_id=some[1])] == [some[1]]


def test_lists_follow_every_change_of_the_tenant(empty, jobs_of):
    def shown(**params):
        return [job["job_id"] for job in jobs_of(empty, **params)]

    first, second = empty.tenant.create(2, at="2026-01-01T00:00:00Z", asset_name="before")
    third = empty.tenant.create(at="2026-01-02T00:00:00Z")[0]
    assert shown(sort_key="update_time", sort_dir="desc")[0] == third
    empty.tenant.update(first, state="FAILED", asset_name="after")
    assert shown(sort_key="update_time", sort_dir="desc")[0] == first
    assert (shown(state="FAILED"), shown(asset_name="after")) == ([first], [first])
    assert sorted(shown(state="WAITING")) == sorted([second, third])
    empty.tenant.vanish(first)
    assert (shown(state="FAILED"), shown(asset_name="after"), shown(job_ids=first)) == ([], [], [])
    empty.tenant.reappear(first)
    assert (shown(state="FAILED"), shown(asset_name="after"), shown(job_ids=first)) == ([first], [first], [first])


def test_equal_seconds_come_in_the_same_order_by_default(empty, jobs_of):
    made = empty.tenant.create(30, at="2026-01-01T00:00:00Z")
    last = empty.tenant.create(at="2026-01-01T00:00:01Z")

    def orders():
        return {tuple(job["job_id"] for job in jobs_of(empty)) for _ in range(5)}

    assert orders() == {(*sorted(made), *last)}
    empty.behavior.unstable_ties = True
    shuffled = orders()
    assert len(shuffled) == 5
    assert all(set(order[:30]) == set(made) and order[30] == last[0] for order in shuffled)
    assert len(jobs_of(empty, offset=7, limit=5, sort_dir="desc")) == 5


@pytest.mark.parametrize("seed", range(4))
def test_lists_stay_right_through_any_series_of_changes(ask, seed):
    rng = random.Random(seed)
    with Simulator(jobs=40, days=20, seed=seed, now=NOW) as sim:
        gone = []
        for _ in range(120):
            change = rng.randrange(7)
            (some,) = sim.tenant.pick(1)
            if change == 0:
                sim.tenant.create(rng.randrange(3), visible_after_seconds=rng.choice([0, 0, 20]))
            elif change == 1:
                sim.tenant.update(some, state=rng.choice(STATES), asset_name=f"name {rng.randrange(3)}")
            elif change == 2:
                sim.tenant.vanish(some)
                gone.append(some)
            elif change == 3 and gone:
                sim.tenant.reappear(gone.pop(rng.randrange(len(gone))))
            elif change == 4:
                sim.tenant.update(
                    some, script_id=f"{rng.randrange(4):032x}", at=f"2026-01-1{rng.randrange(6)}T00:00:00.5Z"
                )
            elif change == 5:
                sim.tenant.live(rng.choice([1, 60, 3600]))
            sim.clock.advance(rng.choice([0, 0.3, 5]))
            query = {"create_since": "2025-12-01T00:00:00Z", "sort_dir": rng.choice(["asc", "desc"]), "limit": 100}
            query["sort_key"] = rng.choice(["create_time", "update_time", "asset_order"])
            if rng.random() < 0.5:
                query |= {"state": ",".join(rng.sample(STATES, rng.randrange(1, 3)))}
            answer = ask(sim, **query).json()
            assert (answer["count"], [job["job_id"] for job in answer["jobs"]]) == naive(sim, query)


def test_pages_hold_together_while_other_threads_change_the_tenant(sim, session):
    ending = threading.Event()

    def change():
        while not ending.is_set():
            sim.tenant.change_some(create=2, update=2, vanish=2)

    changing = [threading.Thread(target=change) for _ in range(2)]
    for thread in changing:
        thread.start()
    url = f"{sim.url}/v1/{sim.project_id}/digital-human-videos?create_since=2000-01-01T00:00:00Z&limit=100"
    headers = {"X-Auth-Token": sim.token()}
    answers = [session.get(url, headers=headers, timeout=20) for _ in range(50)]
    ending.set()
    for thread in changing:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["count"] for answer in answers} == {300}
    assert all(len({job["job_id"] for job in answer.json()["jobs"]}) == 100 for answer in answers)
