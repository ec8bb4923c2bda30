"""Formats of figures, sentences on the health of the data, weekly rates, and states in macros."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import duckdb
import jinja2
import pytest
import yaml
from metastudio.errors import ConfigurationError
from metastudio.formatting import format_seconds
from metastudio.records.parser import TERMINAL_STATES
from metastudio.reporting import PROJECT
from metastudio.reporting.charts import find_bounds, make_weekly_rates
from metastudio.reporting.health import Limits, describe_health, judge_health, summarize_health
from metastudio.reporting.language import ENGLISH, load_language
from metastudio.reporting.model_version import find_missing
from metastudio.reporting.period import choose_period, parse_day

from tests.support.chinese import find_english

HEALTHY = {
    "as_of": datetime(2026, 1, 15, 12, tzinfo=UTC),
    "last_sync_at": datetime(2026, 1, 15, 12, tzinfo=UTC),
    "freshness_seconds": 180.0,
    "is_complete": True,
    "incomplete_windows": 0,
    "gaps": 0,
    "missing": 0,
    "scrubbed": 0,
    "scrub_changed": 0,
    "jobs": 1234,
    "deleted_jobs": 0,
    "jobs_in_unknown_states": 0,
    "unknown_states": None,
    "rejected_records": 0,
}


CHINESE = load_language("zh")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (CHINESE.format_share(None), "-"),
        (CHINESE.format_share(0.5), "50.0%"),
        (CHINESE.format_change(-0.0123), "▼ 1.2 个百分点"),
        (CHINESE.format_growth(1), "+100%"),
        (CHINESE.format_seconds(119), "119 秒"),
        (CHINESE.format_seconds(86_400 * 3), "3.0 天"),
        (CHINESE.format_integer(1234.0), "1,234"),
        (CHINESE.format_day(date(2026, 1, 5)), "2026年1月5日"),
        (CHINESE.format_month(date(2026, 1, 1)), "2026年1月"),
        (CHINESE.format_minute(datetime(2026, 1, 15, 12, 34, 56, tzinfo=UTC)), "2026-01-15 12:34"),
        (CHINESE.format_job_type("2D_DIGITAL_HUMAN_VIDEO"), "分身数字人视频"),
        (CHINESE.format_job_type("PHOTO_DIGITAL_HUMAN_VIDEO"), "照片数字人视频"),
        (CHINESE.format_job_type("HOLOGRAM"), "HOLOGRAM"),
        (ENGLISH.format_month(date(2026, 1, 1)), "2026-01"),
        (ENGLISH.format_share(None), "-"),
        (ENGLISH.format_share(0.5), "50.0 %"),
        (ENGLISH.format_change(None), "-"),
        (ENGLISH.format_change(0.0123), "▲ 1.2 pp"),
        (ENGLISH.format_change(-0.0123), "▼ 1.2 pp"),
        (ENGLISH.format_change(0.0004), "= 0.0 pp"),
        (ENGLISH.format_growth(None), "-"),
        (ENGLISH.format_growth(-0.256), "-26 %"),
        (ENGLISH.format_growth(1), "+100 %"),
        (ENGLISH.format_growth(-0.001), "+0 %"),
        (format_seconds(-1.2), "-1 s"),
        (format_seconds(59.97), "60 s"),
        (format_seconds(119.4), "119 s"),
        (format_seconds(119.6), "2.0 min"),
        (format_seconds(3596), "59.9 min"),
        (format_seconds(3599), "1.0 h"),
        (format_seconds(3600), "1.0 h"),
        (format_seconds(86_399), "1.0 days"),
        (format_seconds(86_400 * 3), "3.0 days"),
        (ENGLISH.format_minute(datetime(2026, 1, 15, 12, 34, 56, tzinfo=UTC)), "2026-01-15 12:34"),
        (ENGLISH.format_integer(None), "-"),
        (ENGLISH.format_integer(1234.0), "1,234"),
        (ENGLISH.format_minutes(None), "-"),
        (ENGLISH.format_minutes(999.94), "999.9"),
        (ENGLISH.format_minutes(999.96), "1,000"),
        (ENGLISH.format_minutes(89_826.8), "89,827"),
        (ENGLISH.format_job_type("PHOTO_DIGITAL_HUMAN_VIDEO"), "photo"),
        (ENGLISH.format_job_type("HOLOGRAM"), "HOLOGRAM"),
    ],
)
def test_a_figure_is_written_for_people(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * FROM main.backlog", "backlog"),
        ("SELECT app_user_id FROM (SELECT 1 AS jobs)", "app_user_id"),
        ("SELECT health.gaps FROM (SELECT 1 AS jobs) AS health", "gaps"),
        ("SELECT 1 FROM", None),
    ],
)
def test_what_models_of_another_version_lack_is_read_from_duckdbs_message(query, expected):
    with pytest.raises(duckdb.Error) as failed:
        duckdb.sql(query)

    assert find_missing(failed.value) == expected


def test_healthy_data_is_said_to_be_fresh_and_complete():
    assert [(finding.mark, finding.sentence) for finding in describe_health(HEALTHY)] == [
        ("✓", "The last sync ended 2026-01-15 12:00:00 UTC, 3.0 min ago."),
        ("✓", "Complete: every window was proved complete."),
        ("✓", "1,234 jobs, 0 of them deleted at the API."),
    ]


@pytest.mark.parametrize(
    ("trouble", "number", "sentence"),
    [
        ({"last_sync_at": None}, 2, "No sync has read all changes yet"),
        ({"gaps": 2, "missing": 3}, 1, "Not complete: 2 gaps, 3 jobs missing: metastudio status lists them."),
        ({"gaps": 1, "missing": 1, "incomplete_windows": 1}, 1, "1 gap, 1 job missing"),
        ({"scrubbed": 1940, "scrub_changed": 2}, 1, "Scrub: 2 of 1,940 jobs had changed unseen"),
        ({"is_complete": False, "incomplete_windows": 2}, 1, "2 windows of the last run could not be proved complete"),
        ({"rejected_records": 3}, 1, "3 records were rejected"),
        ({"jobs_in_unknown_states": 1, "unknown_states": "THAWED"}, 1, "does not know: THAWED"),
    ],
)
def test_each_trouble_is_said_and_marked(trouble, number, sentence):
    marked = [finding.sentence for finding in describe_health(HEALTHY | trouble) if not finding.is_good]

    assert len(marked) == number
    assert sentence in marked[0]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({}, "上次同步于 2026年1月15日 12:00:00（UTC）结束，距今 3.0 分钟。"),
        ({"gaps": 2, "missing": 3}, "不完整：有 2 个缺口，缺少 3 个任务；运行 metastudio status 查看明细。"),
        ({"gaps": 1, "missing": 1}, "不完整：有 1 个缺口，缺少 1 个任务；运行 metastudio status 查看明细。"),
        ({"incomplete_windows": 1}, "不完整：上次运行有 1 个窗口无法证明没有遗漏，请运行 metastudio sync。"),
        ({"last_sync_at": None}, "还没有一次同步读完所有变化，请运行 metastudio sync。"),
        ({"stale_after_seconds": 60}, "距今 3.0 分钟；上限（stale_after_seconds）为 60 秒。"),
        ({"scrubbed": 10, "scrub_changed": 1}, "重新读取了 10 个任务，其中 1 个有此前未发现的变化。"),
        ({"rejected_records": 3}, "有 3 条记录被拒绝入库"),
        ({"jobs_in_unknown_states": 1, "unknown_states": "THAWED"}, "本版本未知的任务状态：THAWED。"),
        ({"jobs": None}, "尚未同步任何数据，请运行 metastudio sync。"),
    ],
)
def test_the_health_is_said_in_chinese_with_the_same_marks(found, sentence):
    findings = describe_health(HEALTHY | found, CHINESE)

    assert sentence in " ".join(finding.sentence for finding in findings)
    assert not find_english(" ".join(finding.sentence for finding in findings))
    assert [finding.mark for finding in findings] == [finding.mark for finding in describe_health(HEALTHY | found)]


def test_a_scrub_that_found_nothing_is_good_news():
    findings = describe_health(HEALTHY | {"scrubbed": 10})

    assert (True, "Scrub: 0 of 10 jobs had changed unseen in the last 30 days.", False) in findings


def test_data_never_synced_is_said_to_be_so():
    assert describe_health({}) == [(False, "Nothing was synced yet: run metastudio sync.", True)]


@pytest.mark.parametrize(
    ("found", "minutes", "limits", "expected", "is_sound"),
    [
        ({}, 60, Limits(3600), "✓", True),
        ({}, 61, Limits(3600), "✗ stale", False),
        ({"last_sync_at": None}, 0, Limits(3600), "✗ not synced", False),
        ({"gaps": 1, "missing": 3}, 61, Limits(3600), "✗ stale, not complete", False),
        ({"gaps": 1, "missing": 3}, 0, Limits(3600, max_missing=3), "! gaps", True),
        ({"incomplete_windows": 1}, 0, Limits(3600, max_missing=3), "✗ not complete", False),
        (
            {"rejected_records": 1, "jobs_in_unknown_states": 1},
            0,
            Limits(3600),
            "! rejected records, unknown states",
            True,
        ),
    ],
)
def test_stale_or_incomplete_figures_are_marked_and_not_sound(found, minutes, limits, expected, is_sound):
    health = judge_health(HEALTHY | found, limits, HEALTHY["as_of"] + timedelta(minutes=minutes))

    assert (health["health"], health["is_sound"]) == (expected, is_sound)
    shown = summarize_health(health, CHINESE)
    assert shown[0] == expected[0] and not find_english(shown)
    assert any(finding.is_grave for finding in describe_health(health)) is not is_sound


def test_a_stale_sync_is_said_to_be_so_with_the_limit():
    health = judge_health(HEALTHY, Limits(3600), HEALTHY["as_of"] + timedelta(days=10))

    assert describe_health(health)[0] == (
        False,
        "Stale: the last sync ended 2026-01-15 12:00:00 UTC, 10.0 days ago; the limit (stale_after_seconds) is 1.0 h.",
        True,
    )


# The period

TODAY = date(2026, 1, 15)


def test_without_a_choice_the_report_is_about_the_last_thirty_days():
    period = choose_period(TODAY, None, None)

    assert (period.since, period.until, period.days) == (date(2025, 12, 17), TODAY, 30)
    assert period.list_spans() == [
        (TODAY, TODAY),
        (date(2026, 1, 9), TODAY),
        (date(2025, 12, 17), TODAY),
    ]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-01-01", None, ("2026-01-01", "2026-01-15")),
        (None, "2025-12-31", ("2025-12-02", "2025-12-31")),
        ("2025-12-01", "2025-12-31", ("2025-12-01", "2025-12-31")),
        ("2026-01-15", "2026-01-15", ("2026-01-15", "2026-01-15")),
        ("2026-01-01", "2027-01-01", ("2026-01-01", "2026-01-15")),
        ("0001-01-01", None, ("2000-01-01", "2026-01-15")),
    ],
)
def test_a_chosen_period_includes_both_days_and_ends_with_the_last_sync(since, until, expected):
    period = choose_period(TODAY, parse_day(since, "--since"), parse_day(until, "--until"))

    assert (period.since.isoformat(), period.until.isoformat()) == expected
    assert period.list_spans() == [(period.since, period.until)]


@pytest.mark.parametrize(
    ("since", "until", "sentence"),
    [
        ("2026-01-10", "2026-01-09", "ends before it begins"),
        ("2026-01-16", None, "begins after the last sync"),
        ("2026-13-01", None, "--since is not a valid day"),
        (None, "yesterday", "--until is not a valid day"),
    ],
)
def test_a_period_that_is_none_is_refused(since, until, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        choose_period(TODAY, parse_day(since, "--since"), parse_day(until, "--until"))


def test_a_weekly_rate_counts_seven_days_and_days_without_jobs_as_days():
    days = [
        {"day": date(2026, 1, 1), "succeeded": 1, "failed": 9},
        {"day": date(2026, 1, 7), "succeeded": 3, "failed": 0},
        {"day": date(2026, 1, 8), "succeeded": 2, "failed": 5},
        {"day": date(2026, 1, 20), "succeeded": 0, "failed": 0},
    ]

    assert make_weekly_rates(days) == [
        {"day": date(2026, 1, 1), "rate": 0.1, "finished": 10},
        {"day": date(2026, 1, 7), "rate": 4 / 13, "finished": 13},
        {"day": date(2026, 1, 8), "rate": 0.5, "finished": 10},
    ]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.9062, 0.9064), (0.86, 0.91)),
        ((1.0, 1.0), (0.95, 1.0)),
        ((0.0, 0.01), (0.0, 0.05)),
        ((0.3, 0.914), (0.3, 0.92)),
    ],
)
def test_the_axis_of_rates_has_whole_percentages_and_does_not_magnify_what_hardly_changed(rates, expected):
    assert find_bounds([{"rate": rate} for rate in rates]) == expected


# The dbt macros


@pytest.fixture(scope="module")
def macros():
    text = PROJECT.joinpath("macros", "api_values.sql").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=False).from_string(text).module


@pytest.mark.parametrize("state", [*sorted(TERMINAL_STATES), "WAITING", "PROCESSING", "THAWED", "", None])
def test_the_models_call_a_state_terminal_if_the_connector_does(macros, state):
    sql = f"SELECT {macros.normalize_state('state')} IN ({macros.terminal_states()}) FROM (SELECT ? AS state)"

    assert duckdb.execute(sql, [state]).fetchone() == (state in TERMINAL_STATES,)


def test_the_models_know_each_terminal_state_under_one_spelling(macros):
    terminal = {state.strip(" '\n") for state in macros.terminal_states().split(",")}
    known = {state.strip(" '\n") for state in macros.known_states().split(",")}
    described = yaml.safe_load(PROJECT.joinpath("models", "jobs.yml").read_text(encoding="utf-8"))
    [column] = [column for column in described["models"][0]["columns"] if column["name"] == "state"]

    assert terminal == TERMINAL_STATES - {"SUCCESS"}
    assert known == {*column["data_tests"][0]["accepted_values"]["arguments"]["values"]}
    assert known == terminal | {"WAITING", "PROCESSING"}
