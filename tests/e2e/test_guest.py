"""In other people's databases, a sync leaves their objects alone and works beside them."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest
from metastudio.commands.load import run_audit, run_sync
from metastudio.commands.progress import LogProgress
from metastudio.pipeline.options import Options
from metastudio_simulator import Simulator

from tests.support.postgres import execute_postgres, make_environment, query_postgres
from tests.support.rows import held_rows, shown_rows
from tests.support.simulated import NOW

OPTIONS = Options(destination="postgres")


@pytest.fixture(scope="module")
def url(postgres_url):
    """Return the URL of a database in which all tables are published."""
    execute_postgres(postgres_url, "CREATE DATABASE guest TEMPLATE template0 ENCODING 'UTF8'")
    url = postgres_url.removesuffix("/postgres") + "/guest"
    execute_postgres(url, "CREATE PUBLICATION everything FOR ALL TABLES")
    return url


@pytest.fixture
def host(url, tmp_path, monkeypatch):
    """Yield a simulator whose jobs a sync loads into a database without our schemas."""
    execute_postgres(url, *(f"DROP SCHEMA IF EXISTS metastudio{part} CASCADE" for part in ("", "_staging_metastudio")))
    with Simulator(jobs=60, days=60, seed=7, now=NOW) as sim:
        for name, value in make_environment(sim, tmp_path, url).items():
            monkeypatch.setenv(name, value)
        yield sim


def sync(sim):
    result = run_sync(OPTIONS, LogProgress())
    assert result.error is None, result.error
    sim.clock.advance(3_600)


def audit():
    result = run_audit(OPTIONS, LogProgress(), repair=True)
    assert result.error is None, result.error


IDENTITY = (
    "SELECT relname, relreplident FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE nspname = 'metastudio' AND relkind = 'r' AND relname NOT LIKE '\\_dlt%' ORDER BY relname"
)


def test_published_tables_are_changed_from_the_first_sync_on(host, url):
    host.tenant.create(1, state="WAITING")
    sync(host)
    host.tenant.change_some(create=5, update=10)
    sync(host)
    host.tenant.vanish(host.tenant.visible()[0]["job_id"])
    audit()

    assert held_rows(lambda sql: query_postgres(url, f"SET TIME ZONE 'UTC'; {sql}")) == shown_rows(host)
    assert {identity for _, identity in query_postgres(url, IDENTITY)} == {"f"}


def test_tables_of_an_older_release_can_be_published_and_the_identity_that_a_user_chose_stays(host, url):
    sync(host)
    execute_postgres(
        url,
        "ALTER TABLE metastudio.digital_human_videos REPLICA IDENTITY DEFAULT",
        "ALTER TABLE metastudio.rejected_records REPLICA IDENTITY NOTHING",
        "ALTER TABLE metastudio.digital_human_video_states REPLICA IDENTITY DEFAULT",
        "ALTER TABLE metastudio.digital_human_video_states ADD PRIMARY KEY (project_id, job_id, state, lastupdate_time)",
    )
    host.tenant.change_some(create=5, update=10)
    sync(host)

    assert dict(query_postgres(url, IDENTITY)) == {
        "digital_human_videos": "f",
        "digital_human_video_states": "d",
        "extraction_windows": "f",
        "rejected_records": "n",
        "sync_attempts": "f",
    }


def test_a_reader_of_a_table_delays_its_identity_but_not_the_sync(host, url):
    sync(host)
    execute_postgres(
        url, "DROP PUBLICATION everything", "ALTER TABLE metastudio.rejected_records REPLICA IDENTITY DEFAULT"
    )
    with closing(psycopg2.connect(url)) as reader:
        reader.cursor().execute("SELECT * FROM metastudio.rejected_records")
        host.tenant.change_some(create=5, update=10)
        sync(host)
        held = held_rows(lambda sql: query_postgres(url, f"SET TIME ZONE 'UTC'; {sql}"))
        assert held == shown_rows(host)
        assert dict(query_postgres(url, IDENTITY))["rejected_records"] == "d"
    sync(host)
    assert dict(query_postgres(url, IDENTITY))["rejected_records"] == "f"
    execute_postgres(url, "CREATE PUBLICATION everything FOR ALL TABLES")


def test_columns_indexes_and_constraints_of_a_user_are_left_alone(host, url):
    sync(host)
    execute_postgres(
        url,
        "ALTER TABLE metastudio.digital_human_videos"
        " ADD COLUMN note text DEFAULT 'mine', ADD COLUMN grade numeric, ADD COLUMN seen timestamptz DEFAULT now(),"
        " ADD COLUMN minutes double precision GENERATED ALWAYS AS (duration / 60) STORED,"
        " ADD CONSTRAINT one_row_per_job UNIQUE (project_id, job_id)",
        "ALTER TABLE metastudio.digital_human_videos REPLICA IDENTITY USING INDEX one_row_per_job",
        "CREATE INDEX by_note ON metastudio.digital_human_videos (note)",
        "CREATE TABLE reviews (project_id text, job_id text, FOREIGN KEY (project_id, job_id)"
        " REFERENCES metastudio.digital_human_videos (project_id, job_id) DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO reviews SELECT project_id, job_id FROM metastudio.digital_human_videos",
    )
    changed, gone, *_ = (job["job_id"] for job in host.tenant.visible())
    host.tenant.corrupt(changed, note="the API's", tags={"a": 1})
    host.tenant.update(changed, asset_name="changed")
    sync(host)
    host.tenant.vanish(gone)
    audit()

    noted = "SELECT note, api__note, deleted_at IS NULL FROM metastudio.digital_human_videos WHERE job_id = '%s'"
    assert query_postgres(url, noted % changed) == [("mine", "the API's", True)]
    assert query_postgres(url, noted % gone) == [("mine", None, False)]
    assert query_postgres(url, "SELECT count(*) FROM pg_indexes WHERE indexname IN ('by_note', 'one_row_per_job')") == [
        (2,)
    ]
    execute_postgres(url, "ALTER TABLE metastudio.digital_human_videos DROP COLUMN note, DROP COLUMN grade")
    host.tenant.change_some(create=5, update=10)
    sync(host)
    assert held_rows(lambda sql: query_postgres(url, f"SET TIME ZONE 'UTC'; {sql}")) == shown_rows(host)
