"""Known habits of list APIs: what can be read is loaded, and the rest is reported.

Habits that hide nothing are read through real HTTP into a destination in memory, because their rows
are loaded like any others.
"""

from __future__ import annotations

import pytest
from metastudio.config.tenant import resolve_tenant
from metastudio.extraction.audit import Audit
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.state import count_missing
from metastudio.extraction.sync import sync
from metastudio.source.fetch import make_fetch, open_client

from tests.support.destination import Destination
from tests.support.reader import run_alone
from tests.support.rows import COLUMNS, held_rows, shown_rows

HARMLESS = {
    "doubled jobs": ({"doubled_jobs": 2}, 40),
    "empty pages of nothing": ({"empty_page": "empty_object"}, 40),
    "a count that stops": ({"count_cap": 250}, 60),
    "a short range": ({"max_range_days": 365}, 90),
    "a short range that times out": ({"max_range_days": 365, "max_range_refusal": "504"}, 120),
    "shallow offsets": ({"max_offset": 200, "max_offset_refusal": "404"}, 60),
    "no end ahead of now": ({"future_until_refusal": "400"}, 40),
    "times of another zone": ({"filter_utc_offset_hours": 8}, 40),
    "ends left out": ({"create_since_exclusive": True, "create_until_exclusive": True}, 40),
    "a clock ahead": ({"date_skew_seconds": 3600, "date_skew_answers": 1}, 40),
    "a state refused": ({"refused_states": ["BLOCK"]}, 40),
    "another charset": ({"body_charset": "gbk"}, 40),
}


async def read_into(destination, steps):
    """Load the chunks of the steps into a destination in memory."""

    async def load(chunk):
        destination.load(chunk)

    tenant = resolve_tenant()
    async with open_client(tenant) as client:
        await steps(ExtractionContext(make_fetch(client, tenant), destination, tenant), load)


def sync_and_audit(sim, most_requests):
    """Sync and audit into memory, and check that nothing is missing or different."""
    destination, audits = Destination(), []

    async def audit(run, emit):
        audits.append(Audit(run, destination.state, repair=False))
        await audits[0].run(run.track(destination.state, emit))

    run_alone(read_into(destination, lambda run, emit: sync(run, {}, emit)))
    assert sim.stats.requests <= most_requests
    assert count_missing(destination.state.get("gaps", [])) == 0
    assert sorted(row[: len(COLUMNS)] for row in destination.rows.values()) == shown_rows(sim)
    run_alone(read_into(destination, audit))
    assert audits[0].findings.differences == 0


@pytest.mark.parametrize(("habit", "most_requests"), HARMLESS.values(), ids=list(HARMLESS))
def test_a_habit_that_hides_nothing_costs_no_row_and_no_error(sim, settings, habit, most_requests):
    sim.behavior.merge(habit)

    sync_and_audit(sim, most_requests)


@pytest.mark.parametrize("blank", ["empty", "null"])
def test_blank_rows_are_no_difference(sim, settings, blank):
    sim.behavior.merge({"blank_jobs": 3, "blank_row": blank})

    sync_and_audit(sim, 100)


def test_blank_rows_are_rejected(sim, settings, run, query):
    sim.behavior.merge({"blank_jobs": 3, "blank_row": "no_job_id"})

    assert run("sync").code == 0
    assert run("audit").code == 0

    assert held_rows(query) == shown_rows(sim)
    assert query("SELECT count(*) > 0 FROM metastudio.rejected_records") == [(True,)]


def test_a_list_of_blank_rows_alone_is_never_complete(sim, settings, run, query):
    sim.behavior.merge({"blank_jobs": "all", "blank_row": "empty"})

    assert [run("sync").code, run("sync").code] == [5, 5]

    sim.behavior.merge({"blank_jobs": 0})
    sim.clock.advance(86_400)
    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_a_list_that_is_not_counted_is_loaded_and_never_complete(sim, settings, run, query):
    sim.behavior.count_given = False

    assert [run("sync").code, run("sync").code, run("audit").code] == [5, 5, 5]
    assert held_rows(query) == shown_rows(sim)
    assert not query("SELECT count(*) FROM metastudio.extraction_windows WHERE complete")[0][0]
    assert "the count of jobs is not given" in run("status").out

    sim.behavior.count_given = True
    sim.clock.advance(86_400)
    assert (run("sync").code, run("audit").code) == (0, 0)


@pytest.mark.parametrize("habit", [{"hidden_jobs": 1}, {"poisonous_jobs": 1}], ids=["hidden", "poisonous"])
def test_a_job_that_cannot_be_read_is_a_gap_that_closes_when_it_can(sim, settings, run, query, habit):
    sim.behavior.merge(habit)

    assert run("sync").code == 5
    assert held_rows(query) == shown_rows(sim)

    sim.behavior.merge(dict.fromkeys(habit, 0))
    sim.clock.advance(86_400)
    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


@pytest.mark.parametrize("leave_holes", [True, False])
def test_three_gaps_that_stay_cost_a_later_sync_two_requests_more(sim, settings, run, leave_holes):
    sim.behavior.merge({"hidden_jobs": 3, "hidden_jobs_leave_holes": leave_holes})
    run("sync")
    for _ in range(3):
        sim.clock.advance(7200)
        sim.stats.reset()

        assert run("sync").code == 5
        assert sim.stats.requests <= 1 + 2


def test_a_job_of_the_year_9999_delays_nothing(sim, settings, run, query):
    (job_id,) = sim.tenant.create(at="9999-12-31T23:00:00Z", lastupdate_time="2026-01-15T11:00:00Z")
    assert run("sync").code == 0
    sim.tenant.vanish(job_id)
    sim.clock.advance(3600)

    assert [run("audit").code, run("audit").code] == [0, 0]

    assert held_rows(query) == shown_rows(sim)
