"""The reporting models on DuckDB: when they are built, and what they promise."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml
from metastudio.cli.models import describe_models
from metastudio.cli.output import write_result
from metastudio.commands import models
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES
from metastudio.reporting import PROJECT, model_version
from metastudio.reporting.dbt_runner import build_models
from metastudio.reporting.model_version import MODELS, Version, make_fingerprint

from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)

STAGING = ("stg_video_jobs", "stg_job_states", "stg_extraction_windows", "stg_rejected_records")


FOREIGN = {
    "DBT_TARGET": "production",
    "DBT_PROFILE": "company",
    "DBT_EMPTY": "true",
    "DBT_FULL_REFRESH": "true",
    "DBT_TARGET_PATH": "/dev/null/target",
    "DBT_DEFER": "true",
    "DBT_STATE": "/dev/null/state",
    "DBT_WARN_ERROR": "true",
}
"""Variables that are set for the user's own dbt projects."""


UNIQUE = {
    "unique_together_job_state_history_project_id__job_id__state__entered_at",
    "unique_together_output_assets_project_id__job_id",
    "unique_together_stg_video_jobs_project_id__job_id",
    "unique_together_video_jobs_project_id__job_id",
}
"""The tests that fail if a job is in the table twice."""


def read_descriptions():
    """Read the descriptions of the models and their columns from the dbt project."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(PROJECT.glob("models/**/*.yml"))]
    return {model["name"]: model for file in files for model in file.get("models", [])}


def test_the_first_sync_builds_the_models(warehouse, ask):
    assert "Building the reporting models" in warehouse.log
    assert ask("SELECT version, time_zone FROM metastudio_reporting.models_version") == [(make_fingerprint(), "UTC")]
    assert {name for (name,) in ask("SELECT view_name FROM duckdb_views() WHERE NOT internal")} == {*MODELS, *STAGING}
    assert ask("SELECT count(*), count(DISTINCT job_id) FROM metastudio_reporting.video_jobs") == [(600, 600)]


def test_an_ordinary_sync_never_imports_dbt(warehouse):
    code = (
        "import sys\n"
        "from metastudio.commands.load import run_sync\n"
        "from metastudio.commands.progress import LogProgress\n"
        "from metastudio.pipeline.factory import Options\n"
        "assert run_sync(Options(), LogProgress()).error is None\n"
        "assert not any(name.startswith(('dbt.cli', 'dbt.adapters', 'altair', 'marimo')) for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=warehouse.folder)


def test_a_sync_builds_outdated_models_again_and_keeps_the_time_zone(warehouse, ask):
    version = "SELECT version, time_zone FROM metastudio_reporting.models_version"
    older = "SELECT 'older' AS version, 'Asia/Shanghai' AS time_zone"
    ask("DROP TABLE metastudio.reporting_settings")  # older releases did not have it
    ask(f"CREATE OR REPLACE VIEW metastudio_reporting.models_version AS {older}")
    warehouse.sync()
    assert ask(version) == [(make_fingerprint(), "Asia/Shanghai")]
    assert ask("SELECT sql LIKE '%Asia/Shanghai%' FROM duckdb_views() WHERE view_name = 'video_jobs'") == [(True,)]


def test_a_sync_builds_models_that_stopped_working(warehouse, ask):
    warehouse.models.keep_settings(warehouse.models.last_settings()._replace(time_zone="UTC"))
    ask("DROP VIEW metastudio_reporting.stg_video_jobs")
    warehouse.sync()

    assert ask("SELECT count(*) FROM metastudio_reporting.video_jobs") == [(600,)]
    assert ask("SELECT time_zone FROM metastudio_reporting.models_version") == [("UTC",)]


@pytest.mark.parametrize("reason", ["not installed", "not wanted", "dbt fails"])
def test_a_sync_succeeds_without_models(warehouse, ask, monkeypatch, caplog, reason):
    monkeypatch.setattr(model_version, "make_fingerprint", lambda: "newer")
    if reason == "not installed":
        monkeypatch.setattr(models, "is_installed", lambda pipeline: False)
    elif reason == "not wanted":
        monkeypatch.setenv("SOURCES__METASTUDIO__BUILD_MODELS", "false")
    else:
        monkeypatch.setattr("metastudio.reporting.dbt_runner.PROJECT", Path("/nowhere"))
    with caplog.at_level(logging.INFO, "metastudio"):
        warehouse.sync()

    lines = [record.getMessage() for record in caplog.records if "models" in record.getMessage()]
    assert [line.split(":")[0] for line in lines] == {
        "not installed": ["The reporting models are not built"],
        "not wanted": [],
        "dbt fails": [
            "Building the reporting models, which are missing or of another version.",
            "The sync is done, but its reporting models are not",
        ],
    }[reason]
    assert ask("SELECT version FROM metastudio_reporting.models_version") == [(make_fingerprint(),)]


def test_a_job_that_is_there_twice_alone_fails_the_tests_on_the_data_and_ends_in_exit_code_5(warehouse, ask, capfd):
    """The second time, the job has no region, which fails one test more."""
    ask("ALTER TABLE metastudio.digital_human_videos ALTER region DROP NOT NULL")
    ask(
        "INSERT INTO metastudio.digital_human_videos SELECT * REPLACE (NULL AS region)"
        " FROM metastudio.digital_human_videos ORDER BY job_id LIMIT 1"
    )
    result = models.run_models(Options())
    write_result(result, describe_models, as_json=True)
    ask(
        "DELETE FROM metastudio.digital_human_videos WHERE rowid ="
        " (SELECT max(rowid) FROM metastudio.digital_human_videos)"
    )
    ask("ALTER TABLE metastudio.digital_human_videos ALTER region SET NOT NULL")

    out, err = capfd.readouterr()
    tested = json.loads(out)
    assert (result.exit_code, tested["exit_code"]) == (5, 5)
    assert "unique_together_video_jobs_project_id__job_id" in err
    assert {failure.split(":")[0] for failure in tested["failed"]} == UNIQUE | {"never_null_video_jobs"}
    assert {warning.split(":")[0] for warning in tested["warned"]} == {
        "accepted_values_video_jobs_state__WAITING__PROCESSING__SUCCEED__FAILED__CANCELED__BLOCK",
        "rendering_is_under_7_days",
    }
    assert tested["passed"] >= 53


def test_every_test_of_the_arithmetic_of_the_models_passes_and_nothing_is_left_behind(warehouse, ask):
    before = sorted(PROJECT.rglob("*"))
    tested = build_models(open_pipeline(Options()), Version(), test=False, unit_tests=True)

    assert (tested.failed, tested.warned) == ((), ())
    assert tested.passed >= 14
    assert sorted(PROJECT.rglob("*")) == before
    assert ask("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'metastudio_reporting'") == [(0,)]


def test_every_column_of_every_model_is_described_in_the_project_and_in_the_destination(warehouse, ask):
    described = read_descriptions()
    comments = ask(
        "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'metastudio_reporting'"
    )
    views = dict(ask("SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'metastudio_reporting'"))

    assert set(described) == set(views) == {*MODELS, *STAGING}
    for name, model in described.items():
        texts = {column["name"]: column["description"] for column in model["columns"]}
        assert all(texts.values()) and model["description"]
        assert {column: comment for table, column, comment in comments if table == name} == texts
        assert views[name] == model["description"]


def test_every_raw_table_and_column_carries_its_description(warehouse, ask):
    tables = dict(ask("SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'metastudio'"))
    columns = {
        (table, column): comment
        for table, column, comment in ask(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'metastudio'"
        )
    }
    for table in TABLES:
        assert tables[table.name].startswith(table.description)
        assert {column.name: columns[table.name, column.name] for column in table.columns} == {
            column.name: column.description for column in table.columns
        }


def test_comments_are_written_once_and_not_with_every_sync(warehouse, ask):
    ask("COMMENT ON COLUMN metastudio.digital_human_videos.state IS 'mine'")
    warehouse.sync()

    assert ask("SELECT comment FROM duckdb_columns() WHERE comment = 'mine'") == [("mine",)]
    ask("COMMENT ON TABLE metastudio.rejected_records IS NULL")
    warehouse.sync()
    assert ask("SELECT comment FROM duckdb_columns() WHERE comment = 'mine'") == []


def test_unusual_jobs_are_normalized_and_marked(warehouse, ask):
    jobs = sorted(warehouse.sim.tenant.visible(), key=lambda job: (job["create_time"], job["job_id"]))
    unknown, backwards = (
        next(job["job_id"] for job in jobs if job.get(name) == value)
        for name, value in (("state", "THAWED"), ("start_time", "2020-01-01T00:00:00Z"))
    )
    where = "FROM metastudio_reporting.video_jobs WHERE job_id ="

    assert ask(f"SELECT is_terminal, is_success, is_open {where} '{unknown}'") == [(False, False, True)]
    assert ask(f"SELECT wait_seconds {where} '{backwards}'") == [(None,)]
    assert ask("SELECT DISTINCT job_type FROM metastudio_reporting.video_jobs ORDER BY 1") == [
        ("2D_DIGITAL_HUMAN_VIDEO",),
        ("PHOTO_DIGITAL_HUMAN_VIDEO",),
        ("UNKNOWN",),
    ]
    assert ("SUCCESS",) not in ask("SELECT DISTINCT state FROM metastudio_reporting.video_jobs")
    assert ("SUCCESS",) in ask("SELECT DISTINCT state FROM metastudio.digital_human_videos")
    assert ask("SELECT count(*) FROM metastudio_reporting.video_jobs WHERE is_deleted AND deleted_at IS NOT NULL") == [
        (1,)
    ]


def test_the_health_shows_what_is_unusual_about_the_data(warehouse, ask):
    assert ask(
        "SELECT is_complete, incomplete_windows, jobs, deleted_jobs, jobs_in_unknown_states, unknown_states, rejected_records"
        " FROM metastudio_reporting.sync_health"
    ) == [(True, 0, 600, 1, 1, "THAWED", 1)]


@pytest.mark.parametrize("how", ["copied", "attached", "attached beside another"])
def test_the_models_answer_in_a_file_that_goes_by_another_name(warehouse, tmp_path, how):
    copy = shutil.copy(warehouse.credentials, tmp_path / "archive-2026.duckdb")
    own = {"copied": copy, "attached": ":memory:", "attached beside another": tmp_path / "empty.duckdb"}[how]
    prefix = "" if how == "copied" else "other."

    with duckdb.connect(str(own)) as connection:
        if how != "copied":
            connection.execute(f"ATTACH '{copy}' AS other (READ_ONLY)")
        if how == "attached beside another":
            connection.execute("CREATE SCHEMA metastudio; CREATE TABLE metastudio.digital_human_videos (a text)")
            connection.execute(
                "CREATE SCHEMA metastudio_reporting; CREATE VIEW metastudio_reporting.video_jobs AS SELECT 1"
            )
        for model in (*MODELS, *STAGING):
            assert connection.execute(f"SELECT * FROM {prefix}metastudio_reporting.{model}").fetchall(), model
        [(jobs,)] = connection.execute(f"SELECT count(*) FROM {prefix}metastudio_reporting.video_jobs").fetchall()
    assert jobs == 600


@pytest.fixture(scope="module")
def elsewhere(built_warehouse, tmp_path_factory):
    """Sync into a dataset and a file with other names, with the user's variables for dbt set."""
    folder = tmp_path_factory.mktemp("elsewhere")
    link = folder / "videos.duckdb"
    link.symlink_to(folder / "main.it's ö#1?{c}.duckdb")
    warehouse = Warehouse(built_warehouse.sim, Options(dataset="Videos"), folder, str(link))
    with pytest.MonkeyPatch.context() as patch:
        warehouse.configure(patch)
        for name, value in FOREIGN.items():
            patch.setenv(name, value)
        warehouse.sync()
        left = {name: os.environ[name] for name in FOREIGN}
        return warehouse.models.query("SELECT count(*) FROM {video_jobs}")[1], left


