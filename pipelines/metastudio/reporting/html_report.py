"""Writes the report as one self-contained page: figures, charts, and the script for them.

The page loads nothing from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from importlib import import_module, resources
from string import Template
from typing import Any, NamedTuple
from unicodedata import east_asian_width

import orjson

from metastudio.errors import ConfigurationError
from metastudio.reporting.language import N_, Language
from metastudio.reporting.model_version import Row
from metastudio.reporting.report import Report
from metastudio.reporting.sections import OVERVIEW, TEXT, TIME_TREND, Column, Section, format_row, is_left_aligned

MARKS = {"✓": "dim", "!": "warn", "✗": "bad"}
"""The class of a sentence by its mark."""


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
    Part("by_day", {"production": N_("Jobs of each day by their outcome")}, is_wide=True),
    Part("failure_reasons", {"reasons": N_("Failed jobs by error code")}),
    Part("failure_trend", {"failures": N_("Failed jobs of the last 14 weeks by error code")}),
    Part("stuck_jobs", is_wide=True),
    Part("failed_jobs", is_wide=True),
    Part("by_week", {"success": N_("Success rate of the seven days that end with each day")}),
    Part("by_completion", {"backlog": N_("Open jobs at the end of each day")}),
    Part(
        "time_trend",
        {
            "waiting": N_("Minutes of waiting in the last 14 weeks"),
            "rendering": N_("Minutes of rendering in the last 14 weeks"),
        },
        is_wide=True,
    ),
    Part("times"),
    Part("by_job_type"),
    Part("by_hour", {"hours": N_("Jobs created and ended by hour of day")}),
    Part("by_month"),
    Part("backlog"),
    Part("state_times"),
    Part("by_state"),
)
"""The parts in order, those of most interest first."""


def make_page(report: Report, read_library: Callable[[], str] | None = None) -> str:
    """Return the page as HTML, in the report's language.

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
        language=report.language.tag,
        title=escape(report.language.gettext("Video production, {period}", period=report.describe_period())),
        heading=escape(report.language.gettext("Video production")),
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
    """Return the facts above the figures: tenants, region, period and time zone."""
    first, number, gettext = report.tenants[0], len(report.tenants), report.language.gettext
    facts: dict[str, Any] = {
        gettext("Tenant"): first["tenant"] if _has_name(first) else None,
        gettext("Project"): first["project_id"],
        gettext("App user"): first["app_user_id"],
    }
    if number > 1:
        projects = len({row["project_id"] for row in report.tenants})
        facts = {gettext("Tenants"): number, gettext("Projects"): projects}
    regions = sorted({row["region"] for row in report.tenants if row.get("region")})
    facts[gettext("Region")] = report.language.list_items(regions)
    facts[gettext("Period")] = report.describe_days()
    facts[gettext("Time zone")] = report.version.time_zone
    return "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in facts.items() if value
    )


def _has_name(tenant: Row) -> bool:
    """Return whether a tenant has a name besides its IDs."""
    return tenant["tenant"] not in (tenant["project_id"], f"{tenant['project_id']}/{tenant['app_user_id']}")


def _render_health(report: Report) -> str:
    if len(report.tenants) > 1:
        return _render_table(OVERVIEW, report.tenants, report)
    return "\n".join(
        f'<p class="{MARKS[finding.mark]}">{finding.mark} {escape(finding.sentence)}</p>' for finding in report.findings
    )


def _render_tiles(report: Report) -> str:
    language, spans = report.language, report.rows["production"]
    first, whole = spans[0], spans[-1]
    rated = spans[1] if len(spans) > 1 else whole
    open_jobs = sum(row.get("open_jobs") or 0 for row in report.tenants)
    figures = (
        (
            language.gettext("Created, {period}", period=first["period"]),
            language.format_integer(first["created"]),
            _describe_created_before(first, report),
        ),
        (
            language.gettext("Success rate, {period}", period=rated["period"]),
            language.format_share(rated["success_rate"]),
            _describe_change(rated, report) if rated["change"] is not None else "",
        ),
        (
            language.gettext("Video made, {period}", period=whole["period"]),
            language.gettext("{minutes} min", minutes=language.format_minutes(whole["video_minutes"])),
            language.ngettext("{number:,} video", "{number:,} videos", whole["succeeded"]),
        ),
        (language.gettext("Waiting or rendering"), language.format_integer(open_jobs), _describe_stuck(report)),
    )
    return "\n".join(
        f'<div class="tile"><span class="dim">{escape(name)}</span>'
        f'<b style="--width: {_measure(figure)}">{escape(figure)}</b>'
        f'<span class="dim">{escape(more)}</span></div>'
        for name, figure, more in figures
    )


