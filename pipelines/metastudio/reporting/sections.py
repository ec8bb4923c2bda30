"""The words of the report's tables: titles, headings, and how each figure is written.

This module knows neither the terminal nor HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from metastudio.formatting import (
    format_change,
    format_date,
    format_figure,
    format_growth,
    format_hour,
    format_integer,
    format_job_type,
    format_minute,
    format_month,
    format_seconds,
    format_share,
)
from metastudio.reporting.model_version import Row

Format = Callable[[Any], str]

NO_JOBS = "No job was created in the period."

TEXT = {"example", "message", "tenant", "health"}
"""Headings of columns of prose, which may be wrapped."""


class Column(NamedTuple):
    """A column of a table: its name in the query, its heading, and the format of its values."""

    name: str
    heading: str
    format: Format = format_integer


class Section(NamedTuple):
    """A table of the report.

    Attributes:
        query: the key of its rows.
        note: a sentence on what the figures mean.
        empty: a sentence in place of a table without rows.
        is_short: whether the report of several tenants in the terminal has it, too.
        is_of_now: whether it is shown although no job was created in the period.
    """

    query: str
    title: str
    columns: tuple[Column, ...]
    note: str = ""
    empty: str = "None."
    is_short: bool = False
    is_of_now: bool = False


OUTCOMES = (
    Column("created", "created"),
    Column("succeeded", "succeeded"),
    Column("failed", "failed"),
    Column("canceled", "canceled"),
    Column("frozen", "frozen"),
    Column("still_open", "open"),
)
"""created is the sum of the others."""
SUCCESS = Column("success_rate", "success", format_share)
MINUTES = Column("video_minutes", "minutes", format_figure)
TENANT = Column("tenant", "tenant", format_figure)
JOB_TYPE = Column("job_type", "job type", format_job_type)
JOB_ID = Column("job_id", "job", format_figure)
JOBS = Column("jobs", "jobs")
STATE = Column("state", "state", format_figure)
ERROR_CODE = Column("error_code", "error code", format_figure)
CHANGE = Column("change", "change", format_change)

OVERVIEW = Section(
    "overview",
    "Tenants",
    (
        TENANT,
        Column("health", "health", format_figure),
        Column("last_sync_at", "last sync", format_minute),
        *OUTCOMES[:3],
        SUCCESS,
        MINUTES,
        Column("open_jobs", "backlog"),
    ),
    "Production in the period, and the jobs that wait or render now.",
    is_short=True,
)

SECTIONS = (
    Section(
        "production",
        "Production by time of creation",
        (Column("period", "", format_figure), *OUTCOMES, SUCCESS, CHANGE, MINUTES),
        "The change of the success rate is in percentage points, from as many days before; for today, from yesterday"
        " until the same hour.",
        is_short=True,
        is_of_now=True,
    ),
    Section(
        "by_week",
        "Week over week",
        (
            Column("span", "week of", format_figure),
            *OUTCOMES,
            SUCCESS,
            CHANGE,
            Column("created_change", "jobs", format_growth),
            MINUTES,
        ),
        "Weeks begin on Monday. The week that is not over is not compared.",
    ),
    Section(
        "by_month",
        "Month over month",
        (
            Column("span", "month", format_month),
            *OUTCOMES,
            SUCCESS,
            CHANGE,
            Column("created_change", "jobs", format_growth),
            MINUTES,
        ),
        "The month that is not over is not compared.",
    ),
    Section("by_day", "Jobs by day of creation", (Column("day", "day", format_figure), *OUTCOMES, SUCCESS, MINUTES)),
    Section(
        "by_completion",
        "Jobs by day of completion",
        (
            Column("day", "day", format_figure),
            Column("ended", "ended"),
            *OUTCOMES[1:5],
            Column("turnaround_p50", "p50", format_seconds),
            Column("turnaround_p95", "p95", format_seconds),
            Column("sla_share", "in SLA", format_share),
            Column("open_at_end", "backlog"),
            MINUTES,
        ),
        "p50 and p95 are of the time from creation to end of the jobs that succeeded; the SLA is {sla}. The backlog is"
        " that at midnight, or now.",
    ),
    Section(
        "by_job_type",
        "Production by job type",
        (
            JOB_TYPE,
            *OUTCOMES,
            SUCCESS,
            Column("canceled_rate", "cancel rate", format_share),
            Column("frozen_rate", "freeze rate", format_share),
            MINUTES,
        ),
    ),
    Section(
        "times",
        "How long jobs wait and render",
        (
            JOB_TYPE,
            JOBS,
            Column("wait_p50", "wait p50", format_seconds),
            Column("wait_p95", "wait p95", format_seconds),
            Column("render_p50", "render p50", format_seconds),
            Column("render_p95", "render p95", format_seconds),
            Column("turnaround_p50", "all p50", format_seconds),
            Column("turnaround_p95", "all p95", format_seconds),
        ),
        "Jobs created in the period. All is from creation to end, of the jobs that succeeded.",
    ),
    Section(
        "state_times",
        "How long jobs stay in each state",
        (
            STATE,
            Column("stays", "stays"),
            Column("seconds_p50", "p50", format_seconds),
            Column("seconds_p95", "p95", format_seconds),
            Column("seconds_max", "longest", format_seconds),
        ),
        "States that jobs entered in the period and have left, as far as syncs saw them: a state that came and went"
        " between two syncs is not counted.",
        "No sync saw a job change its state in the period.",
    ),
    Section(
        "failure_reasons",
        "Why jobs fail",
        (
            ERROR_CODE,
            Column("example_message", "example", format_figure),
            JOBS,
            Column("share", "share", format_share),
            Column("last_failed_at", "last", format_date),
        ),
        "Jobs created in the period that failed.",
        "No job created in the period failed.",
        is_short=True,
    ),
    Section(
        "failure_trend",
        "Failures by week of creation",
        (
            ERROR_CODE,
            Column("three_weeks_ago", "3 weeks ago"),
            Column("two_weeks_ago", "2 weeks ago"),
            Column("one_week_ago", "last week"),
            Column("this_week", "this week"),
        ),
        "Weeks begin on Monday; the last one is that of the period's end.",
        "No job of these weeks failed.",
    ),
    Section(
        "backlog",
        "Backlog by age",
        (
            Column("age", "age", format_figure),
            Column("waiting", "waiting"),
            Column("processing", "processing"),
            Column("in_other_states", "other"),
            JOBS,
        ),
        empty="No job waits or renders.",
        is_of_now=True,
    ),
    Section(
        "by_hour",
        "Throughput by hour of day",
        (
            Column("hour", "hour", format_hour),
            Column("created", "created"),
            Column("ended", "ended"),
            Column("videos", "videos"),
        ),
        "All days of the period together.",
    ),
    Section(
        "stuck_jobs",
        "Jobs open for longer than {sla}",
        (
            TENANT,
            JOB_ID,
            STATE,
            JOB_TYPE,
            Column("created_at", "created", format_minute),
            Column("age_seconds", "age", format_seconds),
        ),
        "The ten oldest.",
        "No job is open for longer than {sla}.",
        is_short=True,
        is_of_now=True,
    ),
    Section(
        "failed_jobs",
        "Jobs that failed last",
        (
            TENANT,
            Column("failed_at", "failed", format_minute),
            JOB_ID,
            JOB_TYPE,
            ERROR_CODE,
            Column("error_message", "message", format_figure),
        ),
        "The last ten of the jobs created in the period.",
        "No job created in the period failed.",
        is_short=True,
    ),
    Section(
        "by_state",
        "All jobs by state",
        (
            STATE,
            JOBS,
            Column("last_change", "last change", format_minute),
        ),
        "Jobs that the API lists, of any time.",
        "The API lists no job.",
        is_of_now=True,
    ),
)


TIME_TREND = Section(
    "time_trend",
    "Waiting and rendering by week of creation",
    (
        Column("week", "week of", format_figure),
        JOB_TYPE,
        Column("wait_seconds_p50", "wait p50", format_seconds),
        Column("wait_seconds_p95", "wait p95", format_seconds),
        Column("render_seconds_p50", "render p50", format_seconds),
        Column("render_seconds_p95", "render p95", format_seconds),
    ),
    "The middle of all jobs, and 95 of 100 (dashed). Weeks with fewer than 5 jobs are left out.",
    "No week has 5 jobs of one type, of which times could be shown.",
)


def is_left(column: Column, rows: Sequence[Row]) -> bool:
    """Return whether a column holds words or times, which are aligned to the left."""
    return any(isinstance(row.get(column.name), (str, datetime)) for row in rows)


def format_row(section: Section, row: Row, zone: ZoneInfo) -> list[str]:
    """Return the cells of a row as text, with times in a zone."""
    values = (row.get(column.name) for column in section.columns)  # none of a tenant never synced
    local = (value.astimezone(zone) if isinstance(value, datetime) else value for value in values)
    return [column.format(value) for column, value in zip(section.columns, local, strict=True)]
