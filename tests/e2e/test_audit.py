"""`metastudio audit`: what it shows, and what it marks."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from tests.support.rows import held_rows, shown_rows


def test_a_vanished_job_is_marked_by_the_audit_and_live_again_when_it_returns(sim, synced, run, query):
    gone = sim.tenant.visible()[100]["job_id"]
    sim.tenant.vanish(gone)
    sim.clock.advance(3600)

    assert run("audit", "--dry-run").code == 5
    ended = run("audit", "--json")

    assert (ended.code, ended.json["marked_deleted"]) == (0, 1)
    assert query("SELECT job_id, deleted_at FROM metastudio.digital_human_videos WHERE deleted_at IS NOT NULL") == [
        (gone, datetime(2026, 1, 15, 13, tzinfo=UTC))
    ]
    sim.tenant.reappear(gone)
    assert run("audit").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_the_audit_shows_the_figures_from_before_the_repair(sim, synced, run):
    gone = [job["job_id"] for job in sim.tenant.visible() if job["state"] == "SUCCEED"][:3]
    for job_id in gone:
        sim.tenant.vanish(job_id)

    lines = run("audit").out.splitlines()

    assert [line.split()[-1] for line in lines if line.startswith(("all jobs", "SUCCEED"))] == ["differs", "differs"]
    assert all(line.split()[-1] == "equal" for line in lines if line.startswith(("FAILED", "BLOCK", "CANCELED")))


def test_the_audit_shows_states_that_only_missing_jobs_have(sim, synced, run, folder):
    with duckdb.connect(str(folder / "videos.duckdb")) as connection:
        connection.execute("DELETE FROM metastudio.digital_human_videos WHERE state = 'CANCELED'")

    lines = {line.split()[0]: line.split() for line in run("audit").out.splitlines()}

    canceled = sum(job["state"] == "CANCELED" for job in sim.tenant.visible())
    assert lines["CANCELED"] == f"CANCELED {canceled} at the API 0 here differs".split()


def test_a_job_marked_as_deleted_is_written_when_it_returns_as_it_was(sim, synced, run, query):
    job_id = sim.tenant.visible()[7]["job_id"]
    sim.tenant.update(job_id, asset_name="new")
    run("sync")
    sim.tenant.vanish(job_id)
    assert run("audit").code == 0
    assert query("SELECT job_id FROM metastudio.digital_human_videos WHERE deleted_at IS NOT NULL") == [(job_id,)]
    sim.tenant.reappear(job_id)

    assert run("sync").code == 0

    assert held_rows(query) == shown_rows(sim)


@pytest.mark.parametrize(
    ("isolation", "told", "line"),
    [
        ("off", False, "IAM-user isolation off"),
        ("on", True, "IAM-user isolation on: the API shows only the jobs of the credentials' own IAM user"),
        ("not_found", None, "IAM-user isolation unknown: the API does not say"),
    ],
)
def test_the_audit_reports_isolation_and_a_refusal_is_not_an_error(sim, synced, run, isolation, told, line):
    sim.behavior.isolation = isolation
    arguments = ("audit", "--dry-run", "--allow-deletions")

    as_json, as_text = run(*arguments, "--json"), run(*arguments)

    assert as_json.json["isolation"] is told
    assert line in as_text.out
    assert (as_json.json["error"] or {}).get("code", "") != "404"
    if isolation != "on":
        assert as_json.code == 0
