"""Formats figures and texts for people: with separators and units, without control characters."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

_SPACES = re.compile(r"[\t\n\r\f\v\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def make_printable(text: str) -> str:
    """Return a foreign text on one line, without characters that a terminal treats as commands.

    Control characters, characters that change the writing direction, and lone surrogates become
    visible, for example `\\x1b[31m`.
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
    """Return a length of time in a suitable unit, chosen after rounding: never "60.0 min".

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
