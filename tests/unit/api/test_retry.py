"""The retry loop, with a clock that moves only when it sleeps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from metastudio.api.retry import (
    AttemptError,
    Attempts,
    Clock,
    FatalError,
    RequestCounters,
    RetryableError,
    RetryPolicy,
    ThrottledError,
    UnauthenticatedError,
    send_with_retries,
)
from metastudio.errors import ConfigurationError, CredentialsError, MetaStudioError, RefusedError, UnavailableError

from tests.support.loopback import FakeClock


class Operation:
    """An operation that fails with the given failures, then answers."""

    subject, question = "h", ", asked for x"

    def __init__(self, *failures: AttemptError) -> None:
        self.failures = list(failures)
        self.timeouts: list[float] = []
        self.learned: list[AttemptError] = []

    async def attempt(self, attempts: Attempts) -> str:
        self.timeouts.append(attempts.start())
        if self.failures:
            raise self.failures.pop(0)
        return "answer"

    def on_failure(self, failure: AttemptError) -> None:
        self.learned.append(failure)


def run(operation: Operation, clock: FakeClock | None = None, **policy: Any) -> tuple[Any, RequestCounters]:
    """Run an operation, and return its answer or error, and what was counted."""
    attempts = Attempts(RetryPolicy(clock=(clock or FakeClock()).clock, **policy))
    try:
        return asyncio.run(send_with_retries(operation, attempts)), attempts.counters
    except MetaStudioError as error:
        return error, attempts.counters


def test_backoff_is_full_jitter_between_nothing_and_a_doubling_cap() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high / 2

    attempts = Attempts(RetryPolicy(retry_seconds=1000, clock=Clock(uniform=uniform)))
    delays = [attempts.next_delay(RetryableError("x")) for _ in range(8)]
    assert asked == [(0, 0.5), (0, 1), (0, 2), (0, 4), (0, 8), (0, 10), (0, 10), (0, 10)]
    assert delays == [0.25, 0.5, 1, 2, 4, 5, 5, 5]


def test_a_failure_is_retried_for_all_of_the_seconds_allowed() -> None:
    clock = FakeClock()
    error, counters = run(Operation(*[RetryableError("fails")] * 99), clock, retry_seconds=30)
    assert type(error) is UnavailableError
    assert clock.naps == [0.5, 1, 2, 4, 8, 10, 4.5]
    assert error.message == "h fails, after 8 attempts in 30 s, asked for x."
    assert (counters.requests, counters.retries) == (8, 7)


def test_many_failures_in_no_time_are_retried_as_long_as_few() -> None:
    class Hasty(FakeClock):
        async def sleep(self, seconds: float) -> None:
            self.now += 0.01

    answer, counters = run(Operation(*[RetryableError("fails")] * 2_000), Hasty(), retry_seconds=30)
    assert (answer, counters.requests) == ("answer", 2_001)


def test_the_last_attempt_has_the_time_that_remains_and_at_least_a_second() -> None:
    operation = Operation(*[RetryableError("fails")] * 99)
    run(operation, timeout_seconds=20, retry_seconds=30)
    assert operation.timeouts == [20, 20, 20, 20, 20, 14.5, 4.5, 1]
    operation = Operation(RetryableError("fails"))
    run(operation, timeout_seconds=2, retry_seconds=30)
    assert operation.timeouts == [2, 2]


@pytest.mark.parametrize(("retry_after", "naps"), [(7, [7]), (0.1, [0.5]), (31, [])])
def test_a_failure_is_retried_not_before_its_retry_after(retry_after: float, naps: list[float]) -> None:
    clock = FakeClock()
    run(Operation(RetryableError("fails", retry_after_seconds=retry_after)), clock, retry_seconds=30)
    assert clock.naps == naps


def test_throttling_waits_and_does_not_count_as_an_attempt() -> None:
    clock = FakeClock()
    failures = [ThrottledError("x"), ThrottledError("x", retry_after_seconds=3), RetryableError("x")]
    answer, counters = run(Operation(*failures), clock, max_attempts=2)
    assert answer == "answer"
    assert clock.naps == [1, 3, 0.5]
    assert counters == RequestCounters(requests=4, retries=1, throttled=2)


def test_throttling_that_lasts_ends_with_the_seconds_allowed() -> None:
    error, counters = run(Operation(*[ThrottledError("answered 429", status=429)] * 99), retry_seconds=10)
    assert (type(error), error.status) == (UnavailableError, 429)
    assert counters.requests == counters.throttled == 10


def test_authentication_is_renewed_once_and_at_once() -> None:
    clock = FakeClock()
    answer, counters = run(Operation(UnauthenticatedError("x", CredentialsError)), clock)
    assert (answer, clock.naps, counters.retries) == ("answer", [], 1)
    operation = Operation(
        UnauthenticatedError("x", CredentialsError), RetryableError("y"), UnauthenticatedError("z", CredentialsError)
    )
    error, counters = run(operation)
    assert type(error) is CredentialsError
    assert error.message == "h z, asked for x."
    assert [failure.reason for failure in operation.learned] == ["x", "y", "z"]


@pytest.mark.parametrize("kind", [RefusedError, ConfigurationError, CredentialsError])
def test_a_fatal_failure_is_raised_at_once(kind: type[MetaStudioError]) -> None:
    failure = FatalError("refuses", kind, hint="Do.", status=414, code="MSS.1", request_id="r")
    error, counters = run(Operation(failure))
    assert (type(error), error.message, error.hint) == (kind, "h refuses, asked for x.", "Do.")
    assert (error.code, error.request_id, counters.requests) == ("MSS.1", "r", 1)
    assert error.__context__ is error.__cause__ is None
    if isinstance(error, RefusedError):
        assert error.status == 414


def test_counters_are_added_to_their_total() -> None:
    total = RequestCounters()
    one, other = RequestCounters(total=total), RequestCounters(total=total)
    one.add(requests=2, retries=1)
    other.add(requests=3, throttled=2)
    assert (one.requests, other.requests) == (2, 3)
    assert total == RequestCounters(requests=5, retries=1, throttled=2)
