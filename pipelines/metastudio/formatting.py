"""Figures and texts as people read them: with thousands separators and units, without controls."""

from __future__ import annotations

import re
from collections.abc import Callable
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


def format_seconds(seconds: Any, gettext: Callable[[str], str] = str) -> str:
    """Return a length of time in the unit that suits it, after rounding: never "60.0 min".

    Args:
        gettext: translates a format.
    """
    if seconds is None:
        return "-"
    if round(seconds) < 120:
        return gettext("{:.0f} s").format(seconds)
    if round(seconds / 60, 1) < 60:
        return gettext("{:.1f} min").format(seconds / 60)
    if round(seconds / 3600, 1) < 24:
        return gettext("{:.1f} h").format(seconds / 3600)
    return gettext("{:.1f} days").format(seconds / 86_400)
