"""The reporting models run unchanged on PostgreSQL, with the same results as on DuckDB."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES
from metastudio.reporting import dbt_runner
from metastudio.reporting.dbt_runner import build_models
from metastudio.reporting.model_version import MODELS, TenantName, Version
from metastudio.reporting.report import CHARTS, read_report

from tests.support.postgres import drop_dataset, execute_postgres, query_postgres
from tests.support.warehouse import Warehouse, make_warehouse, read_readme_queries

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)

OPTIONS = Options(pipeline="postgres_models", destination="postgres")


@dataclass
class DbtFolders:
    """What the folders of dbt contained: its profiles, and files with the password."""

    profiles: list[Path] = field(default_factory=list)
    leaks: list[Path] = field(default_factory=list)


@pytest.fixture(scope="module")
def dbt_folders() -> Iterator[DbtFolders]:
    """Search each folder that dbt ran in before it is deleted."""
    found = DbtFolders()

    class Folder(tempfile.TemporaryDirectory):
        def __exit__(self, *error):
            files = [path for path in Path(self.name).rglob("*") if path.is_file()]
            found.profiles += [path for path in files if path.name == "profiles.yml"]
            found.leaks += [path for path in files if b"opensesame" in path.read_bytes()]
            super().__exit__(*error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt_runner.tempfile, "TemporaryDirectory", Folder)
        yield found


@pytest.fixture(scope="module")
def postgres(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory, dbt_folders: DbtFolders
) -> Iterator[Warehouse]:
    with make_warehouse(tmp_path_factory.mktemp("models"), OPTIONS, postgres_url) as warehouse:
        assert len(dbt_folders.profiles) == 1, "the first sync parsed and built the models"
        yield warehouse
    drop_dataset(postgres_url, OPTIONS.dataset)


def read_rows(warehouse, monkeypatch, model):
    """Read a model's rows in a fixed order, without the columns that differ from run to run."""
    warehouse.configure(monkeypatch)
    rows = warehouse.models.query_dicts(f"SELECT * FROM {{{model}}}")
    for row in rows:
        for name in ("freshness_seconds", "requests", "retries", "throttled"):
            row.pop(name, None)
    plain = [
        {name: round(float(value), 6) if isinstance(value, (Decimal, float)) else value for name, value in row.items()}
        for row in rows
    ]
    return sorted(plain, key=lambda row: [str(value) for value in row.values()])


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_the_same_columns_and_rows_on_both(warehouse, postgres, monkeypatch, model):
    here, there = (read_rows(place, monkeypatch, model) for place in (warehouse, postgres))

    assert [list(row) for row in here] == [list(row) for row in there]
    assert here == there != []


def read_charts(warehouse):
    """Read the series that only charts show, with rounded figures."""
    tenants, now = [TenantName(warehouse.sim.project_id, None, "")], warehouse.sim.clock.now()
    rows = read_report(warehouse.models, tenants, now=now, charts=True).rows
    text = orjson.dumps({name: rows[name] for name in CHARTS}, default=float)
    return json.loads(text, parse_float=lambda text: round(float(text), 6))


def test_the_report_is_the_same_as_on_duckdb(warehouse, postgres, run, monkeypatch):
    printed = {}
    for place in (warehouse, postgres):
        place.configure(monkeypatch)
        options = ("--pipeline", place.options.pipeline, "--destination", place.options.destination)
        as_json, as_text = run("report", "--json", *options), run("report", *options)
        assert (as_json.code, as_text.code) == (0, 0), as_json.err + as_text.err
        figures = json.loads(as_json.out.splitlines()[-1], parse_float=lambda text: round(float(text), 6))
        for differs in ("health", "at", "pipeline"):  # they depend on the time and on the pipeline
            figures.pop(differs)
        printed[place.options.destination] = figures, as_text.out.partition("\n")[2], read_charts(place)

    assert printed["postgres"] == printed["duckdb"]


OTHER_VERSION = (
    "SELECT 'other'::text AS version, 'UTC'::text AS time_zone, 1::bigint AS sla_seconds, '[]'::text AS tenants"
)


