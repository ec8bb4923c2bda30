"""The next sync notices and repairs a destination that lost or doubled rows."""

from __future__ import annotations

from contextlib import closing, contextmanager
from types import SimpleNamespace

import dlt
import duckdb
import psycopg2
import pytest
from metastudio import metastudio
from metastudio.cli.output import describe_summary
from metastudio.commands.load import run_audit, run_sync
from metastudio.commands.progress import LogProgress
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES
from metastudio_simulator import Simulator

from tests.support.postgres import drop_dataset, make_environment
from tests.support.rows import held_rows, shown_rows

NOW = "2026-01-15T12:00:00Z"
JOBS = "metastudio.digital_human_videos"
STATES = "metastudio.digital_human_video_states"


@contextmanager
def open_tenant(destination, url, folder):
    """Yield a synced tenant, which each test leaves repaired."""
    is_postgres = destination == "postgres"

    def ask(sql):
        with closing(psycopg2.connect(url) if is_postgres else duckdb.connect(url)) as connection:
            cursor = connection.cursor()
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(sql)
            rows = cursor.fetchall() if sql.startswith("SELECT") else []
            connection.commit() if is_postgres else None
            return rows

    with Simulator(jobs=240, days=90, seed=7, now=NOW) as sim:
        settings = make_environment(sim, folder, url)
        tenant = SimpleNamespace(sim=sim, ask=ask, settings=settings, options=Options(destination=destination))
        tenant.sync = lambda: sync(tenant)
        sim.tenant.add_raw({"state": "SUCCEED"}, at="2026-01-02T12:30:00Z")
        with pytest.MonkeyPatch.context() as patch:
            configure(tenant, patch)
            tenant.sync()
            tenant.sync()
        yield tenant


def configure(tenant, patch):
    for name, value in tenant.settings.items():
        patch.setenv(name, value)


@pytest.fixture(scope="module")
def on_duckdb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("books")
    with open_tenant("duckdb", str(folder / "videos.duckdb"), folder) as tenant:
        yield tenant


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory, postgres_url):
    with open_tenant("postgres", postgres_url, tmp_path_factory.mktemp("books")) as tenant:
        yield tenant
    drop_dataset(postgres_url, "metastudio")


@pytest.fixture
def tenant(on_duckdb, monkeypatch):
    configure(on_duckdb, monkeypatch)
    return on_duckdb


@pytest.fixture
def postgres_tenant(on_postgres, monkeypatch):
    configure(on_postgres, monkeypatch)
    return on_postgres


def sync(tenant):
    """Sync an hour later; return the summary of a sync that succeeded."""
    tenant.sim.clock.advance(3_600)
    result = run_sync(tenant.options, LogProgress())
    assert result.error is None, result.error
    return result.summary


def check(tenant):
    """Check the tables against the tenant, row by row, and that an idle sync costs a request."""
    shown = [row for row in shown_rows(tenant.sim) if row[0] is not None]
    assert held_rows(tenant.ask) == shown
    assert {row[0] for row in tenant.ask(f"SELECT job_id FROM {STATES}")} >= {row[0] for row in shown}
    assert tenant.ask("SELECT count(*) FROM metastudio.rejected_records") == [(1,)]
    assert tenant.ask("SELECT count(*) FROM metastudio.extraction_windows WHERE complete")[0][0] >= 3
    idle = tenant.sync()
    assert (idle.requests, idle.lacking, idle.surplus) == (1, 0, 0)


SOME = "job_id LIKE '%3'"
COUNTED = "some jobs, with the table to load into"
LOSSES = {
    COUNTED: [
        f"DELETE FROM {JOBS} WHERE {SOME}",
        "DROP TABLE metastudio_staging_metastudio.digital_human_videos",
    ],
    "most jobs": [f"DELETE FROM {JOBS} WHERE NOT {SOME}"],
    "all jobs": [f"DELETE FROM {JOBS}"],
    "the newest jobs": [f"DELETE FROM {JOBS} WHERE lastupdate_time > '2026-01-10'"],
    "a column": [f"ALTER TABLE {JOBS} DROP COLUMN duration"],
    "states": [f"DELETE FROM {STATES} WHERE {SOME}"],
    "the ledger": ["DELETE FROM metastudio.extraction_windows"],
    "rejected records": ["DELETE FROM metastudio.rejected_records"],
    "all tables": [f"DROP TABLE metastudio.{table.name}" for table in TABLES],
    "dlt's state": ["DELETE FROM metastudio._dlt_pipeline_state"],
    "dlt's tables": [f"DROP TABLE metastudio.{name}" for name in ("_dlt_loads", "_dlt_pipeline_state", "_dlt_version")],
    "rows doubled and lost": [
        f"INSERT INTO {JOBS} SELECT * FROM {JOBS} WHERE {SOME}",
        f"UPDATE {JOBS} SET state = 'WAITING' WHERE {SOME}",
        f"DELETE FROM {JOBS} WHERE job_id LIKE '%4'",
    ],
}


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != COUNTED])
def test_the_next_sync_repairs_lost_or_doubled_rows(tenant, loss):
    for statement in LOSSES[loss]:
        tenant.ask(statement)

    tenant.sync()

    check(tenant)


