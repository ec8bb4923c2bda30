"""Decides when requests may be sent: one rate limiter paces all requests of a tenant in a region.

If the pace is within the quota, a server that counts requests over a sliding second never counts
too many, even if timers and connections are late. A 429 halves the pace. This module does not know
HTTP: the sender reports a refusal.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from types import TracebackType

from metastudio.api.retry import HOLD_SECONDS
from metastudio.errors import ConfigurationError

USED_SHARE = 0.98  # share of the pace that is used; the rest absorbs network jitter
CATCH_UP_SECONDS = 0.25  # at most this much lost time is made up for, at twice the pace
RECOVERY_SECONDS = 10.0  # to recover from zero to the full pace, away from the ceiling
PROBE_SECONDS = 60.0  # to grow from 95 % to 105 % of the ceiling that a 429 showed
LOWEST_SHARE = 1 / 32
USUAL_GROWTH, USUAL_DECAY = 1.01, 0.995  # factors of the usual latency after a slower and a faster answer
CONNECT_SECONDS = 0.005  # after a connection that took longer, the permit is acquired again


class RateController:
    """Decides when the next request may be sent. It is pure; times are seconds of any clock.

    Three bounds apply: a schedule at 98 % of the pace, which makes up for only a little lost time;
    at least half an interval between two requests; and no more requests in a window than the pace
    allows, counted from when they were sent. After a 429 the pace grows at a constant rate, but
    slowly near the ceiling that the 429 showed.
    """

    def __init__(self, requests_per_second: float) -> None:
        self.setting = requests_per_second
        self.pace = requests_per_second
        self._sent: list[float] = []
        self._last_at = -math.inf
        self._due_at = -math.inf
        self._hold_until = -math.inf
        self._throttled_at = -math.inf
        self._grown_at = -math.inf
        self._ceiling = math.inf
        self._usual_seconds = 0.0

    def next_at(self, now: float) -> float:
        """Return when the next request may be sent: at once if that is not after `now`."""
        self._grow(now)
        interval = 1.0 / (USED_SHARE * self.pace)
        count = math.ceil(self.pace - 1e-9)
        window_at = self._sent[-count] + count * interval if len(self._sent) >= count else -math.inf
        return max(self._hold_until, self._due_at - CATCH_UP_SECONDS, self._last_at + interval / 2, window_at)

    def record_sent(self, now: float) -> float:
        """Record a request as sent now, and return the time that identifies it."""
        self._last_at = now
        self._due_at = max(self._due_at, now) + 1.0 / (USED_SHARE * self.pace)
        insort(self._sent, now)
        del self._sent[: -2 * math.ceil(self.setting)]
        return now

    def forget(self, sent_at: float) -> None:
        """Forget a request that was not sent after all."""
        index = bisect_left(self._sent, sent_at)
        if index < len(self._sent) and self._sent[index] == sent_at:
            del self._sent[index]

    def record_answer(self, sent_at: float, now: float) -> None:
        """Learn from an answer.

        A request that took longer than usual may have reached the server late, so it counts as sent
        later.
        """
        took = now - sent_at
        usual = self._usual_seconds or took
        if took > usual:
            self.forget(sent_at)
            insort(self._sent, now - usual)
        self._usual_seconds = usual * (USUAL_GROWTH if took > usual else USUAL_DECAY)

    def throttle(self, now: float, hold_seconds: float, sent_at: float) -> None:
        """Hold all requests, and halve the pace once for all refusals of one burst."""
        self._hold_until = max(self._hold_until, now + hold_seconds)
        self._grow(now)
        if sent_at > self._throttled_at:
            accepted = bisect_left(self._sent, sent_at) - bisect_right(self._sent, sent_at - 1.0)
            self._ceiling = min(max(float(accepted), self.pace / 2), self.pace)
            self.pace = max(self.pace / 2, self.setting * LOWEST_SHARE)
            self._throttled_at = now
        self._grown_at = self._due_at = self._hold_until

    def _grow(self, now: float) -> None:
        seconds = now - self._grown_at
        if seconds <= 0 or self.pace >= self.setting:
            return
        self._grown_at = now
        fast, slow = self.setting / RECOVERY_SECONDS, 0.1 * self._ceiling / PROBE_SECONDS
        for limit, slope in ((0.95 * self._ceiling, fast), (1.05 * self._ceiling, slow), (self.setting, fast)):
            if self.pace < limit and seconds > 0:
                step = min(limit - self.pace, slope * seconds)
                self.pace += step
                seconds -= step / slope
        self.pace = min(self.pace, self.setting)


class _Queue:
    """The requests that wait in one event loop. Retries go ahead of first attempts."""

    def __init__(self, max_concurrency: int) -> None:
        self.beginners = asyncio.Lock()
        self.concurrency = asyncio.Semaphore(max_concurrency)
        self.head = asyncio.Lock()


class RateLimiter:
    """Paces all requests of a tenant in a region, from all clients, event loops and threads.

    Args:
        requests_per_second: the region's quota, or what the user allows.
        max_concurrency: the maximum number of requests in flight, in each event loop.

    Raises:
        ConfigurationError: a number is zero or negative.
    """

    def __init__(
        self, requests_per_second: float, max_concurrency: int = 16, clock: Callable[[], float] = time.monotonic
    ) -> None:
        _check(requests_per_second, max_concurrency)
        self._clock = clock
        self._lock = threading.Lock()
        self._queues: dict[asyncio.AbstractEventLoop, _Queue] = {}
        self._max_concurrency = max_concurrency
        self._controller = RateController(requests_per_second)

    def configure(self, requests_per_second: float, max_concurrency: int) -> None:
        """Set another pace. A new concurrency applies from the next event loop on."""
        _check(requests_per_second, max_concurrency)
        with self._lock:
            self._max_concurrency = max_concurrency
            if self._controller.setting != requests_per_second:
                self._controller = RateController(requests_per_second)

    @property
    def pace(self) -> float:
        """Return the maximum number of requests per second at present."""
        return self._controller.pace

    def acquire(self, urgent: bool = False) -> Permit:
        """Return the permit to send one request: an async context manager that waits for its turn.

        Args:
            urgent: whether the request goes ahead of first attempts.
        """
        return Permit(self, urgent)

    def throttle(self, retry_after_seconds: float | None, sent_at: float) -> None:
        """Slow down after a 429.

        Args:
            retry_after_seconds: the pause that the API asked for, if it did.
            sent_at: the refused permit's `sent_at`, so that several refusals of one burst halve the
                pace once.
        """
        with self._lock:
            now = self._clock()
            hold = HOLD_SECONDS if retry_after_seconds is None else max(0.0, retry_after_seconds)
            self._controller.throttle(now, hold, sent_at)

    def _find_queue(self) -> _Queue:
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._queues:
                self._queues = {old: queue for old, queue in self._queues.items() if not old.is_closed()}
                self._queues[loop] = _Queue(self._max_concurrency)
            return self._queues[loop]

    async def _wait_for_turn(self, queue: _Queue) -> float:
        async with queue.head:
            while True:
                with self._lock:
                    now = self._clock()
                    wait = self._controller.next_at(now) - now
                    if wait <= 1e-6:
                        return self._controller.record_sent(now)
                await asyncio.sleep(wait)


def _check(requests_per_second: float, max_concurrency: int) -> None:
    if not (math.isfinite(requests_per_second) and requests_per_second > 0 and max_concurrency >= 1):
        raise ConfigurationError("requests_per_second must be above 0, and max_concurrency at least 1.")


class Permit:
    """The permit to send one request. `sent_at` is the limiter's time at which it was granted."""

    __slots__ = ("_limiter", "_queue", "_urgent", "sent_at")

    def __init__(self, limiter: RateLimiter, urgent: bool) -> None:
        self._limiter = limiter
        self._urgent = urgent
        self.sent_at = -math.inf

    async def __aenter__(self) -> Permit:
        self._queue = queue = self._limiter._find_queue()
        if self._urgent:
            await self._enter(queue)
        else:
            async with queue.beginners:
                await self._enter(queue)
        return self

    async def _enter(self, queue: _Queue) -> None:
        await queue.concurrency.acquire()
        try:
            self.sent_at = await self._limiter._wait_for_turn(queue)
        except BaseException:
            queue.concurrency.release()
            raise

    async def refresh(self) -> None:
        """Acquire the permit again if connecting took longer than CONNECT_SECONDS."""
        limiter = self._limiter
        if limiter._clock() - self.sent_at > CONNECT_SECONDS:
            with limiter._lock:
                limiter._controller.forget(self.sent_at)
            self.sent_at = await limiter._wait_for_turn(self._queue)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.concurrency.release()
        with self._limiter._lock:
            self._limiter._controller.record_answer(self.sent_at, self._limiter._clock())


_RATE_LIMITERS: dict[tuple[str, str], RateLimiter] = {}
_RATE_LIMITERS_LOCK = threading.Lock()


def find_rate_limiter(key: tuple[str, str], requests_per_second: float, max_concurrency: int = 16) -> RateLimiter:
    """Return this process's only rate limiter for a tenant in a region, set to the given pace.

    Args:
        key: the base URL and the project_id.
    """
    with _RATE_LIMITERS_LOCK:
        limiter = _RATE_LIMITERS.get(key)
        if limiter is None:
            limiter = _RATE_LIMITERS[key] = RateLimiter(requests_per_second, max_concurrency)
        else:
            limiter.configure(requests_per_second, max_concurrency)
        return limiter
