"""Figures and texts as people read them: with thousands separators and units, without controls."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

_SPACES = re.compile(r"[\t\n\r\f\v\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def make_printable(text: str) -> str:
    """Return a text of somebody else's on one line, without what a terminal takes for commands.

    Control characters, those that turn the direction of writing, and halves of characters become
    visible, as in `\\x1b[31m`.
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], _SPACES.sub(" ", text))


def format_count(number: int, noun: str) -> str:
    """Return a number of things: "1 row", "2,000 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_figure(value: Any) -> str:
    """Return a figure of any type; None becomes "-"."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, int):
        return f"{value:,}"
    return make_printable(str(value)) if isinstance(value, (str, date)) else f"{float(value):,.1f}"


def format_seconds(seconds: Any) -> str:
    """Return a length of time with the unit that suits it."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def format_integer(number: Any) -> str:
    """Return a whole number; SQL gives some sums as decimals."""
    return format_figure(None if number is None else int(number))


def format_share(share: Any) -> str:
    """Return a share as a percentage."""
    return "-" if share is None else f"{100 * float(share):.1f} %"


def format_change(change: Any) -> str:
    """Return the change of a share in percentage points."""
    if change is None:
        return "-"
    points = round(100 * float(change), 1)
    return f"{'▲' if points > 0 else '▼' if points < 0 else '='} {abs(points):.1f} pp"


def format_growth(growth: Any) -> str:
    """Return the growth of a figure as a percentage with its sign."""
    return "-" if growth is None else f"{100 * float(growth):+.0f} %"


def format_minute(time: datetime | None) -> str:
    """Return a time to the minute, in the zone that it is in."""
    return "-" if time is None else time.strftime("%Y-%m-%d %H:%M")


def format_date(time: datetime | None) -> str:
    """Return the day of a time, in the zone that it is in."""
    return format_minute(time)[:10]


def format_hour(hour: Any) -> str:
    """Return an hour of the day."""
    return f"{int(hour):02}:00"


def format_month(day: date) -> str:
    """Return the month of a day."""
    return day.strftime("%Y-%m")


def format_job_type(job_type: Any) -> str:
    """Return a job type, with short names for the vendor's."""
    short = {"2D_DIGITAL_HUMAN_VIDEO": "2D", "PHOTO_DIGITAL_HUMAN_VIDEO": "photo"}
    return short.get(str(job_type)) or make_printable(str(job_type))
