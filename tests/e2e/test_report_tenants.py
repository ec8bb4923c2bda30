"""The figures of many tenants, on random jobs, against plain SQL over the raw tables."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from metastudio.destination.jobs import Destination
from metastudio.errors import ConfigurationError
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.dbt_runner import build_models
from metastudio.reporting.html_report import make_page
from metastudio.reporting.model_version import TenantName, Version
from metastudio.reporting.report import read_report

from tests.support.chinese import find_english
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)

ZONE = "Asia/Shanghai"
NOW = datetime(2026, 1, 15, 17, 30, tzinfo=UTC)  # the 16th in Shanghai
SECTION = "SOURCES__METASTUDIO__"
NAMES = {f"t{number:02}": (f"{number // 2:032x}", f"user-{number}") for number in range(20)}
"""Project and app user of each tenant. Two tenants share each project."""

STATES = ("WAITING", "PROCESSING", "SUCCEED", "SUCCESS", "FAILED", "CANCELED", "BLOCK", "THAWED", None)
OUTCOMES = ("created", "succeeded", "failed", "canceled", "frozen", "still_open")
VIDEOS = "metastudio.digital_human_videos"
DAY = f"cast(create_time AT TIME ZONE '{ZONE}' AS date)"
RAW_OUTCOME = """CASE WHEN state IN ('SUCCEED', 'SUCCESS') THEN 'succeeded' WHEN state = 'FAILED' THEN 'failed'
    WHEN state = 'BLOCK' THEN 'frozen' WHEN state = 'CANCELED' OR deleted_at IS NOT NULL THEN 'canceled'
    ELSE 'still_open' END"""


def make_jobs() -> Iterator[tuple[Any, ...]]:
    """Yield random jobs: some without times, with an end before their creation, or deleted."""
    chance = random.Random(14)
    for project_id, app_user_id in NAMES.values():
        for number in range(chance.randrange(20, 60)):
            created = NOW - timedelta(seconds=chance.randrange(70 * 86_400))
            ended = created + timedelta(seconds=chance.randrange(-600, 9_000))
            state = chance.choice(STATES)
            code = f"MSS.{chance.randrange(9)}" if state == "FAILED" and chance.random() < 0.9 else None
            yield (
                *(project_id, app_user_id, f"{app_user_id}-{number}", "cn-north-4", state),
                chance.choice(("2D_DIGITAL_HUMAN_VIDEO", "DIGITAL_HUMAN_PHOTO_VIDEO", None)),
                created if chance.random() < 0.98 else None,
                ended if chance.random() < 0.9 else None,
                created + timedelta(seconds=chance.randrange(20_000)) if chance.random() < 0.9 else None,
                min(NOW, created + timedelta(days=2)) if chance.random() < 0.1 else None,
                float(chance.randrange(300)),
                code,
            )


def fill(file: str) -> None:
    """Replace the jobs of a warehouse by those of twenty tenants, each with a run."""
    with duckdb.connect(file) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in (VIDEOS, "metastudio.digital_human_video_states", "metastudio.rejected_records"):
            connection.execute(f"DELETE FROM {table}")
        connection.executemany(
            f"INSERT INTO {VIDEOS} (project_id, app_user_id, job_id, region, state, job_type, create_time, end_time,"
            " lastupdate_time, deleted_at, duration, error_info__error_code)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            list(make_jobs()),
        )
        connection.execute("DELETE FROM metastudio.extraction_windows")
        for name, (project_id, app_user_id) in NAMES.items():
            finished = NOW - timedelta(hours=2 if name == "t07" else 0)
            connection.execute(
                'INSERT INTO metastudio.extraction_windows (run_id, "window", project_id, app_user_id, mode, complete,'
                " open_gaps, missing, requests, retries, throttled, started_at, finished_at)"
                " VALUES (?, 1, ?, ?, 'changes', true, 0, 0, 1, 0, 0, ?, ?)",
                [name, project_id, app_user_id, finished, finished],
            )
        connection.execute(
            "INSERT INTO metastudio.rejected_records (project_id, app_user_id, record_hash, record, reason)"
            " VALUES (?, ?, 'hash', '{}', 'the record has no job_id')",
            NAMES["t06"],
        )


@pytest.fixture(scope="module")
def built_company(built_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("company")
    file = shutil.copy(built_warehouse.credentials, folder / "videos.duckdb")
    company = Warehouse(built_warehouse.sim, Options(), folder, str(file))
    with pytest.MonkeyPatch.context() as patch:
        company.configure(patch)
        fill(str(file))
        names = tuple(TenantName(*key, name) for name, key in NAMES.items())
        build_models(open_pipeline(Options()), Version(time_zone=ZONE, tenants=names), test=False)
    return company


@pytest.fixture
def company(built_company: Warehouse, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Return the warehouse of twenty tenants, with their settings, but without credentials.

    `folder` comes first, because it removes all settings.
    """
    built_company.configure(monkeypatch)
    monkeypatch.setattr("metastudio.commands.report.read_clock", lambda: NOW + timedelta(minutes=5))
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"{SECTION}CREDENTIALS__{name}")
    monkeypatch.setenv(f"{SECTION}TENANTS", ",".join(NAMES))
    for name, (project_id, app_user_id) in NAMES.items():
        monkeypatch.setenv(f"{SECTION}{name.upper()}__PROJECT_ID", project_id)
        monkeypatch.setenv(f"{SECTION}{name.upper()}__APP_USER_ID", app_user_id)
    return built_company


