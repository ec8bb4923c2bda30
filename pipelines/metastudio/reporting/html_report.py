"""The report as one page that holds everything it needs: figures, charts, and the script that draws them. It asks nobody for anything."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from importlib import import_module, resources
from string import Template

import orjson

from metastudio.errors import ConfigurationError
from metastudio.formatting import format_figure
from metastudio.reporting.report import (
    SECTIONS,
    Report,
    Section,
    describe_health,
    format_row,
    show_change,
    show_count,
    show_share,
)

_CHARTS = {
    "production": ("Jobs per day of creation", "by_day", "Each day's jobs by what became of them; the last 60 days."),
    "success": (
        "Success rate",
        "production",
        "Succeeded of succeeded and failed, over the seven days that end with each day.",
    ),
    "waiting": (
        "Waiting",
        "times",
        "From creation to the start of rendering, week by week: median, and 95th percentile (dashed).",
    ),
    "rendering": (
        "Rendering",
        None,
        "From the start of rendering to its end, week by week: median, and 95th percentile (dashed).",
    ),
    "reasons": ("Why jobs fail", "failure_reasons", "Jobs created in the last 30 days."),
    "backlog": ("Backlog", "backlog", "Jobs that wait or render, by how long ago they were created."),
}
"""A chart -> its title, the table under it, and what it shows."""


def make_page(report: Report, read_library: Callable[[], str] | None = None) -> str:
    """Make the page.

    Args:
        read_library: gives the script that draws charts; vl-convert's bundle of Vega without it.

    Raises:
        ConfigurationError: what charts need is not installed.
    """
    try:
        from metastudio.reporting.charts import make_charts

        library = (read_library or _read_vega)()
    except ImportError:
        raise ConfigurationError(
            "What the charts of the page need is not installed.",
            hint="Install it: pip install 'metastudio[reporting]'.",
        ) from None
    charts = orjson.dumps(make_charts(report), option=orjson.OPT_NON_STR_KEYS).decode()
    template = Template(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"Video production, {format_figure(report.health.get('today'))}"),
        library=library.replace("</script", "<\\/script"),
        health=_lay_out_health(report),
        tiles=_lay_out_tiles(report),
        sections=_lay_out_sections(report),
        charts=charts.replace("<", "\\u003c"),
    )


def _read_vega() -> str:
    return str(import_module("vl_convert").javascript_bundle())


def _lay_out_health(report: Report) -> str:
    lines = [
        f'<p class="{"dim" if fine else "warn"}">{escape(sentence)}</p>'
        for fine, sentence in describe_health(report.health)
    ]
    zone = escape(report.time_zone)
    lines.append(f'<p class="dim">Project {escape(report.project_id)}; days begin at midnight, {zone}.</p>')
    return "\n".join(lines)


def _lay_out_tiles(report: Report) -> str:
    today, week, month = report.rows["production"] or ({}, {}, {})
    backlog = sum(int(row["jobs"]) for row in report.rows["backlog"])
    oldest = next((row["age"] for row in reversed(report.rows["backlog"]) if row["jobs"]), "none")
    figures = (
        ("Created today", show_count(today.get("created")), f"{show_count(week.get('created'))} in the last 7 days"),
        (
            "Success rate, 7 days",
            show_share(week.get("success_rate")),
            f"{show_change(week.get('change'))} against the 7 days before",
        ),
        (
            "Video made, 30 days",
            f"{format_figure(month.get('video_minutes'))} min",
            f"{show_count(month.get('succeeded'))} videos",
        ),
        ("Waiting or rendering", show_count(backlog), f"the oldest: {oldest}"),
    )
    return "\n".join(
        f'<div class="tile"><span class="dim">{escape(name)}</span><b>{escape(figure)}</b>'
        f'<span class="dim">{escape(more)}</span></div>'
        for name, figure, more in figures
    )


def _lay_out_sections(report: Report) -> str:
    sections = {section.query: section for section in SECTIONS}
    parts = []
    for name, (title, query, text) in _CHARTS.items():
        section = sections.pop(query) if query else None
        table = _lay_out_table(section, report) if section else ""
        parts.append(
            f'<section><h2>{escape(title)}</h2><p class="dim">{escape(text)}</p>'
            f'<div class="chart" id="{name}" role="img" aria-label="{escape(title)}"></div>{table}</section>'
        )
    parts += [
        f"<section><h2>{escape(section.title)}</h2>{_lay_out_table(section, report)}</section>"
        for section in sections.values()
    ]
    return "\n".join(parts)


def _lay_out_table(section: Section, report: Report) -> str:
    rows = report.rows[section.query]
    if not rows:
        return '<p class="dim">None.</p>'
    classes = ["text" if heading == "example" else "" for heading, _ in section.columns]
    head = "".join(
        f'<th class="{css}">{escape(heading)}</th>' for css, (heading, _) in zip(classes, section.columns, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="{css}">{escape(cell)}</td>'
            for css, cell in zip(classes, format_row(section, row), strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
