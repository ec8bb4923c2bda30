"""The figures of the report: what is asked of the models, and how each figure is headed and written. Knows no terminal and no HTML."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple

from metastudio.formatting import format_figure, format_seconds
from metastudio.reporting.model_version import Models

Row = dict[str, Any]
Write = Callable[[Any], str]


def show_share(share: Any) -> str:
    """Write a share as a percentage."""
    return "-" if share is None else f"{100 * float(share):.1f} %"


def show_change(change: Any) -> str:
    """Write how a share moved, in percentage points."""
    if change is None:
        return "-"
    points = round(100 * float(change), 1)
    return f"{'▲' if points > 0 else '▼' if points < 0 else '='} {abs(points):.1f} pp"


def show_days(days: Any) -> str:
    """Write a number of days that ends today."""
    return "today" if days == 1 else f"last {days} days"


def show_date(time: Any) -> str:
    """Write the day of a time, UTC."""
    return "-" if time is None else format_figure(time)[:10]


def show_text(text: Any) -> str:
    """Write a text."""
    return "-" if text is None else str(text)


def show_type(job_type: Any) -> str:
    """Write a type of job, the vendor's in short."""
    short = {"2D_DIGITAL_HUMAN_VIDEO": "2D", "PHOTO_DIGITAL_HUMAN_VIDEO": "photo"}
    return short.get(str(job_type), str(job_type))


def show_count(number: Any) -> str:
    """Write a number of jobs; a bare sum may come as a decimal."""
    return format_figure(None if number is None else int(number))


class Section(NamedTuple):
    """A part of the report: the query that answers it, its title, and how each column is headed and written."""

    query: str
    title: str
    columns: tuple[tuple[str, Write], ...]


SECTIONS = (
    Section(
        "production",
        "Production",
        (
            ("", show_days),
            ("created", show_count),
            ("succeeded", show_count),
            ("failed", show_count),
            ("success", show_share),
            ("change", show_change),
            ("minutes", format_figure),
        ),
    ),
    Section(
        "by_state", "Jobs by state", (("state", show_text), ("jobs", show_count), ("last change (UTC)", format_figure))
    ),
    Section(
        "by_day",
        "Jobs by day of creation",
        (
            ("day", format_figure),
            ("created", show_count),
            ("succeeded", show_count),
            ("failed", show_count),
            ("open", show_count),
            ("minutes", format_figure),
        ),
    ),
    Section(
        "times",
        "How long jobs wait and render (last 30 days)",
        (
            ("job type", show_type),
            ("jobs", show_count),
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
            ("error code", show_text),
            ("example", show_text),
            ("jobs", show_count),
            ("share", show_share),
            ("last", show_date),
        ),
    ),
    Section(
        "backlog",
        "Backlog by age",
        (
            ("age", show_text),
            ("waiting", show_count),
            ("processing", show_count),
            ("other", show_count),
            ("jobs", show_count),
        ),
    ),
)


class Report(NamedTuple):
    """The report's figures: how fresh and complete they are, and the rows of each section, by its query."""

    project_id: str
    time_zone: str
    health: Row
    rows: dict[str, list[Row]]

    def as_json(self) -> dict[str, Any]:
        return {
            "project_id": self.project_id,
            "time_zone": self.time_zone,
            "health": self.health,
            **{section.query: self.rows[section.query] for section in SECTIONS},
        }


def read_report(models: Models, project_id: str, *, charts: bool = False) -> Report:
    """Read the figures of a project from the models; with `charts`, the days that charts need too."""
    version = models.version()
    names = [section.query for section in SECTIONS] + (["trend", "time_trend"] if charts else [])
    rows = {name: _ask(models, name, project_id) for name in names}
    health = _ask(models, "health", project_id)
    return Report(project_id, version.time_zone if version else "UTC", health[0] if health else {}, rows)


def _ask(models: Models, query: str, project_id: str) -> list[Row]:
    sql = resources.files(__package__).joinpath("queries", f"{query}.sql").read_text(encoding="utf-8")
    return models.query_dicts(sql, project_id)


def format_row(section: Section, row: Row) -> list[str]:
    """Write a row of a section, cell by cell."""
    return [write(value) for (_, write), value in zip(section.columns, row.values(), strict=True)]


def describe_health(health: Row) -> list[tuple[bool, str]]:
    """Say how fresh and how complete the figures are: sentences, each with whether it is as it should be."""
    if not health:
        return [(False, "Nothing was synced yet.")]
    synced = health["last_complete_sync_at"]
    fresh = (
        f"The last complete sync ended {format_figure(synced)} UTC, {format_seconds(health['freshness_seconds'])} ago."
        if synced
        else "No sync has reached its end yet: run metastudio sync."
    )
    whole = (
        "Complete: every window was proved whole."
        if health["is_complete"]
        else f"Not complete: {health['incomplete_windows']} windows of the last run are unproved; run metastudio sync."
    )
    sentences = [(synced is not None, fresh), (bool(health["is_complete"]), whole)]
    sentences.append(
        (True, f"{show_count(health['jobs'])} jobs, {show_count(health['deleted_jobs'])} of them deleted at the API.")
    )
    if health["rejected_records"]:
        sentences.append(
            (False, f"{show_count(health['rejected_records'])} records were rejected: see rejected_records.")
        )
    if health["jobs_in_unknown_states"]:
        number, states = show_count(health["jobs_in_unknown_states"]), health["unknown_states"]
        sentences.append((False, f"{number} jobs are in states that this release does not know: {states}."))
    return sentences
