"""The languages of the report: its words, and how figures and times are written in them.

The code has the English words. Those of the other languages are in the catalogs below `locale`,
which `make translations` compiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from gettext import NullTranslations, translation
from pathlib import Path
from typing import Any

from metastudio.formatting import format_figure, format_seconds, make_printable

LANGUAGES = {"en": "en", "zh": "zh-Hans"}
"""The languages, and their names in HTML."""

_LOCALE = Path(__file__).parent / "locale"


def N_(message: str) -> str:
    """Return a message unchanged. The name marks it for extraction; it is translated elsewhere."""
    return message


WORDS = (
    *(N_("WAITING"), N_("PROCESSING"), N_("SUCCEED"), N_("FAILED"), N_("CANCELED"), N_("BLOCK"), N_("UNKNOWN")),
    *(N_("under 10 minutes"), N_("10 to 60 minutes"), N_("1 to 6 hours"), N_("6 to 24 hours"), N_("1 to 7 days")),
    *(N_("over 7 days"), N_("others")),
)
"""Words that the models put into the report: states, ages, and other error codes."""


class Language:
    """A language of the report.

    Methods that begin with `format_` write a figure of any type; None becomes "-".
    """

    def __init__(self, name: str, translations: NullTranslations) -> None:
        self.tag = LANGUAGES[name]
        self._translations = translations

    def gettext(self, message: str, **values: Any) -> str:
        """Return a message with the values that it names."""
        return self._translations.gettext(message).format(**values)

    def ngettext(self, one: str, many: str, number: int, **values: Any) -> str:
        """Return the singular or plural of a message, with the number and other values."""
        return self._translations.ngettext(one, many, int(number)).format(number=int(number), **values)

    def list_items(self, items: Iterable[str]) -> str:
        """Return items as one text, with the separator of the language."""
        return self.gettext(", ").join(items)

    def format_figure(self, value: Any) -> str:
        """Return a figure, a day or a text."""
        return format_figure(value)

    def format_word(self, word: Any) -> str:
        """Return the translation of a word of the models or the API, or an unknown word itself."""
        return make_printable(self._translations.gettext(str(word))) if word else format_figure(word)

    def format_integer(self, number: Any) -> str:
        """Return a whole number; SQL gives some sums as decimals."""
        return format_figure(None if number is None else int(number))

    def format_minutes(self, minutes: Any) -> str:
        """Return minutes of video; from a thousand on, without decimals."""
        is_long = minutes is not None and round(minutes, 1) >= 1000
        return self.format_integer(round(minutes)) if is_long else format_figure(minutes)

    def format_seconds(self, seconds: Any) -> str:
        """Return a length of time in a suitable unit."""
        return format_seconds(seconds, self._translations.gettext)

    def format_share(self, share: Any) -> str:
        """Return a share as a percentage."""
        return "-" if share is None else self.gettext("{percent:.1f} %", percent=100 * float(share))

    def format_change(self, change: Any) -> str:
        """Return the change of a share in percentage points."""
        if change is None:
            return "-"
        points = round(100 * float(change), 1)
        sign = "▲" if points > 0 else "▼" if points < 0 else "="
        return self.gettext("{sign} {points:.1f} pp", sign=sign, points=abs(points))

    def format_growth(self, growth: Any) -> str:
        """Return the growth of a figure as a percentage with its sign."""
        return "-" if growth is None else self.gettext("{percent:+.0f} %", percent=round(100 * float(growth)))

    def format_second(self, time: datetime) -> str:
        """Return a time to the second for a sentence, in the zone that it is in."""
        return self.gettext("{day} {time}", day=self.format_day(time), time=time.strftime("%H:%M:%S"))

    def format_minute(self, time: datetime | None) -> str:
        """Return a time to the minute for a table, in the zone that it is in."""
        return "-" if time is None else time.strftime("%Y-%m-%d %H:%M")

    def format_date(self, time: datetime | None) -> str:
        """Return the day of a time for a table, in the zone that it is in."""
        return self.format_minute(time)[:10]

    def format_day(self, day: date) -> str:
        """Return a day for a sentence."""
        return self.gettext("{year}-{month:02}-{day:02}", year=day.year, month=day.month, day=day.day)

    def format_hour(self, hour: Any) -> str:
        """Return an hour of the day."""
        return f"{int(hour):02}:00"

    def format_month(self, day: date) -> str:
        """Return the month of a day."""
        return self.gettext("{year}-{month:02}", year=day.year, month=day.month)

    def format_job_type(self, job_type: Any) -> str:
        """Return a job type, with short names for the vendor's."""
        short = {"2D_DIGITAL_HUMAN_VIDEO": N_("2D"), "PHOTO_DIGITAL_HUMAN_VIDEO": N_("photo")}
        return self.format_word(short.get(str(job_type), str(job_type)))


ENGLISH = Language("en", NullTranslations())


@cache
def load_language(name: str) -> Language:
    """Return one of `LANGUAGES`."""
    return ENGLISH if name == "en" else Language(name, translation("metastudio", str(_LOCALE), [name]))


def find_language(environment: Mapping[str, str]) -> str:
    """Return the language of the locale, as gettext finds it; English if there is no such report.

    Args:
        environment: the environment variables.
    """
    locale = next(filter(None, (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "C")
    if locale.partition(".")[0] in ("C", "POSIX"):
        return "en"
    wanted = (environment.get("LANGUAGE") or locale).replace("-", "_").split(":")
    names = (name.partition(".")[0].partition("@")[0].partition("_")[0].lower() for name in wanted)
    return next((name for name in names if name in LANGUAGES), "en")
