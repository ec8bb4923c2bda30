"""The report as one self-contained page: figures, charts, and the script that draws them.

The page loads nothing from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from importlib import import_module, resources
from string import Template
from typing import Any, NamedTuple

import orjson

from metastudio.errors import ConfigurationError
from metastudio.formatting import format_change, format_count, format_figure, format_integer, format_share
from metastudio.reporting.model_version import Row
from metastudio.reporting.report import Report
from metastudio.reporting.sections import NO_JOBS, OVERVIEW, TEXT, TIME_TREND, Section, format_row, is_left

TITLE = "Video production"
FIGURES = "Figures"
NOTHING = "Nothing to show"


class Part(NamedTuple):
    """A part of the page: a table, behind charts if it has some.

    Attributes:
        charts: element IDs of charts, and what each shows.
        is_wide: whether it takes a whole row of the page.
    """

    query: str
    charts: Mapping[str, str] = {}
    is_wide: bool = False


PARTS = (
    Part("production", is_wide=True),
    Part("by_day", {"production": "Jobs of each day by their outcome"}, is_wide=True),
    Part("failure_reasons", {"reasons": "Failed jobs by error code"}),
    Part("failure_trend", {"failures": "Failed jobs of each week by error code"}),
    Part("stuck_jobs", is_wide=True),
    Part("failed_jobs", is_wide=True),
    Part("by_week", {"success": "Success rate of the seven days that end with each day"}),
    Part("by_completion", {"backlog": "Open jobs at the end of each day"}),
    Part("time_trend", {"waiting": "Minutes of waiting by week", "rendering": "Minutes of rendering by week"}),
    Part("times"),
    Part("by_hour", {"hours": "Jobs created and ended by hour of day"}),
    Part("by_job_type"),
    Part("by_month"),
    Part("backlog"),
    Part("state_times"),
    Part("by_state"),
)
"""The parts in order: what is looked at most comes first."""


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
    charts = make_charts(report)
    template = Template(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"{TITLE}, {report.describe_period()}"),
        heading=escape(TITLE),
        library=library.replace("</script", "<\\/script"),
        about=_render_about(report),
        health=_render_health(report),
        tiles=_render_tiles(report),
        sections="\n".join(_render_parts(report, charts)),
        charts=orjson.dumps(charts, option=orjson.OPT_NON_STR_KEYS).decode().replace("<", "\\u003c"),
    )


def _read_vega() -> str:
    return str(import_module("vl_convert").javascript_bundle())


def _render_about(report: Report) -> str:
    """Return whose jobs, from where, and of which days."""
    first, number = report.tenants[0], len(report.tenants)
    facts: dict[str, Any] = {
        "Tenant": first["tenant"],
        "Project": first["project_id"],
        "App user": first["app_user_id"],
    }
    if first["tenant"] in (first["project_id"], f"{first['project_id']}/{first['app_user_id']}"):
        del facts["Tenant"]
    if number > 1:
        facts = {"Tenants": number, "Projects": len({row["project_id"] for row in report.tenants})}
    regions = sorted({row["region"] for row in report.tenants if row.get("region")})
    facts |= {"Region": ", ".join(regions), "Period": f"{report.period.since} to {report.period.until}"}
    facts["Time zone"] = report.version.time_zone
    return "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in facts.items() if value
    )


def _render_health(report: Report) -> str:
    if len(report.tenants) > 1:
        return _render_table(OVERVIEW, report.tenants, report)
    css = {"✓": "dim", "!": "warn", "✗": "bad"}
    return "\n".join(
        f'<p class="{css[finding.mark]}">{finding.mark} {escape(finding.sentence)}</p>' for finding in report.findings
    )


def _render_tiles(report: Report) -> str:
    spans = report.rows["production"]
    first, whole = spans[0], spans[-1]
    rated = spans[1] if len(spans) > 1 else whole
    stuck = len(report.rows["stuck_jobs"])
    open_jobs = sum(row.get("open_jobs") or 0 for row in report.tenants)
    figures = (
        (
            f"Created, {first['period']}",
            format_integer(first["created"]),
            f"{format_integer(first['created_before'])} {_name_before(first, 'in ')}",
        ),
        (
            f"Success rate, {rated['period']}",
            format_share(rated["success_rate"]),
            f"{format_change(rated['change'])} from {_name_before(rated)}" if rated["change"] is not None else "",
        ),
        (
            f"Video made, {whole['period']}",
            f"{format_figure(whole['video_minutes'])} min",
            format_count(whole["succeeded"], "video"),
        ),
        (
            "Waiting or rendering",
            format_integer(open_jobs),
            report.fill_in(f"{'10 or more' if stuck > 9 else stuck or 'none'} for longer than {{sla}}"),
        ),
    )
    return "\n".join(
        f'<div class="tile"><span class="dim">{escape(name)}</span><b>{escape(figure)}</b>'
        f'<span class="dim">{escape(more)}</span></div>'
        for name, figure, more in figures
    )


def _name_before(span: Row, preposition: str = "") -> str:
    """Return with what a period is compared."""
    days = (span["until"] - span["since"]).days + 1
    if span["period"] == "today":
        return "yesterday until this hour"
    return f"{preposition}the {days} days before" if days > 1 else f"{preposition}the day before"


def _render_parts(report: Report, charts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parts that have something to show, and then one with a sentence for each other."""
    sections = {section.query: section for section in report.sections}
    if report.has_jobs:
        sections[TIME_TREND.query] = TIME_TREND
    empty = [] if report.has_jobs else [NO_JOBS]
    for part in PARTS:
        if part.query not in sections:
            continue
        section, rows = sections[part.query], report.rows[part.query]
        if rows:
            yield _render_part(part, section, rows, report, charts)
        else:
            empty.append(report.fill_in(section.empty))
    if empty:
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in dict.fromkeys(empty))
        yield f'<section aria-labelledby="nothing"><h2 id="nothing">{NOTHING}</h2><ul class="dim">{items}</ul></section>'


def _render_part(part: Part, section: Section, rows: Sequence[Row], report: Report, charts: Mapping[str, Any]) -> str:
    drawn = {name: text for name, text in part.charts.items() if name in charts}
    table = _render_table(section, rows, report)
    if drawn:
        table = f"<details><summary>{FIGURES}</summary>{table}</details>"
    figures = "".join(
        f'<figure><figcaption class="dim">{escape(text)}</figcaption>'
        f'<div class="chart" id="{name}" role="img" aria-label="{escape(text)}; {FIGURES.lower()} below"></div></figure>'
        for name, text in drawn.items()
    )
    note = f'<p class="dim">{escape(report.fill_in(section.note))}</p>' if section.note else ""
    name = f"about-{section.query}"
    return (
        f'<section aria-labelledby="{name}"{" class=wide" if part.is_wide else ""}>'
        f'<h2 id="{name}">{escape(report.fill_in(section.title))}</h2>{figures}{table}{note}</section>'
    )


def _render_table(section: Section, rows: Sequence[Row], report: Report) -> str:
    """Return a table that can be scrolled sideways, also with the keyboard."""
    title = escape(report.fill_in(section.title))
    css = [
        ' class="text"' if column.heading in TEXT else ' class="left"' if is_left(column, rows) else ""
        for column in section.columns
    ]
    head = "".join(
        f'<th scope="col"{style}>{escape(column.heading)}</th>'
        for style, column in zip(css, section.columns, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<th scope="row"{style}>{escape(cell)}</th>' if index == 0 else f"<td{style}>{escape(cell)}</td>"
            for index, (style, cell) in enumerate(zip(css, format_row(section, row, report.zone), strict=True))
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table><caption>{title}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
