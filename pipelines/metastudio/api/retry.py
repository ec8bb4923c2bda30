"""The only retry loop, for the jobs API and IAM: what is retried, how often, and for how long.

A failed attempt raises an `AttemptError`, whose subclass says what helps. This module knows no HTTP
and no credentials.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from metastudio.errors import MetaStudioError, UnavailableError

BACKOFF_SECONDS = 0.5
BACKOFF_CAP_SECONDS = 10.0
HOLD_SECONDS = 1.0  # after a 429 without Retry-After: the window of the quota
RETRY_HINT = "Nothing is lost: run again later, and the next run continues."
LEAST_TIMEOUT_SECONDS = 1.0  # for the last attempt, even if less time remains

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Clock:
    """The source of a client's times and random numbers. The rate limiter has its own clock."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


@dataclass(slots=True)
class RequestCounters:
    """Counts the requests sent, retried and throttled, and adds them to `total`, too."""

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    total: RequestCounters | None = field(default=None, repr=False)

    def add(self, requests: int = 0, retries: int = 0, throttled: int = 0) -> None:
        """Add to these counters and to their total."""
        self.requests += requests
        self.retries += retries
        self.throttled += throttled
        if self.total is not None:
            self.total.add(requests, retries, throttled)


@dataclass(eq=False, slots=True)
class AttemptError(Exception):
    """A failed attempt. The subclass says what helps.

    Args:
        reason: completes "<host> …".
        error_type: the error to raise if nothing helps.
        status: the status of the HTTP answer; None if there was no answer.
        server_time: the Date of the answer.
    """

    reason: str
    error_type: type[MetaStudioError] = UnavailableError
    hint: str = ""
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after_seconds: float | None = None
    server_time: datetime | None = None

    def make_error(self, message: str) -> MetaStudioError:
        """Return the error to raise."""
        hint = f"{self.hint} {RETRY_HINT}".strip() if self.error_type is UnavailableError else self.hint
        return self.error_type(message, hint=hint, code=self.code, request_id=self.request_id, status=self.status)


class RetryableError(AttemptError):
    """The same request may succeed a little later."""


class ThrottledError(AttemptError):
    """The request succeeds at a slower pace."""


class UnauthenticatedError(AttemptError):
    """The request may succeed with a new token or signature."""


class FatalError(AttemptError):
    """Nothing helps."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long one request is retried.

    Args:
        timeout_seconds: bounds each attempt, from the connection to the last byte.
        retry_seconds: bounds all attempts, from the start of the first one.
        max_attempts: the maximum number of attempts. Throttled and unauthenticated ones do not
            count.
    """

    timeout_seconds: float = 30.0
    retry_seconds: float = 120.0
    max_attempts: int | None = None
    clock: Clock = field(default_factory=Clock)


@dataclass(slots=True)
class Attempts:
    """The attempts of one request so far."""

    policy: RetryPolicy
    counters: RequestCounters = field(default_factory=RequestCounters)
    failed: int = 0
    has_renewed: bool = False
    started_at: float | None = None

    @property
    def elapsed(self) -> float:
        """Return the seconds since the first attempt started."""
        return 0.0 if self.started_at is None else self.policy.clock.monotonic() - self.started_at

    @property
    def remaining(self) -> float:
        """Return the seconds until the last attempt has to end."""
        return self.policy.retry_seconds - self.elapsed

    def start(self) -> float:
        """Count an attempt that is about to be sent, and return its time-out in seconds."""
        self.counters.add(requests=1)
        timeout = self.policy.timeout_seconds
        if self.started_at is None:
            self.started_at = self.policy.clock.monotonic()
            return timeout
        return min(timeout, max(self.remaining, LEAST_TIMEOUT_SECONDS))

    def next_delay(self, failure: AttemptError) -> float | None:
        """Return the seconds to sleep before the next attempt, or None to give up.

        Retryable failures back off exponentially with full jitter; authentication is renewed once.
        """
        match failure:
            case RetryableError():
                self.failed += 1
                if self.failed == self.policy.max_attempts:
                    return None
                cap = min(BACKOFF_CAP_SECONDS, BACKOFF_SECONDS * 2.0 ** min(self.failed - 1, 10))
                jitter = min(self.policy.clock.uniform(0.0, cap), max(self.remaining, 0.0))
                delay = max(failure.retry_after_seconds or 0.0, jitter)
                return delay if delay <= self.remaining and self.remaining > 0 else None
            case ThrottledError():
                hold = HOLD_SECONDS if failure.retry_after_seconds is None else failure.retry_after_seconds
                return hold if hold < self.remaining else None
            case UnauthenticatedError() if not self.has_renewed:
                self.has_renewed = True
                return 0.0
        return None

    def describe(self, failure: AttemptError) -> str:
        """Describe how often and how long the request was tried, if it was retried."""
        if failure.error_type is not UnavailableError or self.counters.requests < 2:
            return ""
        return f", after {self.counters.requests} attempts in {self.elapsed:.0f} s"


class Operation(Protocol[T_co]):
    """One request to the jobs API or to IAM, as the retry loop needs it.

    `subject` begins the sentence of an error, for example "IAM at iam.example.com"; `question` ends
    it.
    """

    @property
    def subject(self) -> str: ...

    @property
    def question(self) -> str: ...

    async def attempt(self, attempts: Attempts) -> T_co:
        """Send the request once.

        Raises:
            AttemptError: it failed.
        """

    def on_failure(self, failure: AttemptError) -> None:
        """Learn from a failed attempt, before the next attempt or the end."""


async def send_with_retries(operation: Operation[T_co], attempts: Attempts) -> T_co:
    """Attempt an operation until it succeeds, nothing helps or the policy's bounds are reached.

    Raises:
        MetaStudioError: the error type of the last failure. That failure is not its context,
            because it could contain a request.
    """
    while True:
        try:
            return await operation.attempt(attempts)
        except AttemptError as error:
            failure = error
        operation.on_failure(failure)
        is_throttled = isinstance(failure, ThrottledError)
        attempts.counters.add(throttled=is_throttled)
        delay = attempts.next_delay(failure)
        if delay is None:
            tried = attempts.describe(failure)
            raise failure.make_error(f"{operation.subject} {failure.reason}{tried}{operation.question}.")
        if delay:
            await attempts.policy.clock.sleep(delay)
        attempts.counters.add(retries=not is_throttled)