@pytest.mark.parametrize("loss", [COUNTED, "all tables", "rows doubled and lost"])
def test_the_next_sync_repairs_lost_or_doubled_rows_on_postgres(postgres_tenant, loss):
    for statement in [*LOSSES[loss], f"DELETE FROM {STATES} WHERE {SOME}" if loss != "all tables" else "SELECT 1"]:
        postgres_tenant.ask(statement)

    postgres_tenant.sync()

    check(postgres_tenant)


def test_the_summary_says_how_many_jobs_were_lost_and_how_many_vanished(tenant):
    ((lost,),) = tenant.ask(f"SELECT count(*) FROM {JOBS} WHERE {SOME}")
    for statement in LOSSES[COUNTED]:
        tenant.ask(statement)

    summary = tenant.sync()

    assert (summary.lacking, summary.rows_loaded) == (lost, lost)
    assert f"{lost} jobs had been lost in the destination" in describe_summary("sync", summary)
    check(tenant)

    failed = [job["job_id"] for job in tenant.sim.tenant.visible() if job.get("state") == "FAILED"]
    tenant.sim.tenant.vanish(failed[0])
    for _ in range(2):
        summary = tenant.sync()
        assert (summary.lacking, summary.surplus, summary.requests) == (0, 1, 1)
    assert "1 loaded job that the API no longer counts" in describe_summary("sync", summary)
    summary = run_audit(tenant.options, LogProgress(), repair=True).summary
    assert summary.marked_deleted == 1
    assert "no longer counts" not in describe_summary("audit", summary)
    assert tenant.sync().surplus == 0
    check(tenant)


def test_a_loss_that_would_cost_too_many_requests_to_mend_is_said(tenant, monkeypatch):
    tenant.ask(f"DELETE FROM {JOBS} WHERE {SOME}")
    tenant.ask("DELETE FROM metastudio.extraction_windows")
    with monkeypatch.context() as bounded:
        bounded.setenv("SOURCES__METASTUDIO__MAX_REREAD_REQUESTS", "1")
        tenant.sim.clock.advance(3_600)
        error = run_sync(tenant.options, LogProgress()).error

    assert error.exit_code == 5
    assert "metastudio backfill --since" in error.hint
    tenant.sync()
    check(tenant)


def test_an_audit_fills_an_emptied_table(tenant):
    tenant.ask(f"DELETE FROM {JOBS}")
    assert run_audit(tenant.options, LogProgress(), repair=True).error is None
    ((jobs, different),) = tenant.ask(f"SELECT count(*), count(DISTINCT job_id) FROM {JOBS}")
    assert jobs == different == len(tenant.sim.tenant.visible())
    tenant.sync()
    check(tenant)


def test_an_audit_keeps_a_table_without_its_key_under_another_name_and_makes_it_again(tenant):
    tenant.ask(f"ALTER TABLE {JOBS} DROP COLUMN job_id")
    tenant.sim.clock.advance(3_600)
    error = run_sync(tenant.options, LogProgress()).error
    assert (error.exit_code, "metastudio audit" in error.hint) == (2, True)

    assert run_audit(tenant.options, LogProgress(), repair=True).error is None

    ((kept,),) = tenant.ask(
        "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'digital_human_videos_%'"
        " AND table_schema = 'metastudio'"
    )
    assert tenant.ask(f"SELECT count(*) FROM metastudio.{kept}") == [(len(tenant.sim.tenant.visible()),)]
    tenant.ask(f"DROP TABLE metastudio.{kept}")
    tenant.sync()
    check(tenant)


def test_the_source_alone_reads_again_what_was_lost(sim, settings, query, folder):
    def load():
        sim.clock.advance(3_600)
        dlt.pipeline("alone", destination="duckdb", dataset_name="metastudio").run(metastudio())

    def ask(sql):
        with duckdb.connect(str(folder / "videos.duckdb")) as connection:
            connection.execute(sql)

    load()
    for losses in ([f"DELETE FROM {JOBS} WHERE {SOME}", f"DELETE FROM {STATES}"], [f"DROP TABLE {JOBS}"]):
        for loss in losses:
            ask(loss)
        sim.tenant.change_some(create=3, update=5)
        load()
        load()  # one step per run: first the reread, then the changes

        assert held_rows(query) == shown_rows(sim)
        assert query(f"SELECT count(DISTINCT job_id) FROM {STATES}") == [(len(shown_rows(sim)),)]
