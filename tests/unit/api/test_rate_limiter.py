"""The rate limiter against a strict sliding-window server, in virtual time."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest
from metastudio.api.rate_limiter import RateLimiter, find_rate_limiter
from metastudio.errors import ConfigurationError

from tests.support.loopback import Script, error, fetch, page
from tests.support.virtual_time import VirtualLoop, run, simulate


@pytest.mark.parametrize("quota", [20, 10])
def test_the_quota_is_used_to_95_percent_without_a_429(quota: int) -> None:
    server, _, seconds, most = simulate(quota, quota, jobs=250 * quota)
    assert server.refused == []
    assert len(server.accepted) / seconds >= 0.95 * quota
    assert most <= 4  # 80 ms at 20 a second are two under way


@pytest.mark.parametrize(("stall_seconds", "jitter_seconds"), [(0.0, 0.02), (0.15, 0.002)])
def test_late_timers_jitter_and_new_connections_bring_no_429(stall_seconds: float, jitter_seconds: float) -> None:
    dice = random.Random(1)
    server, _, seconds, _ = simulate(
        20,
        20,
        latency=lambda: 0.06 + dice.expovariate(1 / jitter_seconds),
        up=lambda: 0.03 + dice.uniform(0, 0.005),
        lateness=lambda: dice.choice((0.0, 0.001, 0.002, 0.003)) + (dice.random() < 0.002) * stall_seconds,
        refresh=lambda left: 0.2 if left > 4_990 or left % 500 == 0 else 0.0,
    )
    assert server.refused == []
    assert len(server.accepted) / seconds >= 0.95 * 20


def test_a_slow_answer_counts_from_when_it_may_have_arrived() -> None:
    dice = random.Random(1)
    delays = {"up": 0.0}

    def up() -> float:
        delays["up"] = 0.2 if dice.random() < 0.002 else 0.0
        return 0.04 + delays["up"]

    server, _, seconds, _ = simulate(20, 20, latency=lambda: 0.08 + delays["up"], up=up)
    assert len(server.accepted) / seconds >= 0.95 * 20
    assert server.refused == []


@pytest.mark.parametrize("retry_after", [1.0, None])
@pytest.mark.parametrize(("setting", "quota"), [(40, 20), (20, 10)])
def test_a_pace_twice_too_high_settles_within_10_seconds(setting: int, quota: int, retry_after: float | None) -> None:
    server, limiter, seconds, _ = simulate(setting, quota, jobs=250 * quota, retry_after=retry_after)  # 4 minutes
    sent = len(server.accepted) + len(server.refused)
    assert len(server.refused) < 0.01 * sent
    assert len(server.accepted) / seconds >= 0.85 * quota
    settled = [t for t in server.refused if 10 <= t < 40]
    assert len(settled) <= 0.01 * 30 * quota
    accepted = [t for t in server.accepted if 10 <= t < 40]
    assert len(accepted) >= 0.9 * 30 * quota
    assert limiter.pace <= 1.1 * quota


def test_a_pace_ten_times_too_high_settles_too() -> None:
    server, _, seconds, _ = simulate(100, 10, jobs=3_000)
    assert len(server.refused) < 0.05 * 3_000
    assert len(server.accepted) / seconds >= 0.8 * 10


def test_concurrency_is_bounded_and_slow_answers_do_not_stop_the_rest() -> None:
    server, _, _, most = simulate(20, 20, latency=lambda: 5.0, jobs=200)
    assert most == 16
    assert server.refused == []


def test_a_retry_goes_ahead_of_first_tries() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        limiter, order = RateLimiter(2, clock=loop.time), []

        async def one(name: str, urgent: bool = False) -> None:
            async with limiter.acquire(urgent):
                order.append(name)

        tasks = [asyncio.ensure_future(one(f"first {n}")) for n in range(6)]
        await asyncio.sleep(0.6)
        await asyncio.gather(one("retry", urgent=True), *tasks)
        return order

    order = run(main)
    assert order.index("retry") <= 3
    assert order[-1] == "first 5"


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    async def main(loop: VirtualLoop) -> None:
        limiter = RateLimiter(1, max_concurrency=1, clock=loop.time)

        async def one() -> None:
            async with limiter.acquire():
                await asyncio.sleep(0.1)

        await one()
        for _ in range(5):
            task = asyncio.ensure_future(one())
            await asyncio.sleep(0.05)
            task.cancel()
            assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        began_at = loop.now
        await one()
        assert loop.now - began_at < 3

    run(main)


def test_one_tenant_has_one_limiter_and_two_have_two() -> None:
    one = find_rate_limiter(("https://a", "p1"), 20)
    assert find_rate_limiter(("https://a", "p1"), 20) is one
    assert find_rate_limiter(("https://a", "p2"), 20) is not one
    assert find_rate_limiter(("https://b", "p1"), 20) is not one
    assert find_rate_limiter(("https://a", "p1"), 5) is one
    assert one.pace == 5


def test_a_limiter_serves_several_event_loops_at_one_pace() -> None:
    limiter, sent = RateLimiter(200), []

    async def burst() -> None:
        async def one() -> None:
            async with limiter.acquire() as permit:
                sent.append(permit.sent_at)

        await asyncio.gather(*(one() for _ in range(30)))

    asyncio.run(burst())
    threads = [threading.Thread(target=asyncio.run, args=(burst(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    sent.sort()
    assert len(sent) == 90
    assert sent[-1] - sent[0] >= 89 / 200 - 0.25 - 0.05
    asyncio.run(burst())


@pytest.mark.parametrize(("pace", "concurrency"), [(0, 16), (-1, 16), (float("nan"), 16), (float("inf"), 16), (1, 0)])
def test_a_pace_or_concurrency_of_nothing_is_refused(pace: float, concurrency: int) -> None:
    with pytest.raises(ConfigurationError):
        RateLimiter(pace, concurrency)
    with pytest.raises(ConfigurationError):
        find_rate_limiter(("https://never", "made"), pace, concurrency)


def test_two_loops_use_one_limiter_one_after_the_other() -> None:
    limiter = RateLimiter(1000)
    for _ in range(2):
        assert fetch(Script(error(500), page()), rate_limiter=limiter).counters.retries == 1
