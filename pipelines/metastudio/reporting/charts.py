"""The charts of the report as Vega-Lite specifications, made with Altair.

The page chooses the colors of text and lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import altair as alt

from metastudio.formatting import format_job_type
from metastudio.reporting.model_version import Row
from metastudio.reporting.report import Report

OUTCOMES = {"succeeded": "#2f81c7", "failed": "#d9532c", "canceled or frozen": "#9a9fa6", "open": "#d8a21b"}
_STATES = {"waiting": "#d8a21b", "processing": "#2f81c7", "other": "#9a9fa6"}
_TYPES = ("#2f81c7", "#c9761a", "#8d6cc7", "#3f9c6b")
_HEIGHT = 210


def make_charts(report: Report) -> dict[str, dict[str, Any]]:
    """Return the charts of a report, by their element IDs in the page."""
    rows = report.rows
    charts = {
        "production": _chart_production(_of_sixty_days(rows["trend"], report.health.get("today"))),
        "success": _chart_success(_of_sixty_days(make_weekly_rates(rows["trend"]), report.health.get("today"))),
        "waiting": _chart_times(rows["time_trend"], "wait_seconds"),
        "rendering": _chart_times(rows["time_trend"], "render_seconds"),
        "reasons": _chart_reasons(rows["failure_reasons"]),
        "backlog": _chart_backlog(rows["backlog"]),
    }
    return {
        name: {**chart.to_dict(), "autosize": {"type": "fit-x", "contains": "padding"}}
        for name, chart in charts.items()
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


def _of_sixty_days(days: Sequence[Row], today: date | None) -> list[Row]:
    return [day for day in days if today and day["day"] > today - timedelta(days=60)]


def _data(rows: Iterable[Row]) -> alt.InlineData:
    """Return rows as inline data; Vega reads days written like this as local midnight."""
    values = [
        {name: f"{value.isoformat()}T00:00:00" if isinstance(value, date) else value for name, value in row.items()}
        for row in rows
    ]
    return alt.InlineData(values=values)


def _base(rows: Iterable[Row]) -> Any:
    return alt.Chart(_data(rows), width="container", height=_HEIGHT)


def _day() -> alt.X:
    return alt.X("day:T", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True, grid=False, tickCount=6))


def _color(field: str, colors: dict[str, str]) -> alt.Color:
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(colors), range=list(colors.values())))


def _chart_production(days: Sequence[Row]) -> Any:
    fields = dict(zip(OUTCOMES, ("succeeded", "failed", "canceled_or_frozen", "still_open"), strict=True))
    rows = [
        {"day": day["day"], "outcome": outcome, "order": order, "jobs": day[field]}
        for day in days
        for order, (outcome, field) in enumerate(fields.items())
    ]
    return (
        _base(rows)
        .mark_bar()
        .encode(
            x=alt.X(
                "yearmonthdate(day):O",
                title=None,
                axis=alt.Axis(format="%d %b", labelOverlap=True, labelAngle=0, ticks=False),
            ),
            y=alt.Y("jobs:Q", title="jobs"),
            color=_color("outcome", OUTCOMES),
            order=alt.Order("order:Q"),
            tooltip=[alt.Tooltip("day:T", format="%d %b %Y"), "outcome:N", "jobs:Q"],
        )
    )


def _chart_success(rates: Sequence[Row]) -> Any:
    return (
        _base(rates)
        .mark_line(color=OUTCOMES["succeeded"], strokeWidth=2.5, interpolate="monotone")
        .encode(
            x=_day(),
            y=alt.Y("rate:Q", title=None, axis=alt.Axis(format=".0%"), scale=alt.Scale(zero=False, nice=True)),
            tooltip=[
                alt.Tooltip("day:T", format="%d %b %Y"),
                alt.Tooltip("rate:Q", format=".1%"),
                alt.Tooltip("finished:Q", title="jobs"),
            ],
        )
    )


def _chart_times(weeks: Sequence[Row], field: str) -> Any:
    """Draw medians as lines and 95th percentiles as dashed lines, in a color per job type."""
    rows = [
        {"day": week["week"], "type": format_job_type(week["job_type"]), "percentile": name, "minutes": seconds / 60}
        for week in weeks
        for name in ("p50", "p95")
        if (seconds := week[f"{field}_{name}"]) is not None
    ]
    types = sorted({row["type"] for row in rows})
    colors = {job_type: _TYPES[index % len(_TYPES)] for index, job_type in enumerate(types)}
    base = _base(rows).encode(
        x=_day(),
        y=alt.Y("minutes:Q", title="minutes"),
        color=_color("type", colors),
        tooltip=[
            alt.Tooltip("day:T", format="%d %b %Y"),
            "type:N",
            "percentile:N",
            alt.Tooltip("minutes:Q", format=",.1f"),
        ],
    )
    return alt.layer(
        base.transform_filter("datum.percentile == 'p95'").mark_line(strokeWidth=1.5, strokeDash=[4, 3]),
        base.transform_filter("datum.percentile == 'p50'").mark_line(strokeWidth=2.5, point=True),
    )


def _chart_reasons(reasons: Sequence[Row]) -> Any:
    rows = [
        {"code": row["error_code"], "example": row["example_message"], "jobs": row["jobs"], "share": row["share"]}
        for row in reasons
    ]
    most = max((row["jobs"] for row in rows), default=0)
    base = _base(rows).encode(
        x=alt.X("jobs:Q", title="failed jobs", axis=alt.Axis(tickCount=max(1, min(5, most)), format="d")),
        y=alt.Y("code:N", title=None, sort="-x", axis=alt.Axis(labelLimit=140)),
        tooltip=["code:N", "example:N", "jobs:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    return alt.layer(
        base.mark_bar(color=OUTCOMES["failed"]),
        base.mark_text(align="left", dx=4, fontSize=12).encode(text=alt.Text("share:Q", format=".0%")),
    )


def _chart_backlog(ages: Sequence[Row]) -> Any:
    fields = {"waiting": "waiting", "processing": "processing", "other": "in_other_states"}
    rows = [{"age": age["age"], "state": state, "jobs": age[field]} for age in ages for state, field in fields.items()]
    most = max((age["jobs"] for age in ages), default=0)
    return (
        _base(rows)
        .mark_bar()
        .encode(
            x=alt.X("sum(jobs):Q", title="open jobs", axis=alt.Axis(tickCount=max(1, min(5, most)), format="d")),
            y=alt.Y("age:N", title=None, sort=[age["age"] for age in ages]),
            color=_color("state", _STATES),
            tooltip=["age:N", "state:N", "jobs:Q"],
        )
    )