def test_any_name_of_file_and_dataset_works_also_behind_a_link(elsewhere):
    jobs, _ = elsewhere

    assert jobs == [(599,)]


def test_variables_of_other_dbt_projects_neither_break_nor_empty_the_models_and_stay(elsewhere):
    jobs, variables = elsewhere

    assert jobs == [(599,)]
    assert variables == FOREIGN


def test_a_dbt_project_of_ones_own_takes_the_models_as_a_package(warehouse, ask, monkeypatch, tmp_path):
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    monkeypatch.setenv("METASTUDIO_DBT", str(PROJECT))
    target = {"type": "duckdb", "path": str(warehouse.folder / "videos.duckdb"), "schema": "analytics"}
    files = {
        "dbt_project.yml": {
            "name": "own",
            "profile": "own",
            "flags": {"send_anonymous_usage_stats": False},
            "vars": {"metastudio_time_zone": "Asia/Shanghai"},
        },
        "packages.yml": {"packages": [{"local": "{{ env_var('METASTUDIO_DBT') }}"}]},
        "profiles.yml": {"own": {"target": "own", "outputs": {"own": target}}},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(yaml.safe_dump(content))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "busy_days.sql").write_text(
        "select day, created from {{ ref('metastudio', 'daily_production') }} where created > 5"
    )
    arguments = ["--project-dir", str(tmp_path), "--profiles-dir", str(tmp_path), "--log-level", "none", "--quiet"]
    before = sorted(PROJECT.rglob("*"))
    try:
        for command in ("deps", "run"):
            ended = dbtRunner().invoke([command, *arguments])
            assert ended.success, ended.exception
    finally:
        DuckDBConnectionManager.close_all_connections()

    assert ask("SELECT count(*) FROM analytics.busy_days")[0][0] > 0
    assert ask("SELECT count(*) FROM analytics.video_jobs") == [(600,)]
    assert sorted(PROJECT.rglob("*")) == before
    ask("DROP SCHEMA analytics CASCADE")


def test_the_fingerprint_changes_with_every_file_of_the_project(monkeypatch, tmp_path):
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(model_version, "PROJECT", tmp_path)
    seen = set()
    for content in ("select 1", "select 2"):
        (tmp_path / "models" / "a.sql").write_text(content)
        seen.add(make_fingerprint.__wrapped__())
    (tmp_path / "models" / "a.sql").rename(tmp_path / "models" / "b.sql")
    seen.add(make_fingerprint.__wrapped__())

    assert len(seen) == 3
