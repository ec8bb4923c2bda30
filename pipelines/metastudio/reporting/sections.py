"""The words of the report's tables: titles, headings, and how each figure is written.

This module knows neither the terminal nor HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from metastudio.reporting.language import N_, Language
from metastudio.reporting.model_version import Row

Format = Callable[[Language, Any], str]

NO_JOBS = N_("No job was created in the period.")

TEXT = {"example", "message", "tenant", "health"}
"""Headings of columns of prose, which may be wrapped."""


class Column(NamedTuple):
    """A column of a table: its name in the query, its heading, and the format of its values."""

    name: str
    heading: str
    format: Format = Language.format_integer


class Section(NamedTuple):
    """A table of the report.

    Attributes:
        query: the key of its rows.
        note: a sentence on what the figures mean.
        empty: a sentence instead of a table without rows.
        is_short: whether the report of several tenants in the terminal has it, too.
        is_of_now: whether it is shown although no job was created in the period.
    """

    query: str
    title: str
    columns: tuple[Column, ...]
    note: str = ""
    empty: str = N_("None.")
    is_short: bool = False
    is_of_now: bool = False


OUTCOMES = (
    Column("created", N_("created")),
    Column("succeeded", N_("succeeded")),
    Column("failed", N_("failed")),
    Column("canceled", N_("canceled")),
    Column("frozen", N_("frozen")),
    Column("still_open", N_("open")),
)
"""created is the sum of the others."""
SUCCESS = Column("success_rate", N_("success"), Language.format_share)
MINUTES = Column("video_minutes", N_("minutes"), Language.format_minutes)
TENANT = Column("tenant", N_("tenant"), Language.format_figure)
JOB_TYPE = Column("job_type", N_("job type"), Language.format_job_type)
JOB_ID = Column("job_id", N_("job"), Language.format_figure)
JOBS = Column("jobs", N_("jobs"))
STATE = Column("state", N_("state"), Language.format_word)
ERROR_CODE = Column("error_code", N_("error code"), Language.format_word)
CHANGE = Column("change", N_("change"), Language.format_change)
COMPARED = (*OUTCOMES, SUCCESS, CHANGE, Column("created_change", N_("growth"), Language.format_growth), MINUTES)

OVERVIEW = Section(
    "overview",
    N_("Tenants"),
    (
        TENANT,
        Column("health", N_("health"), Language.format_figure),
        Column("last_sync_at", N_("last sync"), Language.format_minute),
        *OUTCOMES[:3],
        SUCCESS,
        MINUTES,
        Column("open_jobs", N_("backlog")),
    ),
    N_("Production in the period, and the jobs that wait or render now."),
    is_short=True,
)

SECTIONS = (
    Section(
        "production",
        N_("Production by time of creation"),
        (Column("period", N_("period"), Language.format_figure), *OUTCOMES, SUCCESS, CHANGE, MINUTES),
        N_(
            "The change of the success rate is in percentage points, compared with the same number of days"
            " before; for today, with yesterday up to the same hour."
        ),
        is_short=True,
        is_of_now=True,
    ),
    Section(
        "by_week",
        N_("Week over week"),
        (Column("span", N_("week of"), Language.format_figure), *COMPARED),
        N_("Weeks begin on Monday. The current week is not over and not compared."),
    ),
    Section(
        "by_month",
        N_("Month over month"),
        (Column("span", N_("month"), Language.format_month), *COMPARED),
        N_("The current month is not over and not compared."),
    ),
    Section(
        "by_day",
        N_("Jobs by day of creation"),
        (Column("day", N_("day"), Language.format_figure), *OUTCOMES, SUCCESS, MINUTES),
    ),
    Section(
        "by_completion",
        N_("Jobs by day of completion"),
        (
            Column("day", N_("day"), Language.format_figure),
            Column("ended", N_("ended")),
            *OUTCOMES[1:5],
            Column("turnaround_p50", N_("p50"), Language.format_seconds),
            Column("turnaround_p95", N_("p95"), Language.format_seconds),
            Column("sla_share", N_("in SLA"), Language.format_share),
            Column("open_at_end", N_("backlog")),
            MINUTES,
        ),
        N_(
            "p50 and p95 are percentiles of the time from creation to end of jobs that succeeded; the SLA"
            " is {sla}. The backlog is the one at midnight, or now."
        ),
    ),
    Section(
        "by_job_type",
        N_("Production by job type"),
        (
            JOB_TYPE,
            *OUTCOMES,
            SUCCESS,
            Column("canceled_rate", N_("cancel rate"), Language.format_share),
            Column("frozen_rate", N_("freeze rate"), Language.format_share),
            MINUTES,
        ),
    ),
    Section(
        "times",
        N_("How long jobs wait and render"),
        (
            JOB_TYPE,
            JOBS,
            Column("wait_p50", N_("wait p50"), Language.format_seconds),
            Column("wait_p95", N_("wait p95"), Language.format_seconds),
            Column("render_p50", N_("render p50"), Language.format_seconds),
            Column("render_p95", N_("render p95"), Language.format_seconds),
            Column("turnaround_p50", N_("all p50"), Language.format_seconds),
            Column("turnaround_p95", N_("all p95"), Language.format_seconds),
        ),
        N_("Jobs created in the period. “All” is the time from creation to end of jobs that succeeded."),
    ),
    Section(
        "state_times",
        N_("How long jobs stay in each state"),
        (
            STATE,
            Column("stays", N_("stays")),
            Column("seconds_p50", N_("p50"), Language.format_seconds),
            Column("seconds_p95", N_("p95"), Language.format_seconds),
            Column("seconds_max", N_("longest"), Language.format_seconds),
        ),
        N_(
            "States that jobs entered in the period and have left, as far as syncs saw them: a state that came and went"
            " between two syncs is not counted."
        ),
        N_("No sync saw a job change its state in the period."),
    ),
    Section(
        "failure_reasons",
        N_("Why jobs fail"),
        (
            ERROR_CODE,
            Column("example_message", N_("example"), Language.format_figure),
            JOBS,
            Column("share", N_("share"), Language.format_share),
            Column("last_failed_at", N_("last"), Language.format_date),
        ),
        N_("Jobs created in the period that failed."),
        N_("No job created in the period failed."),
        is_short=True,
    ),
    Section(
        "failure_trend",
        N_("Failures by week of creation"),
        (
            ERROR_CODE,
            Column("three_weeks_ago", N_("3 weeks ago")),
            Column("two_weeks_ago", N_("2 weeks ago")),
            Column("one_week_ago", N_("last week")),
            Column("this_week", N_("this week")),
        ),
        N_("Weeks begin on Monday; the last one is that of the period's end."),
        N_("No job of these weeks failed."),
    ),
    Section(
        "backlog",
        N_("Backlog by age"),
        (
            Column("age", N_("age"), Language.format_word),
            Column("waiting", N_("waiting")),
            Column("processing", N_("processing")),
            Column("in_other_states", N_("other")),
            JOBS,
        ),
        empty=N_("No job waits or renders."),
        is_of_now=True,
    ),
    Section(
        "by_hour",
        N_("Throughput by hour of day"),
        (
            Column("hour", N_("hour"), Language.format_hour),
            Column("created", N_("created")),
            Column("ended", N_("ended")),
            Column("videos", N_("videos")),
        ),
        N_("All days of the period together."),
    ),
    Section(
        "stuck_jobs",
        N_("Jobs open for longer than {sla}"),
        (
            TENANT,
            JOB_ID,
            STATE,
            JOB_TYPE,
            Column("created_at", N_("created at"), Language.format_minute),
            Column("age_seconds", N_("age"), Language.format_seconds),
        ),
        N_("The ten oldest."),
        N_("No job is open for longer than {sla}."),
        is_short=True,
        is_of_now=True,
    ),
    Section(
        "failed_jobs",
        N_("Latest failed jobs"),
        (
            TENANT,
            Column("failed_at", N_("failed at"), Language.format_minute),
            JOB_ID,
            JOB_TYPE,
            ERROR_CODE,
            Column("error_message", N_("message"), Language.format_figure),
        ),
        N_("The last ten of the jobs created in the period."),
        N_("No job created in the period failed."),
        is_short=True,
    ),
    Section(
        "by_state",
        N_("All jobs by state"),
        (STATE, JOBS, Column("last_change", N_("last change"), Language.format_minute)),
        N_("All jobs that the API lists, whenever they were created."),
        N_("The API lists no job."),
        is_of_now=True,
    ),
)


TIME_TREND = Section(
    "time_trend",
    N_("Waiting and rendering by week of creation"),
    (
        Column("week", N_("week of"), Language.format_figure),
        JOB_TYPE,
        Column("wait_seconds_p50", N_("wait p50"), Language.format_seconds),
        Column("wait_seconds_p95", N_("wait p95"), Language.format_seconds),
        Column("render_seconds_p50", N_("render p50"), Language.format_seconds),
        Column("render_seconds_p95", N_("render p95"), Language.format_seconds),
    ),
    N_("Median and 95th percentile (dashed). Weeks with fewer than 5 jobs are left out."),
    N_("No week has 5 jobs of one type with times to show."),
)


def is_left_aligned(column: Column, rows: Sequence[Row]) -> bool:
    """Return whether a column holds words or times, which are aligned to the left."""
    return column.heading in TEXT or any(isinstance(row.get(column.name), (str, datetime)) for row in rows)


def format_row(section: Section, row: Row, zone: ZoneInfo, language: Language) -> list[str]:
    """Return the cells of a row as text, with times in a zone."""
    values = (row.get(column.name) for column in section.columns)  # a tenant that was never synced lacks some
    local = (value.astimezone(zone) if isinstance(value, datetime) else value for value in values)
    return [column.format(language, value) for column, value in zip(section.columns, local, strict=True)]
