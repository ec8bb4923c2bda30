"""Rebuilding the models leaves what others built on them, and the time zone of days."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest
from metastudio.commands.load import run_sync
from metastudio.commands.models import rebuild_models
from metastudio.commands.progress import LogProgress
from metastudio.errors import ConfigurationError, UnavailableError
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.views import drop_views
from metastudio_simulator import Simulator

from tests.support.postgres import drop_dataset, execute_postgres, make_environment, query_postgres
from tests.support.simulated import NOW

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)

OPTIONS = Options(destination="postgres")
GRANTS = (
    "SELECT grantee, table_name, privilege_type, is_grantable FROM information_schema.role_table_grants"
    " WHERE table_schema = 'metastudio_reporting' AND grantee IN ('analyst', 'PUBLIC') ORDER BY 1, 2"
)
GRANTED = [("PUBLIC", "video_jobs", "SELECT", "NO"), ("analyst", "backlog", "SELECT", "YES")]


@pytest.fixture
def ask(postgres_url):
    return lambda sql: query_postgres(postgres_url, sql)


@pytest.fixture(scope="module")
def built(postgres_url, tmp_path_factory):
    """Build the models with a time zone, let an analyst build on them, and break one of them.

    The analyst may read one model, has a view on it, and has a view on another one.
    """
    with Simulator(jobs=60, days=60, seed=7, now=NOW) as sim, pytest.MonkeyPatch.context() as patch:
        for name, value in make_environment(sim, tmp_path_factory.mktemp("viewed"), postgres_url).items():
            patch.setenv(name, value)
        assert run_sync(OPTIONS, LogProgress()).error is None
        rebuild_models(open_pipeline(OPTIONS), "Asia/Shanghai")
        execute_postgres(
            postgres_url,
            "CREATE ROLE analyst",
            "GRANT SELECT ON metastudio_reporting.video_jobs TO PUBLIC",
            "GRANT SELECT ON metastudio_reporting.backlog TO analyst WITH GRANT OPTION",
            "CREATE VIEW public.my_jobs AS SELECT job_id FROM metastudio_reporting.video_jobs",
            "CREATE VIEW public.my_backlog AS SELECT age FROM metastudio_reporting.backlog",
            "ALTER VIEW metastudio_reporting.backlog RENAME COLUMN jobs TO how_many",
        )
        yield
    drop_dataset(postgres_url, OPTIONS.dataset)


def test_a_rebuild_that_would_drop_the_views_of_others_is_refused_before_anything_is_dropped(built, ask):
    with pytest.raises(ConfigurationError) as refused:
        rebuild_models(open_pipeline(OPTIONS))

    assert "view my_backlog depends on view metastudio_reporting.backlog" in refused.value.message
    assert "my_jobs" not in refused.value.message
    assert "--force" in refused.value.hint
    assert ask("SELECT count(*) FROM my_jobs, my_backlog") != [(0,)]
    assert ask("SELECT sum(how_many) FROM metastudio_reporting.backlog") != [(None,)]
    assert ask(GRANTS) == GRANTED


def test_a_rebuild_keeps_grants_other_views_and_the_time_zone(built, ask, postgres_url):
    execute_postgres(postgres_url, "DROP VIEW my_backlog", "DROP VIEW metastudio_reporting.models_version")

    rebuild_models(open_pipeline(OPTIONS))

    assert ask("SELECT time_zone FROM metastudio_reporting.models_version") == [("Asia/Shanghai",)]
    assert ask("SELECT sum(jobs) FROM metastudio_reporting.backlog") != [(None,)]
    assert ask("SELECT count(*) FROM my_jobs") == [(60,)]
    assert ask(GRANTS) == GRANTED


def test_a_build_that_waits_too_long_for_a_lock_ends_in_exit_code_4(built, postgres_url, monkeypatch):
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"{postgres_url}?options=-clock_timeout%3D50ms")
    with closing(psycopg2.connect(postgres_url)) as reader:
        reader.cursor().execute("SELECT 1 FROM metastudio_reporting.stg_video_jobs")
        with pytest.raises(UnavailableError) as raised:
            rebuild_models(open_pipeline(OPTIONS))

    assert "lock timeout" in raised.value.message


def test_what_others_built_is_dropped_if_that_is_wanted(built, ask, postgres_url):
    execute_postgres(
        postgres_url,
        "CREATE OR REPLACE VIEW metastudio_reporting.no_model AS SELECT 1 AS one",
        "CREATE VIEW public.forced AS SELECT one FROM metastudio_reporting.no_model",
    )
    with drop_views(open_pipeline(OPTIONS), {"no_model", "another"}, force=True):
        execute_postgres(postgres_url, "CREATE VIEW metastudio_reporting.no_model AS SELECT 1 AS one")

    assert ask("SELECT to_regclass('public.forced')") == [(None,)]
