"""The server's clock: running or frozen, moved on by hand, and set off against the world's.

Promises one time for everything the server does; knows nothing of jobs or HTTP.
"""

from __future__ import annotations

import time
from datetime import datetime
from email.utils import formatdate

from .times import SECOND, Instant, make_datetime, make_us


class Clock:
    """The only clock of a simulated service.

    Attributes:
        frozen: whether only `advance` moves it.
        skew_seconds: how far the whole server is off: `now`, the `Date` header, the times that jobs get, token life and
            the judgement of `X-Sdk-Date` all move together.
        date_skew_seconds: how far the `Date` header alone is off, on top of `skew_seconds`.

    Args:
        now: where to stand still; None runs with the machine's time.
    """

    def __init__(self, now: Instant | None = None) -> None:
        self.frozen = now is not None
        self.skew_seconds = 0.0
        self.date_skew_seconds = 0.0
        self._at = 0 if now is None else make_us(now)
        self._advanced = 0
        self._date: tuple[int, str] = (-1, "")

    def now_us(self) -> int:
        """The server's time in microseconds since 1970 UTC."""
        base = self._at if self.frozen else time.time_ns() // 1000
        return base + self._advanced + round(self.skew_seconds * SECOND)

    def now(self) -> datetime:
        """The server's time, aware, in UTC."""
        return make_datetime(self.now_us())

    def advance(self, seconds: float) -> None:
        """Moves the server's time on; job life does not follow by itself, `Tenant.live` does both."""
        self._advanced += round(seconds * SECOND)

    def accepts_signature_of(self, signed_us: int, tolerance_seconds: float) -> bool:
        """Whether a signature's `X-Sdk-Date` is near enough to the server's clock.

        Clients sign with the world's time even where a test has frozen or advanced the server's, so either is accepted;
        `skew_seconds` sets both off.
        """
        world = time.time_ns() // 1000 + round(self.skew_seconds * SECOND)
        return min(abs(signed_us - world), abs(signed_us - self.now_us())) <= tolerance_seconds * SECOND

    def date_header(self) -> str:
        """The `Date` header, `Tue, 15 Nov 1994 08:12:31 GMT`."""
        second = (self.now_us() + round(self.date_skew_seconds * SECOND)) // SECOND
        if second != self._date[0]:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]
