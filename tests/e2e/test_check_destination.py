"""`metastudio check` tries what a sync does in the destination, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pytest
from metastudio.commands.check import check_destination
from metastudio.config.tenant import resolve_tenant
from metastudio.pipeline.options import Options

from tests.support.postgres import query_postgres
from tests.support.simulated import make_settings


@pytest.fixture
def tenant(sim, settings):
    return resolve_tenant()


@pytest.fixture
def database(folder, settings):
    """Return a function that runs SQL on the DuckDB file."""

    def execute(sql):
        with duckdb.connect(str(folder / "videos.duckdb")) as connection:
            return connection.execute(sql).fetchall()

    return execute


def test_a_file_that_can_be_created_is_not(tenant, folder):
    result = check_destination(Options(), tenant)

    assert (result.verdict, result.text) == ("ok", f"{folder}/videos.duckdb: does not exist yet and can be created")
    assert not list(folder.iterdir())


def test_a_file_that_cannot_be_created_is_named(tenant, folder, monkeypatch):
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "no" / "videos.duckdb"))

    result = check_destination(Options(), tenant)

    assert (result.verdict, result.error.exit_code) == ("FAILED", 2)
    assert f"The DuckDB file {folder}/no/videos.duckdb cannot be created: there is no such folder." in result.text


def test_an_existing_destination_is_tried_and_not_changed(tenant, folder, database):
    database("CREATE SCHEMA theirs")
    before = database("SELECT schema_name FROM duckdb_schemas() ORDER BY ALL")

    result = check_destination(Options(), tenant)

    assert result.verdict == "ok", result.text
    assert "schemas metastudio, metastudio_staging_metastudio can be written to" in result.text
    assert database("SELECT schema_name FROM duckdb_schemas() ORDER BY ALL") == before
    assert database("SELECT count(*) FROM duckdb_tables()") == [(0,)]
    assert [path.name for path in folder.iterdir()] == ["videos.duckdb"]


def test_who_holds_the_file_is_said(tenant, folder):
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(folder / "videos.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        holder.stdout.readline()
        result = check_destination(Options(), tenant)
        holder.stdin.close()

    assert (result.verdict, result.error.exit_code) == ("FAILED", 4)
    assert f"(PID {holder.pid})" in result.text


FOREIGN = {
    "CREATE TABLE metastudio.digital_human_videos (id integer)": "it has no column project_id",
    "CREATE TABLE metastudio.rejected_records AS SELECT 1 AS project_id, 'x' AS record_hash, 'x' AS record,"
    " 'x' AS reason": "its column project_id has another type",
    "CREATE VIEW metastudio.sync_attempts AS SELECT 1 AS run_id": "it is a view",
    "CREATE TABLE metastudio._dlt_loads (number integer)": "it has no column load_id",
}


@pytest.mark.parametrize("statement", FOREIGN)
def test_a_table_of_somebody_else_is_named_by_check_and_refused_by_sync(sim, tenant, database, run, statement):
    database(f"CREATE SCHEMA metastudio; {statement}")
    name = statement.split()[2].split(".")[1]

    result = check_destination(Options(), tenant)
    ended = run("sync")

    assert f"has a table {name} that is not metastudio's: {FOREIGN[statement]}." in result.text
    assert ended.code == 2
    assert f"has a table {name} that is not metastudio's: {FOREIGN[statement]}." in ended.err
    assert "--dataset" in ended.err
    assert sim.stats.requests == 0


@pytest.mark.usefixtures("folder")
def test_on_postgresql_the_schema_or_table_that_cannot_be_used_is_named(sim, postgres_url, monkeypatch, run):
    for name, value in {**make_settings(sim), "DESTINATION__POSTGRES__CREDENTIALS": postgres_url}.items():
        monkeypatch.setenv(name, value)
    options, tenant = Options(destination="postgres", dataset="checked"), resolve_tenant()
    assert check_destination(options, tenant).verdict == "ok"
    assert not query_postgres(postgres_url, "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'checked%'")
    assert run("sync", "--destination", "postgres", "--dataset", "checked").code == 0
    assert check_destination(options, tenant).verdict == "ok"

    query_postgres(postgres_url, "CREATE ROLE checker LOGIN PASSWORD 'none'; SELECT 1")
    user = postgres_url.replace("postgres:opensesame", "checker:none")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", user)
    assert (
        "The schema fresh cannot be created: InsufficientPrivilege."
        in check_destination(Options(destination="postgres", dataset="fresh"), tenant).text
    )
    for schema in ("checked", "checked_staging_metastudio"):
        query_postgres(postgres_url, f"GRANT ALL ON SCHEMA {schema} TO checker; SELECT 1")
    result = check_destination(options, tenant)
    assert "The table digital_human_videos cannot be written to: InsufficientPrivilege." in result.text
    assert result.error.exit_code == 2

    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://nobody:opensesame@127.0.0.1:1/none")
    result = check_destination(options, tenant)
    assert result.error.exit_code == 4
    assert "opensesame" not in result.text
