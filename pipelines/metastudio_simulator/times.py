"""Instants as whole microseconds since 1970 UTC: kept finer than the API shows them, and cheap to compare and sort.

Knows the two spellings of a time: the API's, to the second (`api/facts.md`), and the finer one that Python callers may
give.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

SECOND = 1_000_000
DAY = 86_400 * SECOND
END_OF_TIME = 253_402_300_800 * SECOND

Instant = datetime | str | float

_SHOWN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def show_time(us: int) -> str:
    """The time as the API writes it: RFC 3339 UTC, cut off at the second."""
    return datetime.fromtimestamp(us // SECOND, UTC).isoformat()[:19] + "Z"


def read_shown_time(text: str) -> int:
    """The microseconds of a time written as the API wants it, `2021-01-10T08:43:17Z`.

    Raises:
        ValueError: any other spelling, and times that do not exist.
    """
    if not _SHOWN.fullmatch(text):
        raise ValueError("not a time of the form 2021-01-10T08:43:17Z")
    return make_us(text)


def make_us(instant: Instant) -> int:
    """The microseconds of an aware datetime, an RFC 3339 text (fractions welcome) or seconds since 1970.

    Raises:
        ValueError: a text that is no time, or a time without a zone.
    """
    if isinstance(instant, int | float):
        return round(instant * SECOND)
    moment = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone, for example a Z at its end")
    gone = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (gone.days * 86_400 + gone.seconds) * SECOND + gone.microseconds


def make_datetime(us: int) -> datetime:
    """The exact instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(us // SECOND, UTC).replace(microsecond=us % SECOND)
