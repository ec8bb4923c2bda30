"""Converts instants, which are whole microseconds since 1970 UTC: exact, and cheap to compare.

The module knows the format that the API reads, those that rows may show, and the finer ones that
Python callers may use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 86_400 * SECOND
END_OF_TIME: Final = 253_402_300_800 * SECOND

Instant = datetime | str | float

_SHOWN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_BEIJING = timezone(timedelta(hours=8))


def show_time(us: int) -> str:
    """Return the time as the API writes it: RFC 3339 in UTC, truncated to the second."""
    return datetime.fromtimestamp(us // SECOND, UTC).isoformat()[:19] + "Z"


def _show_beijing_time(us: int) -> str:
    try:
        return datetime.fromtimestamp(us // SECOND, _BEIJING).isoformat()
    except (ValueError, OverflowError):  # the last hours of the year 9999
        return show_time(us)


TIME_FORMATS: Final[dict[str, Callable[[int], str]]] = {
    "utc": show_time,
    "offset": _show_beijing_time,
    "compact_offset": lambda us: _show_beijing_time(us).replace("+08:00", "+0800"),
    "milliseconds": lambda us: f"{show_time(us)[:-1]}.{us % SECOND // 1000:03}Z",
    "blank": lambda us: show_time(us).replace("T", " "),
    "no_seconds": lambda us: show_time(us)[:16] + "Z",
}
"""The formats of a time that rows may show."""


def read_shown_time(text: str) -> int:
    """Return the microseconds of a time written as the API wants it, `2021-01-10T08:43:17Z`.

    Raises:
        ValueError: the text has another form, or the time does not exist.
    """
    if not _SHOWN.fullmatch(text):
        raise ValueError("not a time of the form 2021-01-10T08:43:17Z")
    return make_us(text)


def make_us(instant: Instant) -> int:
    """Return the microseconds of an aware datetime, an RFC 3339 text or seconds since 1970.

    Raises:
        ValueError: the text is not a time, or the time has no zone.
    """
    if isinstance(instant, int | float):
        return round(instant * SECOND)
    moment = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone, for example a Z at its end")
    gone = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (gone.days * 86_400 + gone.seconds) * SECOND + gone.microseconds


def make_datetime(us: int) -> datetime:
    """Return the exact instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(us // SECOND, UTC).replace(microsecond=us % SECOND)
