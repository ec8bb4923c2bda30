"""A sync that finds nothing new: what it costs, writes and imports."""

from __future__ import annotations

import subprocess
import sys

from tests.support.rows import held_rows, shown_rows


def test_a_sync_without_changes_makes_one_request_and_loads_no_job(sim, synced, run):
    sim.clock.advance(3600)
    run("sync")
    sim.clock.advance(3600)
    sim.stats.reset()

    ended = run("sync", "--json")

    assert ended.code == 0
    assert sim.stats.requests == 1
    assert ended.json["requests"] == 1
    assert ended.json["rows_loaded"] == 0


LEDGER = (
    'SELECT mode, "window", project_id, since IS NULL, until IS NULL, "count", rows_read, requests, complete'
    " FROM metastudio.extraction_windows"
)


def test_a_sync_that_finds_nothing_new_leaves_a_line_in_the_ledger_and_no_load(sim, synced, run, query):
    sim.clock.advance(3600)
    run("sync")
    loads = query("SELECT count(*) FROM metastudio._dlt_loads")
    before = query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id")
    sim.clock.advance(900)

    ended = run("sync", "--json")

    assert (ended.json["requests"], ended.json["rows_loaded"], ended.json["load_ids"]) == (1, 0, [])
    assert query("SELECT count(*) FROM metastudio._dlt_loads") == loads
    assert query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id") == before
    ledger = query(f"{LEDGER} WHERE finished_at = (SELECT max(finished_at) FROM metastudio.extraction_windows)")
    assert ledger == [("changes", 1, sim.project_id, False, False, 600, 100, 1, True)]


def test_a_sync_that_finds_nothing_new_imports_nothing_that_it_does_not_need(sim, synced, run):
    code = (
        "import sys; from metastudio.cli.app import main; sys.argv = ['metastudio', 'sync', '--json']\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        "heavy = ('dbt', 'altair', 'marimo', 'dagster', 'pandas', 'numpy', 'pyarrow', 'rich')\n"
        "sys.exit(', '.join(name for name in sys.modules if name.split('.')[0] in heavy) or 0)"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert '"load_ids":[]' in ended.stdout
    assert ended.returncode == 0, ended.stderr


def test_jobs_that_the_overlap_shows_again_unchanged_are_not_written_again(sim, synced, run, query):
    job_id = sim.tenant.visible()[7]["job_id"]
    sim.tenant.update(job_id, asset_name="first")
    run("sync")
    sim.clock.advance(30)

    assert run("sync", "--json").json["load_ids"] == []

    sim.clock.advance(-30)
    sim.tenant.update(job_id, asset_name="second, within the same second")
    assert run("sync", "--json").json["rows_loaded"] == 1
    assert held_rows(query) == shown_rows(sim)


def test_changes_read_once_more_are_not_read_a_third_time_and_need_no_load(sim, synced, run):
    for _ in range(150):
        sim.clock.advance(1)
        sim.tenant.change_some(update=1)
    run("sync")
    sim.clock.advance(3600)

    again, later = run("sync", "--json").json, run("sync", "--json").json

    assert (again["rows_read"] >= 150, again["load_ids"]) == (True, [])
    assert (later["requests"], later["load_ids"]) == (1, [])


def test_dlts_telemetry_never_starts(synced, monkeypatch):
    monkeypatch.delenv("RUNTIME__DLTHUB_TELEMETRY")
    code = (
        "import sys; from metastudio.cli.app import main; sys.argv = ['metastudio', 'sync']\n"
        "import dlt.common.runtime.telemetry as telemetry\n"
        "telemetry.init_anon_tracker = lambda config: sys.exit('telemetry')\n"
        "main()"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
