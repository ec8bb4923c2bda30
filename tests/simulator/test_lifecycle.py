"""The tenant's past and its life as time passes: both follow the seed."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from metastudio_simulator import Simulator

NOW = "2026-01-15T12:00:00Z"


def tenant(**options):
    """Return a tenant without its server running."""
    return Simulator(**{"jobs": 3000, "days": 300, "seed": 1, "now": NOW, **options}).tenant


def by_id(rows):
    return {row["job_id"]: row for row in rows}


@pytest.fixture(scope="module")
def past():
    return tenant().visible()


def test_equal_seeds_give_equal_tenants(past):
    assert tenant().visible() == past
    assert tenant(seed=2).visible() != past


def test_equal_seeds_give_equal_credentials_and_lives():
    one, other = Simulator(50, seed=5, now=NOW), Simulator(50, seed=5, now=NOW)
    for name in ("project_id", "access_key", "secret_key", "password"):
        assert getattr(one, name) == getattr(other, name)
    assert one.token() == other.token()
    for sim in (one, other):
        for seconds in (60, 86_400, 7 * 86_400):
            sim.tenant.live(seconds)
        sim.tenant.change_some(create=2, update=2, vanish=2)
    assert one.tenant.visible() == other.tenant.visible()


def test_the_project_id_is_32_hex_digits():
    assert len(bytes.fromhex(Simulator(0).project_id)) == 16


@pytest.mark.parametrize(("jobs", "days"), [(0, 400), (1, 400), (2, 0.01), (9, 1), (10, 3650), (500, 0.5)])
def test_there_are_as_many_jobs_as_asked_for_within_the_days(jobs, days):
    rows = tenant(jobs=jobs, days=days)
    now = datetime(2026, 1, 15, 12, tzinfo=UTC)
    times = [rows.hidden_fields(row["job_id"])["create_time"] for row in rows.visible()]
    assert len(times) == jobs
    assert all(0 < (now - at).total_seconds() <= days * 86_400 + 1 for at in times)


def test_the_past_has_every_state_and_both_spellings(past):
    states = Counter(row["state"] for row in past)
    assert set(states) == {"WAITING", "PROCESSING", "SUCCEED", "FAILED", "CANCELED", "BLOCK"}
    assert states["SUCCEED"] > 0.8 * len(past)
    types = {row.get("job_type") for row in past}
    assert types == {"2D_DIGITAL_HUMAN_VIDEO", "PHOTO_DIGITAL_HUMAN_VIDEO", "DIGITAL_HUMAN_PHOTO_VIDEO", None}


def test_the_past_has_bursts_and_quiet_days(past):
    seconds = Counter(row["create_time"] for row in past)
    assert max(seconds.values()) >= 4
    assert len({row["create_time"][:10] for row in past}) < 299


def test_absent_fields_and_nulls_both_occur(past):
    failed = [row for row in past if row["state"] == "FAILED"]
    assert {row.get("output_asset_config", "absent") for row in failed} == {None, "absent"}
    waiting = [row for row in past if row["state"] == "WAITING"]
    assert all(row.get("start_time") is None and row.get("duration") is None for row in waiting)


def test_fields_go_with_the_state_and_type(past):
    for row in past:
        asset = row.get("output_asset_config")
        assert (asset is not None) == (row["state"] in ("SUCCEED", "BLOCK"))
        assert (row.get("error_info") is not None) == (row["state"] == "FAILED")
        if asset:
            photo = "PHOTO" in row.get("job_type", "")
            assert ("preview_video_url" in asset) == photo
            assert row["duration"] > 0


def test_some_rows_are_as_surprising_as_in_the_vendors_example(past):
    started = [row for row in past if row.get("start_time")]
    assert any(row["start_time"] < row["create_time"] for row in started)
    assert {type(row["duration"]) for row in past if row.get("duration") is not None} == {int, float}


def test_the_newest_hundred_changes_are_not_in_create_order(past):
    newest = sorted(past, key=lambda row: row["lastupdate_time"])[-100:]
    creates = [row["create_time"] for row in newest]
    assert sum(left > right for left, right in pairwise(creates)) > 10


def test_life_brings_every_kind_of_change_in_however_short_a_span():
    lived = tenant()
    before = by_id(lived.visible())
    lived.live(60)
    after = by_id(lived.visible())
    assert len(after.keys() - before.keys()) >= 1
    assert len(before.keys() - after.keys()) >= 1
    moved = {(before[key]["state"], after[key]["state"]) for key in before.keys() & after if before[key] != after[key]}
    assert ("SUCCEED", "BLOCK") in moved
    assert any(left == "FAILED" and right != "FAILED" for left, right in moved)
    assert ("SUCCEED", "SUCCEED") in moved


def test_open_jobs_end_as_time_passes():
    lived = tenant(jobs=0)
    made = lived.create(200)
    seen = set()
    for _ in range(30):
        lived.live(60)
        seen |= {row["state"] for row in lived.visible()}
    assert {"WAITING", "PROCESSING", "SUCCEED", "FAILED"} <= seen
    lived.live(30 * 86_400)
    rows = by_id(lived.visible())
    assert {rows[key]["state"] for key in made if key in rows} <= {"SUCCEED", "FAILED", "CANCELED", "BLOCK"}


def test_a_job_run_again_loses_its_error():
    lived = tenant()
    before = by_id(lived.visible())
    lived.live(7 * 86_400)
    rerun = [
        row
        for row in lived.visible()
        if row["state"] == "SUCCEED" and before.get(row["job_id"], {}).get("state") == "FAILED"
    ]
    assert rerun
    assert all(row.get("error_info") is None and row["output_asset_config"] for row in rerun)
    assert all(row["lastupdate_time"] > NOW for row in rerun)


def test_every_change_moves_the_update_time_within_the_span_lived():
    lived = tenant()
    before = by_id(lived.visible())
    lived.live(3600)
    for row in lived.visible():
        if row != before.get(row["job_id"]):
            assert NOW <= row["lastupdate_time"] <= "2026-01-15T13:00:00Z"


def test_life_goes_at_the_tenants_own_rate():
    lived = tenant(jobs=3000, days=300)
    lived.live(100 * 86_400)
    assert 950 <= len(lived.visible()) - 3000 + 50 <= 1050


def test_a_living_tenant_catches_up_with_the_clock_and_a_still_one_does_not():
    still, living = Simulator(1000, 10, now=NOW), Simulator(1000, 10, now=NOW, living=True)
    before = still.tenant.visible()
    for sim in (still, living):
        sim.clock.advance(86_400)
        sim.tenant.catch_up()
    assert still.tenant.visible() == before
    assert len(living.tenant.visible()) > 1050
    after = living.tenant.visible()
    living.tenant.catch_up()
    assert living.tenant.visible() == after


def test_a_state_sets_and_clears_its_fields():
    made = tenant(jobs=0)
    (key,) = made.create(asset_name="film")

    def row(**changes):
        made.clock.advance(60)
        made.update(key, **changes)
        return made.visible()[0]

    assert row(state="PROCESSING")["start_time"] == "2026-01-15T12:01:00Z"
    failed = row(state="FAILED")
    assert failed["error_info"]["error_code"].startswith("MSS.")
    assert failed["end_time"] == "2026-01-15T12:02:00Z"
    again = row(state="PROCESSING")
    assert (again.get("error_info"), again.get("end_time")) == (None, None)
    done = row(state="SUCCEED", duration=7.5)
    assert (done["duration"], done["output_asset_config"]["asset_name"]) == (7.5, "film")
    frozen = row(state="BLOCK")
    assert frozen == {**done, "state": "BLOCK", "lastupdate_time": "2026-01-15T12:05:00Z"}


def test_impossible_changes_are_refused():
    made = tenant(jobs=0)
    (key,) = made.create(job_id="mine")
    with pytest.raises(ValueError, match="mine"):
        made.create(job_id="mine")
    with pytest.raises(ValueError, match="colour"):
        made.update(key, colour="red")
    with pytest.raises(KeyError):
        made.update("nobody", state="FAILED")
    made.vanish(key)
    with pytest.raises(KeyError):
        made.vanish(key)
    made.reappear(key)
    with pytest.raises(KeyError):
        made.reappear(key)
