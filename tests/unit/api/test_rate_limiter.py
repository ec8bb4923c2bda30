"""The governor against a strict sliding-window server, in virtual time: no clock, no socket, no sleep."""

from __future__ import annotations

import asyncio
import random
import selectors
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from metastudio.api.pace import Governor, Pacer, find_governor
from metastudio.api.patience import Patience, Timing
from metastudio.errors import ConfigurationError


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while nothing is to be done, and then at once."""

    def __init__(self, lateness: Callable[[], float] = lambda: 0.0) -> None:
        self.now = 0.0
        self._lateness = lateness
        super().__init__(selectors.SelectSelector())
        inner = self._selector.select

        def select(timeout: float | None = None) -> Any:
            if timeout:
                self.now += timeout + self._lateness()
            return inner(0)

        self._selector.select = select

    def time(self) -> float:
        return self.now


def run(coroutine_of: Callable[[VirtualLoop], Coroutine[Any, Any, Any]], lateness=lambda: 0.0) -> Any:
    loop = VirtualLoop(lateness)
    try:
        return loop.run_until_complete(coroutine_of(loop))
    finally:
        loop.close()


class Server:
    """Accepts `quota` requests in any second, (t - 1, t]; refused ones do not count."""

    def __init__(self, loop: VirtualLoop, quota: int, latency: Callable[[], float], up: Callable[[], float]) -> None:
        self.loop, self.quota, self.latency, self.up = loop, quota, latency, up
        self.accepted: list[float] = []
        self.refused: list[float] = []

    async def answer(self) -> bool:
        total, up = self.latency(), self.up()
        await asyncio.sleep(up)
        now = self.loop.now
        ok = len(self.accepted) < self.quota or self.accepted[-self.quota] <= now - 1.0
        (self.accepted if ok else self.refused).append(now)
        await asyncio.sleep(max(0.0, total - up))
        return ok


async def work(
    loop: VirtualLoop,
    governor: Governor,
    server: Server,
    *,
    jobs: int = 10_000,
    workers: int = 24,
    retry_after: float | None = 1.0,
    refresh: Callable[[int], float] = lambda n: 0.0,
) -> int:
    left, under_way, most = jobs, 0, 0

    async def worker() -> None:
        nonlocal left, under_way, most
        while left > 0:
            left -= 1
            ok, urgent = False, False
            while not ok:
                async with governor.slot(urgent) as slot:
                    under_way += 1
                    most = max(most, under_way)
                    if connecting := refresh(left):
                        await asyncio.sleep(connecting)
                    await slot.refresh()
                    ok = await server.answer()
                    under_way -= 1
                if not ok:
                    governor.throttle(retry_after, slot.sent_at)
                    urgent = True

    await asyncio.gather(*(worker() for _ in range(workers)))
    return most


def simulate(
    setting: float,
    quota: int,
    *,
    latency: Callable[[], float] = lambda: 0.08,
    up: Callable[[], float] = lambda: 0.04,
    lateness: Callable[[], float] = lambda: 0.0,
    **options: Any,
) -> tuple[Server, Governor, float, int]:
    async def main(loop: VirtualLoop) -> tuple[Server, Governor, float, int]:
        governor = Governor(setting, clock=loop.time)
        server = Server(loop, quota, latency, up)
        most = await work(loop, governor, server, **options)
        return server, governor, loop.now, most

    return run(main, lateness)


@pytest.mark.parametrize("quota", [20, 10])
def test_the_quota_is_used_to_95_percent_without_a_429(quota: int) -> None:
    server, _, seconds, most = simulate(quota, quota)
    assert server.refused == []
    assert len(server.accepted) / seconds >= 0.95 * quota
    assert most <= 4  # 80 ms at 20 a second are two under way: no more are kept busy than that takes


@pytest.mark.parametrize(("stall_seconds", "jitter_seconds"), [(0.0, 0.02), (0.15, 0.002)])
def test_late_timers_jitter_and_new_connections_bring_no_429(stall_seconds: float, jitter_seconds: float) -> None:
    dice = random.Random(1)
    server, _, seconds, _ = simulate(
        20,
        20,
        latency=lambda: 0.06 + dice.expovariate(1 / jitter_seconds),
        up=lambda: 0.03 + dice.uniform(0, 0.005),
        lateness=lambda: dice.choice((0.0, 0.001, 0.002, 0.003)) + (dice.random() < 0.002) * stall_seconds,
        refresh=lambda left: 0.2 if left > 9_990 or left % 500 == 0 else 0.0,
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
    server, governor, seconds, _ = simulate(setting, quota, retry_after=retry_after)  # 8 to 17 minutes
    sent = len(server.accepted) + len(server.refused)
    assert len(server.refused) < 0.01 * sent
    assert len(server.accepted) / seconds >= 0.85 * quota
    settled = [t for t in server.refused if 10 <= t < 40]
    assert len(settled) <= 0.01 * 30 * quota
    accepted = [t for t in server.accepted if 10 <= t < 40]
    assert len(accepted) >= 0.9 * 30 * quota
    assert governor.pace <= 1.1 * quota


def test_a_pace_ten_times_too_high_settles_too() -> None:
    server, _, seconds, _ = simulate(100, 10, jobs=3_000)
    assert len(server.refused) < 0.05 * 3_000
    assert len(server.accepted) / seconds >= 0.8 * 10


def test_the_pace_comes_back_when_others_leave_the_quota() -> None:
    pacer = Pacer(20)
    now = 0.0
    for _ in range(60):
        now = max(now, pacer.plan(now))
        pacer.take(now)
    pacer.throttle(now, 1.0, now)
    assert pacer.pace <= 10
    pacer.plan(now + 1.0)
    assert pacer.pace <= 10  # not before the hold is over
    pacer.plan(now + 120.0)
    assert pacer.pace == 20


def test_one_burst_of_429s_halves_the_pace_once_and_the_longest_hold_counts() -> None:
    clock = [100.0]
    governor = Governor(20, clock=lambda: clock[0])
    governor.throttle(1.0, sent_at=99.9)
    governor.throttle(3.0, sent_at=99.95)
    governor.throttle(2.0, sent_at=99.97)
    assert governor.pace == 10
    assert governor._pacer.plan(100.0) == 103.0
    governor.throttle(None, sent_at=100.5)
    assert governor.pace == 5


def test_recovery_is_additive() -> None:
    pacer, paces = Pacer(20), []
    pacer.throttle(0.0, 0.0, 0.0)  # nothing was accepted: the ceiling is the 10 that remain
    for second in range(4):
        pacer.plan(float(second))
        paces.append(pacer.pace)
    assert paces == pytest.approx([10, 10 + 1 / 60, 10 + 2 / 60, 10 + 3 / 60])
    pacer, paces = Pacer(20), []
    for n in range(30):
        pacer.take(n / 20)
    pacer.throttle(1.45, 0.0, 1.45)  # a second's worth of 19 was accepted: fast up to 95 % of that
    for second in range(4):
        pacer.plan(1.45 + second / 4)
        paces.append(pacer.pace)
    assert paces == pytest.approx([10, 10.5, 11, 11.5])


def test_no_second_ever_sees_more_than_the_quota_whatever_the_demand() -> None:
    dice = random.Random(7)
    for quota in (1, 3, 10, 20):
        pacer, now, sent = Pacer(quota), 0.0, []
        for _ in range(2_000):
            now += dice.choice((0.0, 0.0, 0.0, 0.01, 0.3, 3.0)) * dice.random()
            now = max(now, pacer.plan(now))
            sent.append(pacer.take(now))
        assert all(b - a > 1.0 for a, b in zip(sent, sent[quota:], strict=False))


def test_a_fractional_pace_is_kept() -> None:
    pacer, now = Pacer(2.5), 0.0
    for _ in range(500):
        now = max(now, pacer.plan(now))
        pacer.take(now)
    assert 500 / now == pytest.approx(2.5 * 0.98, rel=0.01)


def test_concurrency_is_bounded_and_slow_answers_do_not_stop_the_rest() -> None:
    server, _, _, most = simulate(20, 20, latency=lambda: 5.0, jobs=200)
    assert most == 16
    assert server.refused == []


def test_a_retry_goes_ahead_of_first_tries() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        governor, order = Governor(2, clock=loop.time), []

        async def one(name: str, urgent: bool = False) -> None:
            async with governor.slot(urgent):
                order.append(name)

        tasks = [asyncio.ensure_future(one(f"first {n}")) for n in range(6)]
        await asyncio.sleep(0.6)
        assert governor.waiting >= 3
        await asyncio.gather(one("retry", urgent=True), *tasks)
        assert governor.waiting == 0
        assert governor.waited_seconds > 3
        return order

    order = run(main)
    assert order.index("retry") <= 3
    assert order[-1] == "first 5"


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    async def main(loop: VirtualLoop) -> None:
        governor = Governor(1, max_concurrency=1, clock=loop.time)

        async def one() -> None:
            async with governor.slot():
                await asyncio.sleep(0.1)

        await one()
        for _ in range(5):
            task = asyncio.ensure_future(one())
            await asyncio.sleep(0.05)
            task.cancel()
            assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        await asyncio.wait_for(one(), 5)
        assert governor.waiting == 0

    run(main)


def test_one_tenant_has_one_governor_and_two_have_two() -> None:
    one = find_governor(("https://a", "p1"), 20)
    assert find_governor(("https://a", "p1"), 20) is one
    assert find_governor(("https://a", "p2"), 20) is not one
    assert find_governor(("https://b", "p1"), 20) is not one
    assert find_governor(("https://a", "p1"), 5) is one
    assert one.pace == 5


def test_a_governor_serves_several_event_loops_at_one_pace() -> None:
    governor, sent = Governor(200), []

    async def burst() -> None:
        async def one() -> None:
            async with governor.slot() as slot:
                sent.append(slot.sent_at)

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
    assert len(governor._queues) == 1  # closed loops are forgotten


@pytest.mark.parametrize(("pace", "concurrency"), [(0, 16), (-1, 16), (float("nan"), 16), (float("inf"), 16), (1, 0)])
def test_a_pace_or_concurrency_of_nothing_is_refused(pace: float, concurrency: int) -> None:
    with pytest.raises(ConfigurationError):
        Governor(pace, concurrency)
    with pytest.raises(ConfigurationError):
        find_governor(("https://never", "made"), pace, concurrency)


@contextmanager
def timing_of(now: list[float], uniform: Callable[[float, float], float]) -> Iterator[Timing]:
    async def sleep(seconds: float) -> None:
        now[0] += seconds

    sleeper: Callable[[float], Awaitable[None]] = sleep
    yield Timing(monotonic=lambda: now[0], sleep=sleeper, uniform=uniform)


def test_backoff_is_full_jitter_between_nothing_and_a_doubling_cap() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high / 2

    with timing_of([0.0], uniform) as timing:
        patience = Patience(max_tries=9, retry_seconds=1000, timing=timing)
        delays = [patience.plan_retry() for _ in range(9)]
    assert asked == [(0, 0.5), (0, 1), (0, 2), (0, 4), (0, 8), (0, 10), (0, 10), (0, 10)]
    assert delays == [0.25, 0.5, 1, 2, 4, 5, 5, 5, None]


def test_patience_ends_with_its_seconds_and_bounds_the_last_try() -> None:
    now = [50.0]
    with timing_of(now, lambda low, high: high) as timing:
        patience = Patience(max_tries=100, retry_seconds=10, timing=timing)
        assert patience.bound(30) == 30
        assert patience.plan_retry() == 0.5
        now[0] += 4
        assert patience.bound(30) == 6
        assert patience.bound(2) == 2
        assert patience.plan_retry(at_least_seconds=5) == 5
        assert patience.plan_retry(at_least_seconds=6) is None
        now[0] += 7
        assert patience.plan_retry() is None
