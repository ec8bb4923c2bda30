"""The charts of the report as Vega-Lite specifications, made with Altair.

The page chooses the colors of text and lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from math import ceil, floor
from typing import Any

import altair as alt

from metastudio.reporting.language import Language
from metastudio.reporting.model_version import Row
from metastudio.reporting.report import Report
from metastudio.reporting.sections import OUTCOMES

COLORS = {
    "succeeded": "#2f81c7",
    "failed": "#d9532c",
    "canceled": "#868e96",
    "frozen": "#8d6cc7",
    "still_open": "#c9901a",
}
_PALETTE = ("#2f81c7", "#d9532c", "#8d6cc7", "#3f9c6b", "#c9901a", "#868e96")
_HEIGHT = 210
_FEW_BARS, _MAX_BAR_PIXELS = 4, 48
"""Up to so many bars are at most this many pixels wide. A single one would fill the chart."""


def make_charts(report: Report) -> dict[str, dict[str, Any]]:
    """Return the charts that have something to show, by their element IDs in the page."""
    rows, language = report.rows, report.language
    days, times = rows["trend"], rows["time_trend"]
    shown = [day for day in days if day["is_shown"]]
    rates = [rate for rate in make_weekly_rates(days) if rate["day"] >= shown[0]["day"]]
    hours = rows["by_hour"]
    charts = {
        "production": _chart_production(shown, language) if _has_any(shown, COLORS) else None,
        "success": _chart_success(rates, language) if len(rates) > 1 else None,
        "backlog": _chart_backlog(shown, language) if _has_any(shown, ("open_at_end",)) else None,
        "waiting": _chart_times(times, "wait_seconds", language) if _has_any(times, ("wait_seconds_p50",)) else None,
        "rendering": _chart_times(times, "render_seconds", language)
        if _has_any(times, ("render_seconds_p50",))
        else None,
        "reasons": _chart_reasons(rows["failure_reasons"], language) if rows["failure_reasons"] else None,
        "failures": _chart_failures(rows["reason_trend"], language) if rows["reason_trend"] else None,
        "hours": _chart_hours(hours, language) if _has_any(hours, ("created", "ended")) else None,
    }
    return {
        name: {**chart.to_dict(), "autosize": {"type": "fit-x", "contains": "padding"}}
        for name, chart in charts.items()
        if chart is not None
    }


def make_weekly_rates(days: Sequence[Row]) -> list[Row]:
    """Return for each day the success rate of the seven days that end with it.

    A single day has too few jobs to judge by.
    """
    rates = []
    for last in days:
        week = [day for day in days if last["day"] - timedelta(days=7) < day["day"] <= last["day"]]
        succeeded = sum(day["succeeded"] for day in week)
        finished = succeeded + sum(day["failed"] for day in week)
        if finished:
            rates.append({"day": last["day"], "rate": succeeded / finished, "finished": finished})
    return rates


def _has_any(rows: Sequence[Row], names: Iterable[str]) -> bool:
    return any(row[name] for name in names for row in rows)


def _data(rows: Iterable[Row]) -> alt.InlineData:
    """Return rows as inline data; Vega reads days written like this as local midnight."""
    values = [
        {name: f"{value.isoformat()}T00:00:00" if isinstance(value, date) else value for name, value in row.items()}
        for row in rows
    ]
    return alt.InlineData(values=values)


def _base(rows: Iterable[Row]) -> Any:
    return alt.Chart(_data(rows), width="container", height=_HEIGHT)


def _time(language: Language) -> alt.X:
    axis = alt.Axis(format=language.gettext("%d %b"), labelOverlap=True, grid=False, tickCount=6)
    return alt.X("day:T", title=None, axis=axis)


def _band(field: str, language: Language) -> alt.X:
    axis = alt.Axis(
        format=language.gettext("%d %b"),
        labelOverlap=True,
        labelSeparation=10,
        labelAngle=0,
        labelPadding=6,
        ticks=False,
    )
    return alt.X(f"yearmonthdate({field}):O", title=None, axis=axis)


def _count(field: str, title: str, most: int) -> alt.Y:
    """Return an axis of whole numbers; Vega would write 0.5 as 1."""
    return alt.Y(f"{field}:Q", title=title, axis=alt.Axis(tickCount=max(1, min(5, most)), format=",d"))


def _limit_bars(values: Iterable[Any]) -> dict[str, int]:
    """Return the options of bars, one for each value."""
    return {"size": _MAX_BAR_PIXELS} if len(set(values)) <= _FEW_BARS else {}


def _day_tooltip(field: str, title: str, language: Language) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:T", title=title, format=language.gettext("%d %b %Y"))


def _color(field: str, colors: Mapping[str, str]) -> alt.Color:
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(colors), range=list(colors.values())))


def _choose_colors(values: Iterable[str]) -> dict[str, str]:
    return {value: _PALETTE[index % len(_PALETTE)] for index, value in enumerate(values)}


def _chart_production(days: Sequence[Row], language: Language) -> Any:
    headings = {column.name: language.gettext(column.heading) for column in OUTCOMES}
    rows = [
        {"day": day["day"], "outcome": headings[name], "order": order, "jobs": day[name]}
        for day in days
        for order, name in enumerate(COLORS)
    ]
    return (
        _base(rows)
        .mark_bar()
        .encode(
            x=_band("day", language),
            y=_count("jobs", language.gettext("jobs"), max(sum(day[name] for name in COLORS) for day in days)),
            color=_color("outcome", {headings[name]: color for name, color in COLORS.items()}),
            order=alt.Order("order:Q"),
            tooltip=[
                _day_tooltip("day", language.gettext("day"), language),
                alt.Tooltip("outcome:N", title=language.gettext("outcome")),
                alt.Tooltip("jobs:Q", title=language.gettext("jobs")),
            ],
        )
    )


def find_bounds(rates: Sequence[Row]) -> tuple[float, float]:
    """Return whole percentages around rates, at least five points apart: less would be noise."""
    low, high = floor(100 * min(rate["rate"] for rate in rates)), ceil(100 * max(rate["rate"] for rate in rates))
    low = max(0, min(low, high - 5))
    return low / 100, max(high, low + 5) / 100


def _chart_success(rates: Sequence[Row], language: Language) -> Any:
    return (
        _base(rates)
        .mark_line(color=COLORS["succeeded"], strokeWidth=2.5, interpolate="monotone")
        .encode(
            x=_time(language),
            y=alt.Y(
                "rate:Q",
                title=None,
                axis=alt.Axis(format=".0%", tickCount=5, tickMinStep=0.01),
                scale=alt.Scale(domain=find_bounds(rates)),
            ),
            tooltip=[
                _day_tooltip("day", language.gettext("day"), language),
                alt.Tooltip("rate:Q", title=language.gettext("success"), format=".1%"),
                alt.Tooltip("finished:Q", title=language.gettext("jobs")),
            ],
        )
    )


def _chart_backlog(days: Sequence[Row], language: Language) -> Any:
    return (
        _base([{"day": day["day"], "jobs": day["open_at_end"]} for day in days])
        .mark_bar(color=COLORS["still_open"])
        .encode(
            x=_band("day", language),
            y=_count("jobs", language.gettext("open jobs"), max(day["open_at_end"] for day in days)),
            tooltip=[
                _day_tooltip("day", language.gettext("day"), language),
                alt.Tooltip("jobs:Q", title=language.gettext("open jobs")),
            ],
        )
    )


def _chart_times(weeks: Sequence[Row], field: str, language: Language) -> Any:
    """Draw medians as lines and 95th percentiles as dashed lines, in a color per job type."""
    percentiles = {"p50": language.gettext("p50"), "p95": language.gettext("p95")}
    rows = [
        {
            "day": week["week"],
            "type": language.format_job_type(week["job_type"]),
            "percentile": title,
            "is_high": name == "p95",
            "minutes": seconds / 60,
        }
        for week in weeks
        for name, title in percentiles.items()
        if (seconds := week[f"{field}_{name}"]) is not None
    ]
    base = _base(rows).encode(
        x=_time(language),
        y=alt.Y("minutes:Q", title=language.gettext("minutes per job")),
        color=_color("type", _choose_colors(sorted({row["type"] for row in rows}))),
        tooltip=[
            _day_tooltip("day", language.gettext("week of"), language),
            alt.Tooltip("type:N", title=language.gettext("job type")),
            alt.Tooltip("percentile:N", title=language.gettext("percentile")),
            alt.Tooltip("minutes:Q", title=language.gettext("minutes per job"), format=",.1f"),
        ],
    )
    return alt.layer(
        base.transform_filter("datum.is_high").mark_line(strokeWidth=1.5, strokeDash=[4, 3], point=True),
        base.transform_filter("!datum.is_high").mark_line(strokeWidth=2.5, point=True),
    )


def _chart_reasons(reasons: Sequence[Row], language: Language) -> Any:
    rows = [
        {
            "code": language.format_word(row["error_code"]),
            "example": row["example_message"],
            "jobs": row["jobs"],
            "share": row["share"],
        }
        for row in reasons
    ]
    base = _base(rows).encode(
        x=alt.X(
            "jobs:Q",
            title=language.gettext("failed jobs"),
            axis=alt.Axis(tickCount=max(1, min(5, rows[0]["jobs"])), format=",d"),
        ),
        y=alt.Y("code:N", title=None, sort=[row["code"] for row in rows], axis=alt.Axis(labelLimit=140)),
        tooltip=[
            alt.Tooltip("code:N", title=language.gettext("error code")),
            alt.Tooltip("example:N", title=language.gettext("example")),
            alt.Tooltip("jobs:Q", title=language.gettext("failed jobs")),
            alt.Tooltip("share:Q", title=language.gettext("share"), format=".1%"),
        ],
    )
    return alt.layer(
        base.mark_bar(color=COLORS["failed"], **_limit_bars(row["code"] for row in rows)),
        base.mark_text(align="left", dx=4, fontSize=12).encode(text=alt.Text("share:Q", format=".0%")),
    )


def _chart_failures(weeks: Sequence[Row], language: Language) -> Any:
    codes = sorted({row["error_code"] for row in weeks}, key=lambda code: (code == "others", code))
    rows = [{**row, "error_code": language.format_word(row["error_code"])} for row in weeks]
    return (
        _base(rows)
        .mark_bar(**_limit_bars(row["week"] for row in rows))
        .encode(
            x=_band("week", language),
            y=_count("jobs", language.gettext("failed jobs"), max(row["jobs"] for row in weeks)),
            color=_color("error_code", _choose_colors(map(language.format_word, codes))),
            tooltip=[
                _day_tooltip("week", language.gettext("week of"), language),
                alt.Tooltip("error_code:N", title=language.gettext("error code")),
                alt.Tooltip("jobs:Q", title=language.gettext("failed jobs")),
            ],
        )
    )


def _chart_hours(hours: Sequence[Row], language: Language) -> Any:
    events = {"created": language.gettext("created"), "ended": language.gettext("ended")}
    rows = [
        {"hour": hour["hour"], "event": title, "jobs": hour[name]} for hour in hours for name, title in events.items()
    ]
    return (
        _base(rows)
        .mark_line(strokeWidth=2.5, point=True)
        .encode(
            x=alt.X("hour:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=_count("jobs", language.gettext("jobs"), max(row["jobs"] for row in rows)),
            color=_color("event", {events["created"]: COLORS["still_open"], events["ended"]: COLORS["succeeded"]}),
            tooltip=[
                alt.Tooltip("hour:O", title=language.gettext("hour")),
                alt.Tooltip("event:N", title=language.gettext("event")),
                alt.Tooltip("jobs:Q", title=language.gettext("jobs")),
            ],
        )
    )
