"""How often and how long one request is tried again, and the clocks that this is measured by.

Promises a bound in tries and in seconds. Knows no reason why a request failed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

BACKOFF_SECONDS = 0.5
BACKOFF_CAP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Every clock, sleep and die that a client uses; the governor has a clock of its own."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


@dataclass(slots=True)
class Patience:
    """How often and how long one request is tried again: exponential backoff with full jitter, bounded in tries and seconds."""

    max_tries: int
    retry_seconds: float
    timing: Timing
    tries: int = 0
    started_at: float = field(init=False)
    _is_begun: bool = False

    def __post_init__(self) -> None:
        self.started_at = self.timing.monotonic()

    def elapsed(self) -> float:
        """Seconds since the first try began."""
        return self.timing.monotonic() - self.started_at

    def remaining(self) -> float:
        """Seconds until the last try has to end."""
        return self.retry_seconds - self.elapsed()

    def bound(self, timeout_seconds: float) -> float:
        """The time-out of the next try: what remains is enough for all but the first."""
        is_first, self._is_begun = not self._is_begun, True
        return timeout_seconds if is_first else min(timeout_seconds, max(self.remaining(), 0.001))

    def plan_retry(self, at_least_seconds: float = 0.0) -> float | None:
        """Seconds to sleep before the next try, after one more failure; None when it is time to give up."""
        self.tries += 1
        if self.tries >= self.max_tries:
            return None
        cap = min(BACKOFF_CAP_SECONDS, BACKOFF_SECONDS * 2.0 ** (self.tries - 1))
        delay = max(at_least_seconds, self.timing.uniform(0.0, cap))
        return delay if delay < self.remaining() else None
