"""The report as one self-contained page: figures, charts, and the script that draws them.

The page loads nothing from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from importlib import import_module, resources
from string import Template

import orjson

from metastudio.errors import ConfigurationError
from metastudio.formatting import format_change, format_figure, format_integer, format_share
from metastudio.reporting.health import describe_health
from metastudio.reporting.report import SECTIONS, Report, Section, format_row

_CHARTS = {
    "production": ("Jobs per day of creation", "by_day", "The jobs of each day by their outcome; the last 60 days."),
    "success": (
        "Success rate",
        "production",
        "Succeeded as a share of succeeded and failed, over the seven days that end with each day.",
    ),
    "waiting": (
        "Waiting",
        "times",
        "From creation to the start of rendering, by week: median and 95th percentile (dashed).",
    ),
    "rendering": (
        "Rendering",
        None,
        "From the start of rendering to its end, by week: median and 95th percentile (dashed).",
    ),
    "reasons": ("Why jobs fail", "failure_reasons", "Jobs created in the last 30 days."),
    "backlog": ("Backlog", "backlog", "Jobs that wait or render, by time since their creation."),
}
"""Charts by element ID: title, query of the table below the chart, and description."""


def make_page(report: Report, read_library: Callable[[], str] | None = None) -> str:
    """Return the page as HTML.

    Args:
        read_library: returns the script that draws the charts; by default vl-convert's Vega bundle.

    Raises:
        ConfigurationError: the packages for charts are not installed.
    """
    try:
        from metastudio.reporting.charts import make_charts

        library = (read_library or _read_vega)()
    except ImportError:
        raise ConfigurationError(
            "The packages for charts are not installed.",
            hint="Install metastudio with the extra reporting, as the README shows.",
        ) from None
    charts = orjson.dumps(make_charts(report), option=orjson.OPT_NON_STR_KEYS).decode()
    template = Template(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"Video production, {format_figure(report.health.get('today'))}"),
        library=library.replace("</script", "<\\/script"),
        health=_render_health(report),
        tiles=_render_tiles(report),
        sections=_render_sections(report),
        charts=charts.replace("<", "\\u003c"),
    )


def _read_vega() -> str:
    return str(import_module("vl_convert").javascript_bundle())


def _render_health(report: Report) -> str:
    lines = [
        f'<p class="{"dim" if is_good else "warn"}">{escape(sentence)}</p>'
        for is_good, sentence in describe_health(report.health)
    ]
    zone = escape(report.time_zone)
    lines.append(f'<p class="dim">Project {escape(report.project_id)}; days begin at midnight in {zone}.</p>')
    return "\n".join(lines)


def _render_tiles(report: Report) -> str:
    today, week, month = report.rows["production"] or ({}, {}, {})
    backlog = sum(int(row["jobs"]) for row in report.rows["backlog"])
    oldest = next((row["age"] for row in reversed(report.rows["backlog"]) if row["jobs"]), "none")
    figures = (
        (
            "Created today",
            format_integer(today.get("created")),
            f"{format_integer(week.get('created'))} in the last 7 days",
        ),
        (
            "Success rate, 7 days",
            format_share(week.get("success_rate")),
            f"{format_change(week.get('change'))} from the 7 days before",
        ),
        (
            "Video made, 30 days",
            f"{format_figure(month.get('video_minutes'))} min",
            f"{format_integer(month.get('succeeded'))} videos",
        ),
        ("Waiting or rendering", format_integer(backlog), f"oldest: {oldest}"),
    )
    return "\n".join(
        f'<div class="tile"><span class="dim">{escape(name)}</span><b>{escape(figure)}</b>'
        f'<span class="dim">{escape(more)}</span></div>'
        for name, figure, more in figures
    )


def _render_sections(report: Report) -> str:
    sections = {section.query: section for section in SECTIONS}
    parts = []
    for name, (title, query, text) in _CHARTS.items():
        section = sections.pop(query) if query else None
        table = _render_table(section, report) if section else ""
        parts.append(
            f'<section><h2>{escape(title)}</h2><p class="dim">{escape(text)}</p>'
            f'<div class="chart" id="{name}" role="img" aria-label="{escape(title)}"></div>{table}</section>'
        )
    parts += [
        f"<section><h2>{escape(section.title)}</h2>{_render_table(section, report)}</section>"
        for section in sections.values()
    ]
    return "\n".join(parts)


def _render_table(section: Section, report: Report) -> str:
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
