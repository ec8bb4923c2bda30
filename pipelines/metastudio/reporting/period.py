"""The days that a report is about, in the time zone of the models."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from metastudio.errors import ConfigurationError

DEFAULT_DAYS = 30
"""Number of days that a report is about by default."""
SHOWN_DAYS = 7
"""Number of days in the tables by day if no period was chosen."""
MOST_SHOWN_DAYS = 31
"""The most days in the tables by day if a period was chosen."""
TREND_DAYS = 91
"""Days before the last week from which the charts by week begin: 14 weeks, as their titles say."""
_DAY = timedelta(days=1)
_EARLIEST = date(2000, 1, 1)
"""The default of the setting `start_date`: there are no earlier jobs."""


class Period(NamedTuple):
    """A range of days, both included.

    Attributes:
        today: the day of the last sync.
        is_chosen: whether somebody asked for these days.
    """

    since: date
    until: date
    today: date
    is_chosen: bool = False

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    def list_spans(self) -> list[tuple[date, date]]:
        """Return the ranges of days whose production is shown: the chosen one, or the last ones."""
        if self.is_chosen:
            return [(self.since, self.until)]
        return [(self.today - timedelta(days=days - 1), self.today) for days in (1, 7, DEFAULT_DAYS)]

    def make_literals(self, zone: ZoneInfo, *, every_day: bool) -> dict[str, str]:
        """Return the bounds that the queries name, as SQL literals.

        Args:
            every_day: whether the tables by day have all days of the period, as the charts have.
        """
        spans = self.list_spans()
        most = self.days if every_day else MOST_SHOWN_DAYS if self.is_chosen else SHOWN_DAYS
        week = self.until - timedelta(days=self.until.weekday())
        earliest = min(since - (until - since) - _DAY for since, until in spans)
        days = {
            "since": self.since,
            "until": self.until,
            "today": self.today,
            "week": week,
            "earliest": earliest,
            "days_since": self.until - timedelta(days=min(self.days, most) - 1),
            "trend_since": week - timedelta(days=TREND_DAYS),
            "spans_since": self.since if self.is_chosen else self.until - timedelta(days=400),
        }
        times = {"starts_at": self.since, "ends_at": self.until + _DAY}
        return {
            **{name: f"date '{day.isoformat()}'" for name, day in days.items()},
            **{name: make_time_literal(datetime.combine(day, time(), zone)) for name, day in times.items()},
            "periods": ", ".join(
                f"(date '{since.isoformat()}', date '{until.isoformat()}', {(until - since).days + 1})"
                for since, until in spans
            ),
        }


def make_time_literal(moment: datetime) -> str:
    """Return a time as an SQL literal."""
    return f"timestamp with time zone '{moment.astimezone(UTC).isoformat(sep=' ')}'"


def choose_period(today: date, since: date | None, until: date | None) -> Period:
    """Return the days to report on: by default the last 30, which end today.

    Raises:
        ConfigurationError: the period ends before it begins.
    """
    last = min(until, today) if until else today
    first = max(since, _EARLIEST) if since else last - timedelta(days=DEFAULT_DAYS - 1)
    if since and until and until < since:
        raise ConfigurationError(
            "The period ends before it begins.", hint="Give --until a day that is not before --since."
        )
    if first > last:
        raise ConfigurationError(
            f"The period begins after the last sync, which was on {today.isoformat()}.",
            hint="Give --since an earlier day, or run metastudio sync first.",
        )
    return Period(first, last, today, is_chosen=bool(since or until))


def parse_day(text: str | None, name: str) -> date | None:
    """Read a day that a person gave.

    Raises:
        ConfigurationError: the text is not a day.
    """
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ConfigurationError(f"{name} is not a valid day.", hint="Write it as 2026-01-31.") from None