@pytest.fixture
def as_reader(postgres, postgres_url, run, monkeypatch, tmp_path):
    """Return the command line with a role that may only read, and a state directory of its own."""
    postgres.configure(monkeypatch)
    execute_postgres(
        postgres_url,
        "CREATE ROLE only_reads LOGIN",
        "GRANT USAGE ON SCHEMA metastudio, metastudio_reporting TO only_reads",
        "GRANT SELECT ON ALL TABLES IN SCHEMA metastudio, metastudio_reporting TO only_reads",
    )
    monkeypatch.setenv(
        "DESTINATION__POSTGRES__CREDENTIALS", postgres_url.replace("postgres:opensesame", "only_reads:none")
    )
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "state-of-the-reader"))
    [(definition,)] = query_postgres(
        postgres_url, "SELECT pg_get_viewdef('metastudio_reporting.models_version'::regclass)"
    )
    yield lambda command: run(command, "--json", "--pipeline", OPTIONS.pipeline, "--destination", "postgres")
    execute_postgres(
        postgres_url,
        f"CREATE OR REPLACE VIEW metastudio_reporting.models_version AS {definition}",
        "GRANT TEMPORARY ON DATABASE postgres TO PUBLIC",
        "DROP OWNED BY only_reads",
        "DROP ROLE only_reads",
    )


def test_a_role_that_may_only_read_runs_report_and_status(as_reader, postgres_url, tmp_path, caplog):
    report, status = as_reader("report"), as_reader("status")
    assert (report.code, report.json["health"]["jobs"]) == (0, 600), report.err
    assert (status.code, status.json["tables"]["digital_human_videos"]) == (0, 600), status.err
    assert not (tmp_path / "state-of-the-reader").exists()

    execute_postgres(postgres_url, "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")
    without_copies = as_reader("report")
    days, found = (
        [(row["day"], row["created"], row["succeeded"]) for row in one.json["by_day"]]
        for one in (report, without_copies)
    )
    assert days == found != []

    execute_postgres(postgres_url, f"CREATE OR REPLACE VIEW metastudio_reporting.models_version AS {OTHER_VERSION}")
    report = as_reader("report")
    assert (report.code, report.json["health"]["jobs"]) == (0, 600), report.err
    assert "of another version and could not be built here, so they are read as they are" in caplog.text

    execute_postgres(postgres_url, "ALTER VIEW metastudio_reporting.sync_health RENAME COLUMN missing TO lost")
    try:
        report = as_reader("report")
    finally:
        execute_postgres(postgres_url, "ALTER VIEW metastudio_reporting.sync_health RENAME COLUMN lost TO missing")
    assert report.code == 2
    assert report.json["error"]["message"] == (
        "The reporting models are of another version, which has no missing, and this report needs it."
    )
    assert report.json["error"]["hint"].startswith("Run metastudio models with this release")


def test_every_test_passes_and_no_password_touches_the_disk(postgres, dbt_folders, monkeypatch):
    postgres.configure(monkeypatch)
    before = len(dbt_folders.profiles)
    tested = build_models(open_pipeline(OPTIONS), Version(), test=True, unit_tests=True)

    assert (tested.failed, tested.passed >= 72) == ((), True)
    assert len(dbt_folders.profiles) == before + 1 and not any(profile.exists() for profile in dbt_folders.profiles)
    assert dbt_folders.leaks == []
    assert not [name for name in os.environ if "METASTUDIO_MODELS" in name or name.startswith("DBT_ENV_SECRET")]


def test_tables_models_and_columns_carry_their_descriptions(postgres, monkeypatch):
    postgres.configure(monkeypatch)
    with open_pipeline(OPTIONS).sql_client() as client:
        rows = client.execute_sql(
            "SELECT table_schema, table_name, column_name, col_description(format('%I.%I', table_schema, table_name)::regclass,"
            " ordinal_position) FROM information_schema.columns WHERE table_schema LIKE 'metastudio%'"
        )
        table = client.execute_sql("SELECT obj_description('metastudio.digital_human_videos'::regclass)")
    comments = {(schema, name, column): text for schema, name, column, text in rows}

    for declared in TABLES:
        for column in declared.columns:
            assert comments["metastudio", declared.name, column.name] == column.description
    assert all(text for (schema, _, _), text in comments.items() if schema == "metastudio_reporting")
    assert table[0][0].startswith(TABLES[0].description)


def test_the_readmes_queries_answer_here_as_they_do_on_duckdb(postgres, ask, monkeypatch):
    postgres.configure(monkeypatch)
    queries = read_readme_queries()

    assert len(queries) == 9
    with open_pipeline(OPTIONS).sql_client() as client:
        for sql in queries:
            assert len(client.execute_sql(sql)) == len(ask(sql)) > 0, sql
