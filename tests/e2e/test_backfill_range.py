"""`metastudio backfill`: the range begins with --since and ends before --until."""

from __future__ import annotations


def test_a_job_created_half_a_second_before_the_end_is_read(sim, synced, run, query):
    created = {
        name: sim.tenant.create(at=at)[0]
        for name, at in (("late", "2025-12-31T23:59:59.500Z"), ("next day", "2026-01-01T00:00:30Z"))
    }

    ended = run("backfill", "--since", "2025-12-31", "--until", "2026-01-01")

    assert ended.code == 0, ended.err
    loaded = {job_id for (job_id,) in query("SELECT job_id FROM metastudio.digital_human_videos")}
    assert {name for name, job_id in created.items() if job_id in loaded} == {"late"}
