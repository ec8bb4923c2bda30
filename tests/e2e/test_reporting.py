"""The report, its page, the README's queries and the notebook, on a tenant with unusual jobs."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import shutil
import statistics
from collections import Counter
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta
from html import escape, unescape
from pathlib import Path

import duckdb
import pytest
from metastudio.records.parser import TERMINAL_STATES
from metastudio.reporting.html_report import make_page
from metastudio.reporting.language import load_language
from metastudio.reporting.model_version import TenantName
from metastudio.reporting.report import read_report
from metastudio.reporting.sections import SECTIONS

from tests.support.chinese import find_english
from tests.support.command_line import obey_permissions, run_in_process
from tests.support.warehouse import ODD_REASON, read_readme_queries

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 15, 13, 1, tzinfo=UTC)
OUTCOMES = ("succeeded", "failed", "canceled", "frozen", "still_open")

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
def report(built_warehouse):
    """Return the report with the series of charts. A test that changes it takes a copy."""
    with pytest.MonkeyPatch.context() as patch:
        built_warehouse.configure(patch)
        tenant = TenantName(built_warehouse.sim.project_id, None, "")
        return read_report(built_warehouse.models, [tenant], now=NOW, charts=True)


@pytest.fixture(scope="module")
def page(report):
    return make_page(report, lambda: "/* Vega */ </script>")


@pytest.fixture
def run(warehouse, run, monkeypatch):
    """Return the command line with the settings of the warehouse."""
    warehouse.configure(monkeypatch)
    return run


@pytest.fixture(scope="module")
def printed():
    return {}


@pytest.fixture
def figures(run, printed):
    """Return what `report --json` prints, which is run once."""
    if not printed:
        ended = run("report", "--json")
        assert ended.code == 0, ended.err
        printed.update(ended.json)
    return printed


def outcomes_of(jobs):
    """Count jobs by outcome; one that vanished unfinished counts as canceled."""
    names = {"SUCCEED": "succeeded", "FAILED": "failed", "CANCELED": "canceled", "BLOCK": "frozen"}
    return Counter(names.get(job["state"], "canceled" if job["deleted"] else "still_open") for job in jobs)


def test_production_adds_up_to_the_jobs_of_the_raw_table(figures, ask):
    jobs = held_jobs(ask)
    for row, days in zip(figures["production"], (1, 7, 30), strict=True):
        first = NOW.date() - timedelta(days=days - 1)
        mine = [job for job in jobs if job["created"].date() >= first]
        counts = outcomes_of(mine)
        minutes = sum(job["duration"] for job in mine if job["state"] == "SUCCEED") / 60
        finished = counts["succeeded"] + counts["failed"]

        assert (row["since"], row["until"]) == (first.isoformat(), NOW.date().isoformat())
        assert row["created"] == counts.total()
        assert {name: row[name] for name in OUTCOMES} == {name: counts[name] for name in OUTCOMES}
        assert row["success_rate"] == (pytest.approx(counts["succeeded"] / finished) if finished else None)
        assert row["video_minutes"] == pytest.approx(minutes)


@pytest.fixture
def fill(warehouse, monkeypatch, tmp_path):
    """Return a function that replaces the jobs in a copy of the warehouse by random ones."""
    file = tmp_path / Path(warehouse.credentials).name
    shutil.copy(warehouse.credentials, file)
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(file))

    def fill(seed, jobs=400):
        chance = random.Random(seed)
        states = [*TERMINAL_STATES, "WAITING", "PROCESSING", "NOVEL", None]
        first = datetime(2025, 11, 10, tzinfo=UTC)
        rows = []
        for number in range(jobs):
            day = first + timedelta(days=chance.randrange(63))
            created = day + timedelta(seconds=chance.choice([0, 86_399, chance.randrange(86_400)]))
            deleted = NOW if chance.random() < 0.2 else None
            code = chance.choice(["MSS.1", "MSS.2", None])
            rows.append((f"job-{number}", chance.choice(states), f"TYPE_{chance.randrange(3)}", created, code, deleted))
        with duckdb.connect(file) as connection:
            connection.execute("CREATE TEMP TABLE example AS FROM metastudio.digital_human_videos LIMIT 1")
            connection.execute("DELETE FROM metastudio.digital_human_videos")
            connection.executemany(
                "INSERT INTO metastudio.digital_human_videos BY NAME SELECT * REPLACE (? AS job_id, ? AS state,"
                " ? AS job_type, ? AS create_time, ? AS error_info__error_code, ? AS deleted_at,"
                " NULL AS start_time, NULL AS end_time, 1 AS duration) FROM example",
                rows,
            )
        return file

    return fill


OUTCOME = """CASE WHEN state IN ('SUCCEED', 'SUCCESS') THEN 'succeeded' WHEN state = 'FAILED' THEN 'failed'
    WHEN state = 'BLOCK' THEN 'frozen' WHEN state = 'CANCELED' OR deleted_at IS NOT NULL THEN 'canceled'
    ELSE 'still_open' END"""


@pytest.mark.parametrize("seed", range(3))
def test_every_table_of_random_jobs_adds_up_to_plain_sql_on_the_raw_table(run, fill, seed):
    file = fill(seed)
    figures = run("report", "--since", "2025-11-20", "--until", "2026-01-05", "--json").json

    def count(key):
        counts = ", ".join(f"count(*) FILTER (outcome = '{name}')" for name in OUTCOMES)
        with duckdb.connect(file, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows = connection.execute(
                f"SELECT cast({key} AS text), count(*), {counts} FROM (SELECT *, {OUTCOME} AS outcome"
                " FROM metastudio.digital_human_videos"
                " WHERE create_time >= '2025-11-20' AND create_time < '2026-01-06') GROUP BY 1"
            ).fetchall()
        return {key: counts for key, *counts in rows}

    tables = {
        ("production", "period"): "'47 days'",
        ("overview", "tenant"): "project_id",
        ("by_day", "day"): "create_time::date",
        ("by_week", "span"): "date_trunc('week', create_time)::date",
        ("by_month", "span"): "date_trunc('month', create_time)::date",
        ("by_job_type", "job_type"): "job_type",
    }
    for (table, name), key in tables.items():
        found = {row[name]: [row["created"], *(row[outcome] for outcome in OUTCOMES)] for row in figures[table]}
        wanted = count(key)
        if table == "by_day":  # the last 31 days
            wanted = {day: counts for day, counts in wanted.items() if day > "2025-12-05"}
        assert {key: counts for key, counts in found.items() if any(counts)} == wanted, table
        assert all(counts[0] == sum(counts[1:]) for counts in found.values())
    assert {str(row["hour"]): row["created"] for row in figures["by_hour"]} == {
        str(hour): count("hour(create_time)").get(str(hour), [0])[0] for hour in range(24)
    }
    (failed,) = count("'all'").values()
    assert sum(row["jobs"] for row in figures["failure_reasons"]) == failed[1 + OUTCOMES.index("failed")] > 0


def test_a_period_is_compared_with_as_many_days_before_until_the_same_hour(figures, ask):
    jobs = held_jobs(ask)
    for row, days in zip(figures["production"], (1, 7, 30), strict=True):
        shift = timedelta(days=days)
        start = datetime.combine(NOW.date(), time(), UTC) - timedelta(days=days - 1)
        now, before = (
            outcomes_of([job for job in jobs if first <= job["created"] <= last])
            for first, last in ((start, NOW), (start - shift, NOW - shift))
        )
        rates = [counts["succeeded"] / (counts["succeeded"] + counts["failed"]) for counts in (now, before)]

        assert row["created_before"] == before.total()
        assert row["change"] == pytest.approx(rates[0] - rates[1])


def test_times_are_the_percentiles_of_the_raw_times(figures, ask):
    recent = [job for job in held_jobs(ask) if job["created"].date() > NOW.date() - timedelta(days=30)]
    rows = {row["job_type"]: row for row in figures["times"]}

    assert set(rows) == {job["job_type"] for job in recent}
    for job_type, row in rows.items():
        mine = [job for job in recent if job["job_type"] == job_type]
        ways = (("wait", "created", "started"), ("render", "started", "ended"), ("turnaround", "created", "ended"))
        for name, start, end in ways:
            wanted = [job for job in mine if name != "turnaround" or job["state"] == "SUCCEED"]
            spans = [(job[end] - job[start]).total_seconds() for job in wanted if job[start] and job[end]]
            spans = [span for span in spans if span >= 0]
            assert row[f"{name}_p50"] == pytest.approx(statistics.median(spans))
            assert row[f"{name}_p95"] == pytest.approx(percentile(spans, 0.95))


def test_failure_reasons_add_up_to_the_failed_jobs_of_the_period(figures, ask):
    first = NOW.date() - timedelta(days=29)
    codes = Counter(
        job["code"] for job in held_jobs(ask) if job["state"] == "FAILED" and job["created"].date() >= first
    )
    rows = figures["failure_reasons"]
    most = sorted(codes.items(), key=lambda item: (-item[1], item[0]))

    assert [(row["error_code"], row["jobs"]) for row in rows[:5]] == most[:5]
    assert len(codes) > 5 and (rows[5]["error_code"], rows[5]["jobs"]) == ("others", sum(n for _, n in most[5:]))
    assert sum(row["jobs"] for row in rows) == codes.total() == figures["production"][2]["failed"]
    assert sum(row["share"] for row in rows) == pytest.approx(1)


def test_the_backlog_holds_each_open_job_once(figures, ask):
    open_jobs = [job for job in held_jobs(ask) if job["state"] not in TERMINAL_STATES and job["deleted"] is None]

    assert sum(row["jobs"] for row in figures["backlog"]) == len(open_jobs) > 0


def test_the_report_for_the_terminal_shows_every_section_and_what_is_unusual(run):
    ended = run("report")

    assert ended.code == 0
    assert all(section.title.replace("{sla}", "1.0 h") in ended.out for section in SECTIONS)
    assert "Complete: every window was proved complete." in ended.out
    assert "1 record was rejected" in ended.out
    assert "a state that this release does not know: THAWED" in ended.out


def test_the_report_shows_texts_of_the_api_as_texts(run, figures, page):
    shown = ODD_REASON.replace("\x1b", "\\x1b")
    text = " ".join(run("report").out.split())
    assert "\x1b" not in text
    assert all(word in text for word in shown.split())
    assert figures["failure_reasons"][0]["example_message"] == ODD_REASON

    assert escape(shown) in page
    assert "<b>&" not in page


def test_a_report_with_odd_texts_goes_into_every_encoding_also_from_a_read_only_file(warehouse):
    file = Path(warehouse.credentials)
    file.chmod(0o444)
    with duckdb.connect(str(file), read_only=True):  # another reader
        locale = {"LC_ALL": "zh_CN.UTF-8", "LANGUAGE": None}  # which such an output cannot show
    ascii_only = run_in_process("report", env={"PYTHONIOENCODING": "ascii", **locale}, preexec_fn=obey_permissions)
    file.chmod(0o644)
    assert ascii_only.code == 5  # by this machine's clock, the last sync is long ago
    assert ascii_only.out.isascii()
    assert ascii_only.out.startswith("x Stale: the last sync ended")
    assert "\\u78c1\\u76d8" in ascii_only.out

    as_json = run_in_process("report", "--json", "--language", "zh", env={"PYTHONIOENCODING": "gbk"})
    assert as_json.json["failure_reasons"][0]["example_message"] == ODD_REASON
    assert as_json.out.isascii()


def read_page(page):
    """Return the words of a page, even if only read aloud: texts, titles of charts, names."""
    charts = json.loads(re.search(r'<script id="charts"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    labels = re.findall(r'aria-label="(.*?)"', body)
    return unescape(" ".join([re.sub(r"<[^>]*>", " ", body), *labels, *map(str, find_chart_words(charts))]))


def find_chart_words(part):
    """Yield titles, tooltips, and the words of data and legends."""
    if isinstance(part, list):
        for each in part:
            yield from find_chart_words(each)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "values":
                yield from (
                    text for row in value for name, text in row.items() if name not in ("day", "week", "example")
                )
            elif key == "tooltip":
                yield from (each.get("title", each["field"]) for each in value)
            elif key == "domain" and isinstance(value, list):
                yield from value
            elif key == "title" and value is not None:
                yield value
            else:
                yield from find_chart_words(value)


def find_numbers(text):
    return [int(digits) for digits in re.findall(r"\d+", text.replace("2D", ""))]


def read_cells(page):
    return re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", page[page.index("<body>") :])


def test_the_chinese_report_has_no_english_words_and_the_same_figures(run, warehouse, ask, report, page, monkeypatch):
    ids = [job_id for (job_id,) in ask("SELECT job_id FROM metastudio.digital_human_videos")]
    data = (*ids, warehouse.sim.project_id, "cn-north-4", ODD_REASON.replace("\x1b", "\\x1b"))
    chinese = make_page(report.in_language(load_language("zh")), lambda: "")

    assert not find_english(read_page(chinese), *data)
    assert find_english(read_page(page), *data) > {"Success", "canceled", "hour", "failed", "photo"}
    assert '<html lang="zh-Hans">' in chinese and '<html lang="en">' in page
    assert "2025年12月17日至2026年1月15日" in chinese
    cells = [*zip(read_cells(page), read_cells(chinese), strict=True)]
    assert len(cells) > 500
    assert all(find_numbers(one) == find_numbers(other) for one, other in cells)

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("LANGUAGE")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    shown, asked = run("report").out, run("report", "--language", "en").out
    assert not find_english(shown, *data)
    assert all(load_language("zh").gettext(section.title, sla="1.0 小时") in shown for section in SECTIONS)
    assert asked.startswith("✓ The last sync ended")
    lines = [line for line in shown.splitlines() if line.startswith(" ") and find_numbers(line)]
    assert [*map(find_numbers, lines[:9])] == [
        find_numbers(line) for line in asked.splitlines() if line.startswith(" ") and find_numbers(line)
    ][:9]


def test_json_is_the_same_in_every_language(run):
    english, chinese = (run("report", "--json", "--language", name).json for name in ("en", "zh"))

    assert {**english, "at": "", "overview": "", "health": ""} == {**chinese, "at": "", "overview": "", "health": ""}
    assert chinese["overview"][0]["health"] == english["overview"][0]["health"] == "! rejected records, unknown states"


def test_an_unknown_language_is_refused_with_those_that_there_are(run):
    ended = run("report", "--language", "fr")

    assert (ended.code, ended.out) == (2, "")
    assert "'fr' is not one of 'en', 'zh'" in ended.err


def test_the_report_builds_models_that_are_missing(run, ask):
    ask("DROP SCHEMA metastudio_reporting CASCADE")
    ended = run("report", "--json")

    assert (ended.code, ended.json["health"]["jobs"]) == (0, 600)


def test_the_page_is_self_contained(page):
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", page)
    assert page.count("</script>") == page.count("<script") == 3
    charts = json.loads(re.search(r'<script id="charts"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    assert set(charts) == {
        *("production", "success", "backlog", "waiting", "rendering", "reasons", "failures", "hours")
    }
    assert all(f'id="{name}"' in page for name in charts)
    assert all(spec["width"] == "container" for spec in charts.values())


def test_a_table_by_day_on_the_page_has_the_days_of_the_report_as_its_chart_has(report):
    charted = sorted(day["day"] for day in report.rows["trend"] if day["is_shown"])
    assert (charted[0], charted[-1], len(charted)) == (report.period.since, report.period.until, report.period.days)
    for table in ("by_day", "by_completion"):
        assert sorted(row["day"] for row in report.rows[table]) == charted


def test_the_page_shows_texts_of_the_api_as_texts(report):
    odd = deepcopy(report)
    odd.rows["failure_reasons"][0]["example_message"] = "<img src=x onerror=alert(1)></script>"
    page = make_page(odd, lambda: "")

    assert "<img" not in page
    assert page.count("</script>") == 3


@pytest.mark.parametrize("target", ["missing/report.html", "."])
def test_a_page_that_cannot_be_written_ends_in_exit_code_2(run, monkeypatch, target):
    monkeypatch.setattr("metastudio.reporting.html_report._read_vega", lambda: "")
    ended = run("report", "--html", target)

    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_each_chart_has_a_table_and_each_part_and_scrolling_table_a_name(page):
    for part in re.findall(r"<section.*?</section>", page, re.DOTALL):
        assert re.search(r'aria-labelledby="([\w-]+)"', part)[1] == re.search(r'<h2 id="([\w-]+)"', part)[1]
        assert 'role="img"' not in part or "<table>" in part
    scrolling = re.findall(r'<div class="scroll"[^>]*>', page)
    assert scrolling and all('tabindex="0" role="region" aria-label="' in tag for tag in scrolling)
    assert page.count("<table>") == page.count("<caption>") == len(scrolling)
    assert all(f"<{landmark}" in page for landmark in ("header", "main"))


def test_the_page_names_project_region_period_and_time_zone(page, warehouse):
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))

    assert facts == {
        "Project": warehouse.sim.project_id,
        "Region": "cn-north-4",
        "Period": "2025-12-17 to 2026-01-15",
        "Time zone": "UTC",
    }


def test_stale_figures_are_shown_as_such_and_end_in_exit_code_5(run, warehouse, monkeypatch, tmp_path):
    monkeypatch.setattr("metastudio.reporting.html_report._read_vega", lambda: "")
    monkeypatch.setattr("metastudio.commands.report.read_clock", lambda: NOW + timedelta(days=10))
    ended = run("report", "--html", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    as_json = run("report", "--json")
    shown = run("report")

    assert {ended.code, as_json.code, shown.code} == {5}
    assert "stale or not complete" in ended.err
    assert '<p class="bad">✗ Stale: the last sync ended' in page
    assert shown.out.startswith("✗ Stale: the last sync ended 2026-01-15 13:01:00 UTC, 10.0 days ago")
    assert (as_json.json["ok"], as_json.json["exit_code"]) == (False, 5)
    assert (as_json.json["health"]["is_stale"], as_json.json["overview"][0]["health"]) == (
        True,
        "✗ stale, rejected records, unknown states",
    )
    monkeypatch.setenv("SOURCES__METASTUDIO__STALE_AFTER_SECONDS", str(11 * 86_400))
    assert run("report", "--json").code == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--since", "2026-01-10", "--until", "2026-01-09"), "The period ends before it begins."),
        (("--since", "soon"), "--since is not a valid day."),
        (("--project", "nowhere"), "There is no such project in the tables."),
        (("--tenant", "nobody"), "There is no tenant of this name."),
    ],
)
def test_an_unknown_project_or_period_is_refused_in_one_sentence(run, options, sentence):
    ended = run("report", *options)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"Error: {sentence}") and ended.err.count("\n") == 1


def test_a_report_of_chosen_days_has_nothing_of_others(run, ask):
    jobs = [job for job in held_jobs(ask) if job["created"].date().isoformat()[:7] == "2025-12"]
    ended = run("report", "--since", "2025-12-01", "--until", "2025-12-31", "--json")
    (row,) = ended.json["production"]

    assert (row["period"], row["created"]) == ("31 days", len(jobs))
    assert [day["day"] for day in ended.json["by_day"]] == [f"2025-12-{day:02}" for day in range(31, 0, -1)]
    assert any(day["created"] == 0 for day in ended.json["by_day"])
    for table in ("by_day", "by_week", "by_month", "by_job_type", "by_hour", "overview"):
        assert sum(row["created"] for row in ended.json[table]) == len(jobs), table
    assert {row["failed_at"][:7] for row in ended.json["failed_jobs"]} <= {"2025-12", "2026-01"}


def test_an_empty_table_is_one_sentence_below_the_others(run, warehouse):
    days = {"since": date(2024, 1, 1), "until": date(2024, 1, 2)}
    ended = run("report", *(f"--{name}={day}" for name, day in days.items()))
    tenant = TenantName(warehouse.sim.project_id, None, "")
    page = make_page(read_report(warehouse.models, [tenant], now=NOW, charts=True, **days), lambda: "")

    assert ended.out.splitlines()[-1] == "No job was created in the period."
    assert "<li>No job was created in the period.</li></ul>" in page
    assert "Why jobs fail" not in ended.out + page and "Backlog by age" in ended.out and "Backlog by age" in page


def test_the_page_is_written_where_it_is_wanted(run, warehouse, monkeypatch, tmp_path):
    monkeypatch.setattr("metastudio.reporting.html_report._read_vega", lambda: "")
    ended = run("report", "--html", str(tmp_path / "report.html"))

    assert (ended.code, ended.out) == (0, f"The report is in {tmp_path / 'report.html'}.\n")
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

    assert len(queries) == 9
    for sql in queries:
        assert ask(sql), sql


def test_the_notebook_runs_from_its_first_cell_to_its_last_and_holds_no_file(warehouse, ask):
    spec = importlib.util.spec_from_file_location("walkthrough", ROOT / "notebooks" / "walkthrough.py")
    notebook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(notebook)
    _, values = notebook.app.run()

    assert sum(row["created"] for row in values["weeks"]) == 600
    assert all(values[name] for name in ("health", "rates", "reasons", "hours", "oldest", "failures"))
    assert values["tenant"].options.keys() == {"all", warehouse.sim.project_id}
    assert {values[name].to_dict()["mark"]["type"] for name in ("production", "success", "waiting")} == {"bar", "line"}
    with duckdb.connect(warehouse.credentials):  # for writing: no cell holds it
        pass
