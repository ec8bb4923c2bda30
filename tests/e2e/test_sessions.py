"""In PostgreSQL, sessions have our settings, whatever role, database or client set."""

from __future__ import annotations

from datetime import date

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from metastudio import metastudio
from metastudio.commands.load import run_audit, run_sync
from metastudio.commands.models import rebuild_models
from metastudio.commands.progress import LogProgress
from metastudio.commands.report import ReportRequest, run_report
from metastudio.destination.jobs import Destination
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.model_version import Models
from metastudio_simulator import Simulator

from tests.support.postgres import execute_postgres, make_environment, query_postgres
from tests.support.rows import held_rows, shown_rows
from tests.support.simulated import NOW

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)

OPTIONS = Options(destination="postgres")
HOSTILE_ROLE = (
    "timezone = 'Asia/Shanghai'",
    "client_encoding = 'LATIN1'",
    "datestyle = 'German'",
    "search_path = 'nowhere'",
    "default_transaction_read_only = on",
    "default_transaction_isolation = 'serializable'",
    "standard_conforming_strings = off",
    "extra_float_digits = -10",
)
HOSTILE_CLIENT = {
    "PGTZ": "America/New_York",
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "SQL, DMY",
    "PGOPTIONS": "-cdefault_transaction_read_only=on -cclient_encoding=LATIN1",
}


@pytest.fixture(scope="module")
def hostile_url(postgres_url):
    """Return the URL of a role and a database whose settings change what sessions read and do."""
    execute_postgres(
        postgres_url,
        "CREATE ROLE hostile LOGIN",
        *(f"ALTER ROLE hostile SET {setting}" for setting in HOSTILE_ROLE),
        "CREATE DATABASE hostile OWNER hostile TEMPLATE template0 ENCODING 'UTF8'",
        "ALTER DATABASE hostile SET timezone = 'Asia/Kolkata'",
    )
    url = postgres_url.replace("postgres:opensesame", "hostile:none").removesuffix("/postgres") + "/hostile"
    return f"{url}?client_encoding=LATIN1&options=-ctimezone%3DAsia/Tokyo"


@pytest.fixture(scope="module")
def ends_of_time(hostile_url, tmp_path_factory):
    """Sync a tenant whose jobs lie at both ends of time, audit it, and build the models for a zone
    in which the last day is in the year 10000.
    """
    with Simulator(jobs=60, days=60, seed=7, now=NOW) as sim:
        ids = [job["job_id"] for job in sim.tenant.visible() if job["state"] == "SUCCEED"]
        times = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
        for job_id, time in zip(ids, times, strict=False):
            sim.tenant.corrupt(job_id, start_time=times[0], end_time=time, duration=0.1 + 0.2)
            sim.tenant.corrupt(job_id, output_asset_config={"asset_id": "a", "asset_name": "视频 🎬 '\\' é"})
        sim.tenant.corrupt(ids[1], create_time=times[1])
        environment = make_environment(sim, tmp_path_factory.mktemp("hostile"), hostile_url)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**environment, **HOSTILE_CLIENT}.items():
                patch.setenv(name, value)
            synced = run_sync(OPTIONS, LogProgress())
            audited = run_audit(OPTIONS, LogProgress(), repair=False)
            rebuild_models(open_pipeline(OPTIONS), "Asia/Shanghai")
            models = Models(Destination(open_pipeline(OPTIONS)))
            jobs = models.query_dicts("SELECT started_at, finished_at FROM {video_jobs} WHERE started_at IS NOT NULL")
            days = models.query_dicts("SELECT day FROM {daily_production} ORDER BY day")
            report = run_report(OPTIONS, ReportRequest(charts=True))
        yield sim, synced, audited, jobs, days, report


def test_rows_arrive_as_the_api_shows_them(ends_of_time, postgres_url):
    sim, synced, audited, *_ = ends_of_time

    assert (synced.error, audited.error) == (None, None)
    url = postgres_url.removesuffix("/postgres") + "/hostile?options=-ctimezone%3DUTC"
    assert held_rows(lambda sql: query_postgres(url, sql)) == shown_rows(sim)


def test_models_and_report_hold_the_first_and_the_last_year(ends_of_time):
    *_, jobs, days, report = ends_of_time

    assert {job["started_at"].year for job in jobs} == {1, 2025, 2026}
    assert days[-1]["day"] == date(9999, 12, 31)
    assert report.version.time_zone == "Asia/Shanghai"


def test_the_source_alone_refuses_such_a_database_too(settings, postgres_url):
    execute_postgres(postgres_url, "CREATE DATABASE alone TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    url = postgres_url.removesuffix("/postgres") + "/alone"

    with pytest.raises(PipelineStepFailed, match="alone has the encoding LATIN1"):
        dlt.pipeline("alone", destination=dlt.destinations.postgres(credentials=url)).run(metastudio())

    assert query_postgres(url, "SELECT 1 FROM pg_tables WHERE tablename LIKE 'digital_human%'") == []


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_the_texts_is_named_before_anything_is_loaded(
    sim, settings, run, postgres_url, monkeypatch, encoding
):
    name = f"in_{encoding.lower()}"
    execute_postgres(postgres_url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    url = postgres_url.removesuffix("/postgres") + f"/{name}"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)

    ended = run("sync", "--destination", "postgres")

    assert ended.code == 2
    assert f"{name} has the encoding {encoding}," in ended.err and "ENCODING 'UTF8'" in ended.err
    assert sim.stats.requests == 0
    assert query_postgres(url, "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'metastudio%'") == []
