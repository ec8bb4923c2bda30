"""The figures of the report: its queries, and the heading and format of each column.

This module knows neither the terminal nor HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from metastudio.formatting import (
    format_change,
    format_date,
    format_days,
    format_figure,
    format_integer,
    format_job_type,
    format_seconds,
    format_share,
)
from metastudio.reporting.health import read_health
from metastudio.reporting.model_version import UTC, Models, Row

Format = Callable[[Any], str]


class Section(NamedTuple):
    """A table of the report: its query, its title, and the heading and format of each column."""

    query: str
    title: str
    columns: tuple[tuple[str, Format], ...]


SECTIONS = (
    Section(
        "production",
        "Production",
        (
            ("", format_days),
            ("created", format_integer),
            ("succeeded", format_integer),
            ("failed", format_integer),
            ("success", format_share),
            ("change", format_change),
            ("minutes", format_figure),
        ),
    ),
    Section(
        "by_state",
        "Jobs by state",
        (("state", format_figure), ("jobs", format_integer), ("last change (UTC)", format_figure)),
    ),
    Section(
        "by_day",
        "Jobs by day of creation",
        (
            ("day", format_figure),
            ("created", format_integer),
            ("succeeded", format_integer),
            ("failed", format_integer),
            ("open", format_integer),
            ("minutes", format_figure),
        ),
    ),
    Section(
        "times",
        "How long jobs wait and render (last 30 days)",
        (
            ("job type", format_job_type),
            ("jobs", format_integer),
            ("wait p50", format_seconds),
            ("wait p95", format_seconds),
            ("render p50", format_seconds),
            ("render p95", format_seconds),
        ),
    ),
    Section(
        "failure_reasons",
        "Why jobs fail (last 30 days)",
        (
            ("error code", format_figure),
            ("example", format_figure),
            ("jobs", format_integer),
            ("share", format_share),
            ("last", format_date),
        ),
    ),
    Section(
        "backlog",
        "Backlog by age",
        (
            ("age", format_figure),
            ("waiting", format_integer),
            ("processing", format_integer),
            ("other", format_integer),
            ("jobs", format_integer),
        ),
    ),
)


class Report(NamedTuple):
    """The figures of the report: the health of the data, and the rows of each query."""

    project_id: str
    time_zone: str
    health: Row
    rows: dict[str, list[Row]]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as `metastudio report --json` prints them."""
        return {
            "project_id": self.project_id,
            "time_zone": self.time_zone,
            "health": self.health,
            **{section.query: self.rows[section.query] for section in SECTIONS},
        }


def read_report(models: Models, project_id: str, *, charts: bool = False) -> Report:
    """Read the figures of a project from the models.

    Args:
        charts: whether to read the series that only charts show.
    """
    version = models.version()
    names = [section.query for section in SECTIONS] + (["trend", "time_trend"] if charts else [])
    rows = {name: models.query_project(name, project_id) for name in names}
    return Report(project_id, version.time_zone if version else UTC, read_health(models, project_id), rows)


def format_row(section: Section, row: Row) -> list[str]:
    """Return the cells of a row as text."""
    return [format_cell(value) for (_, format_cell), value in zip(section.columns, row.values(), strict=True)]
