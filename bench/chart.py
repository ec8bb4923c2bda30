"""The chart `docs/benchmark.svg`: initial sync by peer, and growth with the history.

Readable on light and dark pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from bench.measurements import Measurements, Runs
from bench.peers import METASTUDIO, PEERS
from bench.sizes import Sizes

INK, SOFT, LINE = "#1b1f24", "#59636e", "#d0d7de"
DARK = {
    INK: "#e6edf3",
    SOFT: "#9da7b3",
    LINE: "#3d444d",
    "#0550ae": "#79c0ff",
    "#8c959f": "#6e7681",
    "#bc4c00": "#f0883e",
}
PROJECT_COLOR, BASELINE_COLOR, PEER_COLOR = "#0550ae", "#8c959f", "#bc4c00"


def draw(measured: Measurements, sizes: Sizes, path: Path) -> None:
    """Draw what was measured; write no file if nothing was."""
    rows = []
    if measured.count_rounds("sync"):
        rows.append(
            alt.hconcat(
                _bars(measured, "initial 0 ms", "cpu", f"CPU seconds, {sizes.small:,} jobs, no latency", labels=True),
                _bars(measured, "initial 50 ms", "wall", "Wall seconds at 50 ms", labels=False),
                spacing=24,
            )
        )
    if measured.count_rounds("growth"):
        rows.append(alt.hconcat(*(_line(measured, *one) for one in GROWTH), spacing=44))
    if not rows:
        return
    chart = alt.vconcat(*rows, spacing=36).configure(**CONFIG)
    path.write_text(_for_both_themes(vl_convert.vegalite_to_svg(chart.to_json())), encoding="utf-8")


CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "title": {"color": INK, "anchor": "start", "fontSize": 13, "fontWeight": 600, "offset": 10},
    "axis": {
        "labelColor": SOFT,
        "titleColor": SOFT,
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelFontSize": 12,
    },
}
GROWTH = (
    ("backfill", "cpu", 1, "This project: backfill CPU, seconds", "log"),
    ("backfill", "memory", 1_000_000, "backfill peak memory, MB", "linear"),
    ("idle", "cpu", 1, "idle sync CPU, seconds", "linear"),
)
"""The step, field, unit, title and scale of each line."""


def _color(name: str) -> str:
    if name.startswith("metastudio"):
        return PROJECT_COLOR
    return BASELINE_COLOR if name.startswith("baseline") else PEER_COLOR


def _bars(measured: Measurements, step: str, field: str, title: str, *, labels: bool) -> Any:
    data = [
        {"who": peer.title, "value": round(value, 2), "text": f"{value:.1f}", "color": _color(peer.name)}
        for peer in PEERS
        if (value := measured.median(Runs("sync", step, peer.name), field)) is not None
    ]
    order = [peer.title for peer in PEERS]
    axis = alt.Axis(title=None, labelLimit=320, labelPadding=8, ticks=False, domain=False) if labels else None
    bars = (
        alt.Chart(alt.Data(values=data), title=title, width=230, height=28 * len(data))
        .mark_bar(height=16)
        .encode(
            x=alt.X("value:Q", axis=None),
            y=alt.Y("who:N", sort=order, axis=axis),
            color=alt.Color("color:N", scale=None),
        )
    )
    return bars + bars.mark_text(align="left", dx=4, fontSize=12).encode(text="text:N", color=alt.value(INK))


def _line(measured: Measurements, kind: str, field: str, unit: int, title: str, scale: str) -> Any:
    data = [
        {"jobs": int(step.split()[1]), "value": value / unit}
        for step in measured.find_steps("growth", f"{kind} ")
        if (value := measured.median(Runs("growth", step, METASTUDIO.name), field)) is not None
    ]
    axis = alt.Axis(title="jobs", format="~s", grid=False, values=[one["jobs"] for one in data])
    figure, ticks = alt.Scale(zero=True), alt.Axis(tickCount=4)
    if scale == "log":
        figure, ticks = alt.Scale(type="log", nice=True), alt.Axis(values=[0.1, 1, 10, 100, 1_000])
    return (
        alt.Chart(alt.Data(values=data), title=title, width=200, height=150)
        .mark_line(point={"color": PROJECT_COLOR, "size": 45}, color=PROJECT_COLOR)
        .encode(
            x=alt.X("jobs:Q", scale=alt.Scale(type="log"), axis=axis),
            y=alt.Y("value:Q", title=None, scale=figure, axis=ticks),
        )
    )


def _for_both_themes(svg: str) -> str:
    """Replace the fixed colors by variables that follow the color scheme of the reader."""
    light = "; ".join(f"--c{number}: {color}" for number, color in enumerate(DARK))
    dark = "; ".join(f"--c{number}: {color}" for number, color in enumerate(DARK.values()))
    for number, color in enumerate(DARK):
        svg = re.sub(rf'(fill|stroke)="{color}"', rf'style="\1: var(--c{number})"', svg, flags=re.IGNORECASE)
    style = f"<style>:root {{ {light} }} @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}</style>"
    return re.sub(r"(<svg[^>]*>)", lambda found: found.group(1) + style, svg, count=1)