def _measure(text: str) -> int:
    """Return the width of a text in digits; a Chinese character is as wide as two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _describe_created_before(span: Row, report: Report) -> str:
    """Return how many jobs were created in the same number of days before a period."""
    created, days = report.language.format_integer(span["created_before"]), (span["until"] - span["since"]).days + 1
    if days == 1 and not report.period.is_chosen:
        return report.language.gettext("{created} yesterday until this hour", created=created)
    return report.language.ngettext(
        "{created} in the day before", "{created} in the {number} days before", days, created=created
    )


def _describe_change(span: Row, report: Report) -> str:
    """Return the change of the success rate from the same number of days before a period."""
    change, days = report.language.format_change(span["change"]), (span["until"] - span["since"]).days + 1
    if days == 1 and not report.period.is_chosen:
        return report.language.gettext("{change} from yesterday until this hour", change=change)
    return report.language.ngettext(
        "{change} from the day before", "{change} from the {number} days before", days, change=change
    )


def _describe_stuck(report: Report) -> str:
    """Return how many jobs are open for longer than the SLA."""
    number = len(report.rows["stuck_jobs"])
    if not number:
        return report.translate(N_("none for longer than {sla}"))
    if number > 9:
        return report.translate(N_("10 or more for longer than {sla}"))
    sla = report.language.format_seconds(report.version.sla_seconds)
    return report.language.gettext("{number} for longer than {sla}", number=number, sla=sla)


def _render_parts(report: Report, charts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parts that have something to show, then one with a sentence for each empty part."""
    sections = {section.query: section for section in report.sections}
    if report.has_jobs:
        sections[TIME_TREND.query] = TIME_TREND
    parts = [(part, sections[part.query]) for part in PARTS if part.query in sections]
    for part, section in parts:
        if rows := report.rows[section.query]:
            yield _render_part(part, section, rows, report, charts)
    if empty := report.list_empty(section for _, section in parts):
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in empty)
        title = escape(report.language.gettext("Nothing to show"))
        yield f'<section aria-labelledby="nothing"><h2 id="nothing">{title}</h2><ul class="dim">{items}</ul></section>'


def _render_part(part: Part, section: Section, rows: Sequence[Row], report: Report, charts: Mapping[str, Any]) -> str:
    drawn = {name: report.translate(text) for name, text in part.charts.items() if name in charts}
    table = _render_table(section, rows, report)
    if drawn:
        summary = escape(report.language.gettext("Figures"))
        table = f"<details><summary>{summary}</summary>{table}</details>"
        charts_of_part = "".join(_render_chart(name, text, report.language) for name, text in drawn.items())
        table = f'<div class="charts">{charts_of_part}</div>{table}'
    note = f'<p class="dim">{escape(report.translate(section.note))}</p>' if section.note else ""
    name = f"about-{section.query}"
    return (
        f'<section aria-labelledby="{name}"{" class=wide" if part.is_wide else ""}>'
        f'<h2 id="{name}">{escape(report.translate(section.title))}</h2>{table}{note}</section>'
    )


def _render_chart(name: str, text: str, language: Language) -> str:
    label = escape(language.gettext("{chart}; figures below", chart=text))
    return (
        f'<figure><figcaption class="dim">{escape(text)}</figcaption>'
        f'<div class="chart" id="{name}" role="img" aria-label="{label}"></div></figure>'
    )


def _render_table(section: Section, rows: Sequence[Row], report: Report) -> str:
    """Return a table that can be scrolled sideways, also with the keyboard."""
    title = escape(report.translate(section.title))
    columns = section.columns
    head = "".join(
        f'<th scope="col"{_style(column, rows)}>{escape(report.translate(column.heading))}</th>' for column in columns
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<th scope="row"{style}>{escape(cell)}</th>' if column is columns[0] else f"<td{style}>{escape(cell)}</td>"
            for column, cell in zip(columns, cells, strict=True)
            for style in [_style(column, rows, cell)]
        )
        + "</tr>"
        for cells in (format_row(section, row, report.zone, report.language) for row in rows)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table><caption>{title}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _style(column: Column, rows: Sequence[Row], cell: str = "") -> str:
    """Return the classes of a cell, or of the heading of its column."""
    names = ["text"] if column.heading in TEXT else ["left"] if is_left_aligned(column, rows) else []
    if column.name == "health" and cell.startswith(("!", "✗")):
        names.append(MARKS[cell[0]])
    return f' class="{" ".join(names)}"' if names else ""