@pytest.fixture
def query(company: Warehouse):
    def query(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(company.credentials) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    return query


def count_raw(query, condition: str = "true", key: str = "1") -> dict[Any, dict[str, int]]:
    """Count the raw jobs by a key and by outcome; `created` is their number."""
    rows = query(
        f"SELECT {key}, {RAW_OUTCOME}, count(*) FROM {VIDEOS}"
        f" WHERE create_time IS NOT NULL AND {condition} GROUP BY 1, 2"
    )
    counts: dict[Any, dict[str, int]] = {}
    for value, outcome, number in rows:
        of_value = counts.setdefault(value, dict.fromkeys(OUTCOMES, 0))
        of_value[outcome] += number
        of_value["created"] += number
    return counts


def pick(row: dict[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in OUTCOMES}


def test_every_table_adds_up_to_the_raw_jobs_of_the_same_calendar_days(company, query, run):
    report = run("report", "--json").json
    since, until = "2025-12-18", "2026-01-16"
    raw = count_raw(query, f"{DAY} BETWEEN '{since}' AND '{until}'")[1]

    assert (report["since"], report["until"]) == (since, until)
    assert pick(report["production"][2]) == raw
    assert raw["created"] == sum(raw.values()) / 2 > 300
    for table in ("by_job_type", "overview"):
        assert {name: sum(row[name] for row in report[table]) for name in OUTCOMES} == raw, table
    assert sum(row["created"] for row in report["by_hour"]) == raw["created"]
    assert sum(row["jobs"] for row in report["failure_reasons"]) == raw["failed"]
    days = count_raw(query, key=DAY)
    assert {row["day"]: pick(row) for row in report["by_day"]} == {
        day.isoformat(): days.get(day, dict.fromkeys(OUTCOMES, 0))
        for day in (datetime(2026, 1, 16).date() - timedelta(days=number) for number in range(7))
    }
    for table, unit in (("by_week", "week"), ("by_month", "month")):
        spans = count_raw(query, key=f"cast(date_trunc('{unit}', {DAY}) AS date)")
        rows = {row["span"]: pick(row) for row in report[table]}
        assert rows == {span.isoformat(): spans[span] for span in sorted(spans)[-len(rows) :]}, table
    (now_open,) = query(f"SELECT count(*) FROM {VIDEOS} WHERE {RAW_OUTCOME} = 'still_open'")[0]
    (without_time,) = query(
        f"SELECT count(*) FROM {VIDEOS} WHERE {RAW_OUTCOME} = 'still_open' AND create_time IS NULL"
    )[0]
    assert sum(row["jobs"] for row in report["backlog"]) == now_open
    assert report["by_completion"][0]["open_at_end"] == now_open - without_time
    assert sum(row["open_jobs"] for row in report["overview"]) == now_open


def test_the_models_have_each_day_and_the_sums_of_the_raw_tables(company, query):
    daily = "metastudio_reporting.daily_production"
    key = f"(project_id, app_user_id, {DAY})"
    raw = count_raw(query, key=key)
    rows = query(
        "SELECT (project_id, app_user_id, day), sum(created), sum(succeeded), sum(failed), sum(canceled), sum(blocked),"
        f" sum(still_open) FROM {daily} GROUP BY 1"
    )

    empty = dict.fromkeys(OUTCOMES, 0)
    assert {key: dict(zip(OUTCOMES, map(int, figures), strict=True)) for key, *figures in rows} == {
        key: raw.get(key, empty) for key, *_ in rows
    }
    assert raw.keys() <= {key for key, *_ in rows}
    assert query(
        f"SELECT count(*) FROM (SELECT count(DISTINCT day) - 1 - (max(day) - min(day)) AS holes FROM {daily}"
        " GROUP BY project_id, app_user_id, job_type) AS series WHERE holes <> 0"
    ) == [(0,)]
    assert query(
        "SELECT sum(ended), sum(ended) - sum(succeeded + failed + canceled + blocked) FROM metastudio_reporting.daily_completions"
    ) == query(f"SELECT count(*), 0 FROM {VIDEOS} WHERE create_time IS NOT NULL AND {RAW_OUTCOME} <> 'still_open'")
    assert query("SELECT sum(jobs) FROM metastudio_reporting.failure_trend") == query(
        f"SELECT count(*) FROM {VIDEOS} WHERE create_time IS NOT NULL AND state = 'FAILED'"
    )


def test_a_tenant_has_the_figures_of_its_own_app_user_alone(company, query, run):
    for name in ("t06", "t07"):
        project_id, app_user_id = NAMES[name]
        raw = count_raw(query, f"app_user_id = '{app_user_id}' AND {DAY} >= '2025-12-18'")[1]
        report = run("report", "--tenant", name, "--json").json

        assert (report["project_id"], report["app_user_id"], report["health"]["tenant"]) == (
            project_id,
            app_user_id,
            name,
        )
        assert report["health"]["rejected_records"] == (name == "t06")
        whole = report["production"][2]
        assert abs(whole["created"] - raw["created"]) <= (0 if name == "t06" else 5)
        assert {row["job_id"].rsplit("-", 1)[0] for row in report["failed_jobs"]} == {app_user_id}
        assert {row["job_id"].rsplit("-", 1)[0] for row in report["stuck_jobs"]} == {app_user_id}
    assert query(
        "SELECT count(DISTINCT tenant), count(DISTINCT (project_id, app_user_id)) FROM metastudio_reporting.sync_health"
    ) == [(20, 20)]


def test_the_report_of_twenty_tenants_begins_with_a_line_for_each_and_has_a_hundred(company, run):
    ended = run("report")
    lines = ended.out.splitlines()

    assert len(lines) <= 100
    assert ended.code == 5
    found = {line.split()[0]: line for line in lines[:30] if line.split() and line.split()[0] in NAMES}
    assert list(found) == list(NAMES)
    assert {name for name, line in found.items() if "✗ stale" in line} == {"t07"}
    assert "! rejected records" in found["t06"]
    assert all("! unknown states" in line for name, line in found.items() if name not in ("t06", "t07"))
    assert "The figures of t07 are stale or not complete." in ended.err


def test_the_report_of_several_tenants_is_said_in_chinese(company, run):
    ended = run("report", "--language", "zh")
    head = ended.out[: ended.out.index("产量（按创建时间）")]

    assert not find_english(head, *NAMES, ZONE)
    assert next(line for line in head.splitlines() if line.startswith(" t07")).split()[1:3] == [
        "✗",
        "已过期、有未知状态",
    ]
    assert (
        ended.err
        == "Error: 以下租户的数据已过期或不完整：t07。 请运行 metastudio sync；metastudio status 会指出缺少什么。\n"
    )
    assert ended.out.rstrip().endswith("metastudio report --tenant NAME 显示单个租户的全部数据。")


def test_a_tenant_that_was_never_synced_is_named(company, run, monkeypatch):
    monkeypatch.setenv(f"{SECTION}TENANTS", "new,t01")
    monkeypatch.setenv(f"{SECTION}NEW__PROJECT_ID", "f" * 32)
    monkeypatch.setattr("metastudio.reporting.model_version.Models.is_current", lambda *_: True)
    ended = run("report")

    assert ended.code == 5
    assert "✗ not synced" in next(line for line in ended.out.splitlines() if line.startswith(" new"))
    assert "The figures of new are stale or not complete." in ended.err


def test_a_project_can_be_chosen(company, run):
    shared = run("report", "--project", NAMES["t02"][0], "--json").json

    assert [row["tenant"] for row in shared["overview"]] == ["t02", "t03"]


def test_the_page_of_several_tenants_begins_with_the_overview(company):
    names = [TenantName(*key, name) for name, key in NAMES.items()]
    page = make_page(read_report(company.models, names, now=NOW, charts=True), lambda: "")
    header = page[page.index("<header>") : page.index("</header>")]

    assert [name for name in NAMES if f'<th scope="row" class="text">{name}</th>' in header] == list(NAMES)
    assert "<dt>Tenants</dt><dd>20</dd>" in header and "<dt>Projects</dt><dd>10</dd>" in header
    assert f"<dt>Time zone</dt><dd>{ZONE}</dd>" in header
    assert '<td class="text bad">✗ stale, unknown states</td>' in header and header.count('class="text warn"') == 19
    # none of these jobs has a time to draw
    assert 'id="waiting"' not in page and 'id="about-time_trend"' not in page
    assert "No week has 5 jobs of one type with times to show." in page


def test_models_that_cannot_be_rebuilt_here_are_read_as_they_are(company, run, monkeypatch, caplog):
    def refuse(*_: Any) -> None:
        raise ConfigurationError("The role may not create views.")

    monkeypatch.setattr("metastudio.reporting.model_version.make_fingerprint", lambda: "newer")
    monkeypatch.setattr("metastudio.commands.report.rebuild_models", refuse)
    monkeypatch.setattr(
        "metastudio.pipeline.factory.open_existing", lambda options, **_: (Destination(open_pipeline(options)), {})
    )
    ended = run("report", "--json")

    assert len(ended.json["overview"]) == 20
    assert "read as they are: The role may not create views." in caplog.text
