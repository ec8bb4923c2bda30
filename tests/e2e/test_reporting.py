"""The report, its page, the README's queries and the notebook, on a tenant with unusual jobs."""

from __future__ import annotations

import importlib.util
import json
import re
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from metastudio.commands.report import run_report
from metastudio.records.parser import TERMINAL_STATES
from metastudio.reporting.html_report import make_page
from metastudio.reporting.report import SECTIONS, read_report

from tests.support.warehouse import read_readme_queries

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 15, 13, 1, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt",
    "ignore::DeprecationWarning:mashumaro",
    "ignore::DeprecationWarning:marimo",
    "ignore::ResourceWarning",
)


def held_jobs(ask):
    names = ("state", "job_type", "created", "started", "ended", "duration", "code", "deleted")
    rows = ask(
        "SELECT state, job_type, create_time, start_time, end_time, duration, error_info__error_code, deleted_at"
        " FROM metastudio.digital_human_videos"
    )
    jobs = [dict(zip(names, row, strict=True)) for row in rows]
    for job in jobs:
        job["state"] = "SUCCEED" if job["state"] == "SUCCESS" else job["state"]
        photo = job["job_type"] in ("PHOTO_DIGITAL_HUMAN_VIDEO", "DIGITAL_HUMAN_PHOTO_VIDEO")
        job["job_type"] = "PHOTO_DIGITAL_HUMAN_VIDEO" if photo else job["job_type"] or "UNKNOWN"
    return jobs


