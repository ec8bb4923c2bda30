"""Lays the report out as tables for a terminal; the figures come from the SQL beside this file."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from ..console import show, show_seconds, write_json
from ..destination import Destination
from ..pipeline import Options, open_synced


class Section(NamedTuple):
    """A part of the report: the query that answers it, its title, and how each column is headed and written."""

    query: str
    title: str
    columns: tuple[tuple[str, Callable[[Any], str]], ...]


SECTIONS = (
    Section("by_state", "Jobs by state", (("state", str), ("jobs", show), ("last change (UTC)", show))),
    Section(
        "by_day",
        "Jobs by day of creation (UTC), the last 10 days with any",
        (
            ("day", str),
            ("created", show),
            ("succeeded", show),
            ("failed", show),
            ("unfinished", show),
            ("video (min)", show),
        ),
    ),
    Section(
        "failure_reasons",
        "Why jobs fail",
        (("error code", str), ("example", str), ("jobs", show), ("share (%)", show)),
    ),
    Section(
        "times",
        "How long jobs wait and render",
        (
            ("job type", str),
            ("jobs", show),
            ("wait p50", show_seconds),
            ("wait p95", show_seconds),
            ("render p50", show_seconds),
            ("render p95", show_seconds),
        ),
    ),
)


def show_report(options: Options, *, as_json: bool) -> None:
    """Print the report of a pipeline's destination, as tables or as one JSON object."""
    destination, _ = open_synced(options)
    if as_json:
        write_json({section.query: _ask(destination, section)[1] for section in SECTIONS})
        return
    console = Console()
    for section in SECTIONS:
        console.print(_lay_out(section, _ask(destination, section)[0]))


def _ask(destination: Destination, section: Section) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:
    """Run a section's query; its rows, and the same as objects."""
    sql = resources.files(__package__).joinpath(f"{section.query}.sql").read_text(encoding="utf-8")
    names, rows = destination.query_named(sql, destination.project_id)
    return rows, [dict(zip(names, row, strict=True)) for row in rows]


def _lay_out(section: Section, rows: list[tuple[Any, ...]]) -> Table:
    table = Table(title=section.title, title_justify="left", title_style="bold")
    for heading, write in section.columns:
        table.add_column(heading, justify="left" if write is str else "right", overflow="fold")
    for row in rows:
        table.add_row(*(write(value) for (_, write), value in zip(section.columns, row, strict=True)))
    if not rows:
        table.caption = "none"
    return table
