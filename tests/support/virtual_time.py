"""An event loop of virtual time, and a server with a strict quota: no socket, no sleep."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from metastudio.api.rate_limiter import RateLimiter


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when there is nothing to do, and then at once."""

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
    limiter: RateLimiter,
    server: Server,
    *,
    jobs: int = 5_000,
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
                async with limiter.acquire(urgent) as permit:
                    under_way += 1
                    most = max(most, under_way)
                    if connecting := refresh(left):
                        await asyncio.sleep(connecting)
                    await permit.refresh()
                    ok = await server.answer()
                    under_way -= 1
                if not ok:
                    limiter.throttle(retry_after, permit.sent_at)
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
) -> tuple[Server, RateLimiter, float, int]:
    async def main(loop: VirtualLoop) -> tuple[Server, RateLimiter, float, int]:
        limiter = RateLimiter(setting, clock=loop.time)
        server = Server(loop, quota, latency, up)
        most = await work(loop, limiter, server, **options)
        return server, limiter, loop.now, most

    return run(main, lateness)