def percentile(values, share):
    """Return a percentile, interpolated as percentile_cont does."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    return ordered[low] + (position - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


@pytest.fixture(scope="module")
def figures(built_warehouse):
    """Return the figures of the report."""
    with pytest.MonkeyPatch.context() as patch:
        built_warehouse.configure(patch)
        return orjson.loads(orjson.dumps(run_report(built_warehouse.options).as_dict(), default=float))


@pytest.fixture
def run(warehouse, run, monkeypatch):
    """Return the command line with the settings of the warehouse."""
    warehouse.configure(monkeypatch)
    return run


def test_production_adds_up_to_the_jobs_of_the_raw_table(figures, ask):
    jobs = held_jobs(ask)
    for row in figures["production"]:
        first = NOW.date() - timedelta(days=row["days"] - 1)
        states = Counter(job["state"] for job in jobs if job["created"].date() >= first)
        minutes = (
            sum(job["duration"] for job in jobs if job["created"].date() >= first and job["state"] == "SUCCEED") / 60
        )
        finished = states["SUCCEED"] + states["FAILED"]

        assert (row["created"], row["succeeded"], row["failed"]) == (
            states.total(),
            states["SUCCEED"],
            states["FAILED"],
        )
        assert row["success_rate"] == (pytest.approx(states["SUCCEED"] / finished) if finished else None)
        assert row["video_minutes"] == pytest.approx(minutes)


def test_the_change_compares_with_as_many_days_before(figures, ask):
    jobs = held_jobs(ask)
    rates = []
    for start, end in ((6, 0), (13, 7)):
        days = {NOW.date() - timedelta(days=number) for number in range(end, start + 1)}
        states = Counter(job["state"] for job in jobs if job["created"].date() in days)
        rates.append(states["SUCCEED"] / (states["SUCCEED"] + states["FAILED"]))

    assert figures["production"][1]["change"] == pytest.approx(rates[0] - rates[1])


def test_times_are_the_percentiles_of_the_raw_times(figures, ask):
    recent = [job for job in held_jobs(ask) if timedelta() <= NOW - job["created"] <= timedelta(days=30)]
    rows = {row["job_type"]: row for row in figures["times"]}

    assert set(rows) == {job["job_type"] for job in recent}
    for job_type, row in rows.items():
        mine = [job for job in recent if job["job_type"] == job_type]
        for name, start, end in (("wait", "created", "started"), ("render", "started", "ended")):
            spans = [(job[end] - job[start]).total_seconds() for job in mine if job[start] and job[end]]
            spans = [span for span in spans if span >= 0]
            assert row[f"{name}_p50"] == pytest.approx(statistics.median(spans))
            assert row[f"{name}_p95"] == pytest.approx(percentile(spans, 0.95))


def test_failure_reasons_count_the_failed_jobs_of_thirty_days(figures, ask):
    codes = Counter(
        job["code"] for job in held_jobs(ask) if job["state"] == "FAILED" and NOW - job["created"] <= timedelta(days=30)
    )
    rows = figures["failure_reasons"]

    assert [(row["error_code"], row["jobs"]) for row in rows] == sorted(
        codes.items(), key=lambda item: (-item[1], item[0])
    )[:5]
    assert sum(row["share"] for row in rows) <= 1.000001
    assert rows[0]["share"] == pytest.approx(rows[0]["jobs"] / codes.total())


def test_the_backlog_holds_each_open_job_once(figures, ask):
    open_jobs = [job for job in held_jobs(ask) if job["state"] not in TERMINAL_STATES and job["deleted"] is None]

    assert sum(row["jobs"] for row in figures["backlog"]) == len(open_jobs) > 0


def test_the_report_for_the_terminal_shows_every_section_and_what_is_unusual(run):
    ended = run("report")

    assert ended.code == 0
    assert all(section.title in ended.out for section in SECTIONS)
    assert "Complete: every window was proved complete." in ended.out
    assert "1 record was rejected" in ended.out
    assert "a state that this release does not know: THAWED" in ended.out


def test_the_report_builds_models_that_are_missing(run, ask):
    ask("DROP SCHEMA metastudio_reporting CASCADE")
    ended = run("report", "--json")

    assert (ended.code, ended.json["health"]["jobs"]) == (0, 600)


def test_the_page_is_self_contained(warehouse):
    page = make_page(
        read_report(warehouse.models, warehouse.sim.project_id, charts=True), lambda: "/* Vega */ </script>"
    )

    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", page)
    assert page.count("</script>") == page.count("<script") == 3
    charts = json.loads(re.search(r'<script id="charts"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    assert set(charts) == {"production", "success", "waiting", "rendering", "reasons", "backlog"}
    assert all(f'id="{name}"' in page for name in charts)
    assert all(spec["width"] == "container" for spec in charts.values())


def test_the_page_shows_texts_of_the_api_as_texts(warehouse):
    report = read_report(warehouse.models, warehouse.sim.project_id, charts=True)
    report.rows["failure_reasons"][0]["example_message"] = "<img src=x onerror=alert(1)></script>"
    page = make_page(report, lambda: "")

    assert "<img" not in page
    assert page.count("</script>") == 3


@pytest.mark.parametrize("target", ["missing/report.html", "."])
def test_a_page_that_cannot_be_written_ends_in_exit_code_2(run, monkeypatch, target):
    monkeypatch.setattr("metastudio.reporting.html_report._read_vega", lambda: "")
    ended = run("report", "--html", target)

    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_the_page_is_written_where_it_is_wanted(run, warehouse, monkeypatch, tmp_path):
    monkeypatch.setattr("metastudio.reporting.html_report._read_vega", lambda: "")
    ended = run("report", "--html", str(tmp_path / "report.html"))

    assert (ended.code, "report.html" in ended.out) == (0, True)
    assert warehouse.sim.project_id in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_missing_packages_for_the_page_are_named(run, monkeypatch, tmp_path):
    def fail():
        raise ImportError("vl_convert")

    monkeypatch.setattr("metastudio.reporting.html_report._read_vega", fail)
    ended = run("report", "--html", str(tmp_path / "report.html"))

    assert ended.code == 2
    assert "Install metastudio with the extra reporting" in ended.err


def test_the_readmes_queries_run_and_answer(ask):
    queries = read_readme_queries()

    assert len(queries) == 6
    for sql in queries:
        assert ask(sql), sql


def test_the_notebook_runs_from_its_first_cell_to_its_last(warehouse):
    spec = importlib.util.spec_from_file_location("walkthrough", ROOT / "notebooks" / "walkthrough.py")
    notebook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(notebook)
    _, values = notebook.app.run()
    values["health"].fetchall()

    assert sum(row[2] for row in values["weeks"].fetchall()) == 600
    assert values["reasons"].fetchall()
    assert {values[name].to_dict()["mark"]["type"] for name in ("production", "success", "waiting")} == {"bar", "line"}
    values["warehouse"].close()
