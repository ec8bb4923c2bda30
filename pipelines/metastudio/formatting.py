"""Figures as people read them: with thousands separators and units."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any


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
    return str(value) if isinstance(value, (str, date)) else f"{float(value):,.1f}"


def format_seconds(seconds: Any) -> str:
    """Return a length of time with the unit that suits it."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
