"""Variables that are set for the user's own dbt projects do not reach the reporting models."""

from __future__ import annotations

import os

from metastudio.commands.models import rebuild_models
from metastudio.pipeline.factory import open_pipeline

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


def test_variables_of_other_dbt_projects_neither_break_nor_empty_the_models(warehouse, ask, monkeypatch):
    jobs = "SELECT count(*) FROM metastudio_reporting.video_jobs"
    before = ask(jobs)
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)

    rebuild_models(open_pipeline(warehouse.options))

    assert ask(jobs) == before
    assert {name: os.environ[name] for name in FOREIGN} == FOREIGN
