"""The server's clock: running or frozen, advanced by hand, and ahead of or behind the world's.

It is the only time for everything that the server does. It knows no jobs and no HTTP.
"""

from __future__ import annotations

import time
from datetime import datetime
from email.utils import formatdate

from metastudio_simulator.timestamps import SECOND, Instant, make_datetime, make_us


class Clock:
    """The only clock of a simulated service.

    Attributes:
        frozen: whether only `advance` moves it.
        skew_seconds: how far the whole server is off: `now`, the `Date` header, the times of jobs,
            the life of tokens and the check of `X-Sdk-Date` all move together.

    Args:
        now: the time at which to stand still; None runs with the machine's time.
    """

    def __init__(self, now: Instant | None = None) -> None:
        self.frozen = now is not None
        self.skew_seconds = 0.0
        self._at = 0 if now is None else make_us(now)
        self._advanced = 0
        self._date: tuple[int, str] = (-1, "")

    def now_us(self) -> int:
        """Return the server's time in microseconds since 1970 UTC."""
        base = self._at if self.frozen else time.time_ns() // 1000
        return base + self._advanced + round(self.skew_seconds * SECOND)

    def now(self) -> datetime:
        """Return the server's time, aware, in UTC."""
        return make_datetime(self.now_us())

    def advance(self, seconds: float) -> None:
        """Advance the server's time. Jobs do not progress with it: `Tenant.live` does both."""
        self._advanced += round(seconds * SECOND)

    def accepts_signature_of(self, signed_us: int, tolerance_seconds: float) -> bool:
        """Return whether a signature's `X-Sdk-Date` is near enough to the server's clock.

        Clients sign with the real time even if a test froze or advanced the server's, so either is
        accepted. `skew_seconds` moves both.
        """
        world = time.time_ns() // 1000 + round(self.skew_seconds * SECOND)
        return min(abs(signed_us - world), abs(signed_us - self.now_us())) <= tolerance_seconds * SECOND

    def date_header(self, skew_seconds: float = 0.0) -> str:
        """Return the `Date` header, `Tue, 15 Nov 1994 08:12:31 GMT`, off by some seconds."""
        second = (self.now_us() + round(skew_seconds * SECOND)) // SECOND
        if second != self._date[0]:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]
