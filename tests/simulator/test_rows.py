"""The rows of a page, including unusual ones."""

import pytest
from metastudio_simulator import ABSENT

EVER = "2000-01-01T00:00:00Z"


def ids(rows):
    return [row["job_id"] for row in rows]


def test_unknown_fields_and_states_are_shown(sim, jobs_of, ask):
    sim.behavior.unknown_fields = {"priority": 3, "labels": {"team": "a"}}
    sim.behavior.shown_states = {"SUCCEED": "SUCCESS"}
    rows = jobs_of(sim)
    assert all(row["priority"] == 3 and row["labels"] == {"team": "a"} for row in rows)
    assert "SUCCESS" in {row["state"] for row in rows}
    assert "SUCCEED" not in {row["state"] for row in rows}
    assert ids(jobs_of(sim, state="SUCCESS")) == ids(jobs_of(sim, state="SUCCEED"))
    sim.behavior.unknown_fields = {}
    assert all("priority" not in row for row in jobs_of(sim))


def test_a_job_can_have_an_unknown_state(empty, jobs_of):
    (job_id,) = empty.tenant.create(state="ARCHIVED")
    assert (ids(jobs_of(empty, state="ARCHIVED")), jobs_of(empty)[0]["state"]) == ([job_id], "ARCHIVED")


def test_corrupted_rows_show_invalid_values(empty, jobs_of):
    (job_id,) = empty.tenant.create(state="SUCCEED")
    empty.tenant.corrupt(job_id, lastupdate_time="not-a-time", duration="abc", state=ABSENT)
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


def test_urls_have_a_new_signature_in_every_answer(sim, jobs_of):
    def signed(rows):
        assets = [row["output_asset_config"] for row in rows if row.get("output_asset_config")]
        return [url for asset in assets for url in (asset["cover_url"], asset.get("preview_video_url")) if url]

    first, second = signed(jobs_of(sim)), signed(jobs_of(sim))
    assert [url.split("?")[0] for url in first] == [url.split("?")[0] for url in second]
    assert not set(first) & set(second)
    assert len({url.split("Signature=")[1] for url in first + second}) == 2 * len(first)
    assert all("?AccessKeyId=" in url and f"&Expires={1768478400 + 86400}&" in url for url in first)


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("utc", "2026-01-01T04:05:06Z"),
        ("offset", "2026-01-01T12:05:06+08:00"),
        ("compact_offset", "2026-01-01T12:05:06+0800"),
        ("milliseconds", "2026-01-01T04:05:06.789Z"),
        ("blank", "2026-01-01 04:05:06Z"),
        ("no_seconds", "2026-01-01T04:05Z"),
    ],
)
def test_times_have_many_spellings(empty, jobs_of, form, shown):
    empty.tenant.create(at="2026-01-01T04:05:06.789Z", state="SUCCEED")
    empty.behavior.time_format = form
    (row,) = jobs_of(empty)
    assert {row[f"{name}_time"] for name in ("create", "lastupdate", "start", "end")} == {shown}


def test_one_page_may_mix_the_spellings(empty, jobs_of):
    empty.tenant.create(60, at="2026-01-01T04:05:06.789Z")
    empty.behavior.time_format = "mixed"
    assert len({row["create_time"] for row in jobs_of(empty)}) == 6
    assert [row["create_time"] for row in jobs_of(empty)] == [row["create_time"] for row in empty.tenant.visible()]


def test_a_missing_time_may_be_an_empty_string(empty, jobs_of):
    empty.tenant.create(20)
    assert {row.get("start_time") for row in jobs_of(empty)} == {None}
    empty.behavior.empty_times = True
    assert {row["start_time"] for row in jobs_of(empty)} == {row["end_time"] for row in jobs_of(empty)} == {""}


def test_a_job_may_change_without_a_trace(empty, jobs_of):
    (job_id,) = empty.tenant.create(at="2026-01-01T00:00:00Z", state="SUCCEED", asset_name="before")
    empty.behavior.untraced_changes = True
    empty.tenant.update(job_id, asset_name="after")
    (row,) = jobs_of(empty)
    assert (row["output_asset_config"]["asset_name"], row["lastupdate_time"]) == ("after", "2026-01-01T00:00:00Z")
    empty.behavior.untraced_changes = False
    empty.tenant.update(job_id, asset_name="again")
    assert jobs_of(empty)[0]["lastupdate_time"] == "2026-01-15T12:00:00Z"


@pytest.mark.parametrize("form", ["utc", "offset", "mixed"])
def test_a_job_may_show_creation_in_the_year_9999_and_vanish(empty, jobs_of, form):
    empty.behavior.time_format = form
    (job_id,) = empty.tenant.create(at="9999-12-31T23:59:59Z")
    assert jobs_of(empty, sort_dir="desc")[0]["create_time"].startswith("9999-12-31")
    assert ids(jobs_of(empty, create_until="9999-12-31T23:59:59Z")) == [job_id]
    assert jobs_of(empty, create_until="2026-01-15T12:00:00Z") == []
    empty.tenant.vanish(job_id)
    assert jobs_of(empty) == []


def test_many_jobs_may_share_a_second(sim, jobs_of):
    keys = sim.tenant.update_some(200, at="2026-01-15T11:00:00Z", asset_name="at once")
    rows = [job for offset in (0, 100, 200) for job in jobs_of(sim, offset=offset)]
    assert {row["job_id"] for row in rows if row["lastupdate_time"] == "2026-01-15T11:00:00Z"} >= set(keys)
    assert len({row["create_time"] for row in rows if row["job_id"] in keys}) > 100
    created = sim.tenant.create(900, at="2026-01-15T11:30:00Z")
    pages = [jobs_of(sim, create_since="2026-01-15T11:30:00Z", offset=offset) for offset in range(0, 900, 100)]
    assert {row["job_id"] for page in pages for row in page} == set(created)
    assert {row["create_time"] for page in pages for row in page} == {"2026-01-15T11:30:00Z"}
