"""Servers on loopback with scripted answers, and a client whose clock moves only in sleeps."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web
from metastudio.api.auth import AccessKey
from metastudio.api.client import Client
from metastudio.api.rate_limiter import RateLimiter
from metastudio.api.retry import Clock
from metastudio.errors import MetaStudioError

PAGE = {"count": 230, "jobs": [{"job_id": "a"}, {"job_id": "b"}]}
KEY = AccessKey("canaryAccess", "canarySecret", "canarySecurityToken")
SECRETS = re.compile(r"canary|[0-9a-f]{64}|Signature=|SDK-HMAC|X-Auth-Token|evil-query", re.IGNORECASE)
MAX_HEADER_BYTES = 128 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def page(body: Any = PAGE, status: int = 200, **headers: str) -> web.Response:
    """Make an answer: JSON, or bytes as they are; headers as Content_Type."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(
        body=json.dumps(body).encode() if not isinstance(body, bytes) else body,
        status=status,
        headers={"Content-Type": "application/json", "X-Request-Id": "req-1", **named},
    )


def error(status: int, code: str = "MSS.00000003", message: str = "Invalid parameter", **headers: str) -> web.Response:
    """Make the API's answer to what it refuses."""
    return page({"error_code": code, "error_msg": message}, status, **headers)


def repeat(answer: web.Response) -> web.Response:
    """Make a copy of an answer, because each can be sent only once."""
    return web.Response(body=answer.body, status=answer.status, headers=answer.headers)


HTML = web.Response(text="<html><b>canary</b> gateway</html>", content_type="text/html")


class Script:
    """Sends one answer after the other, the last one repeatedly, and keeps the requests."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.seen: list[web.Request] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        await request.read()
        answer = self.answers[min(len(self.seen), len(self.answers)) - 1]
        if callable(answer):
            answer = await answer(request)
        return repeat(answer) if isinstance(answer, web.Response) else answer


@asynccontextmanager
async def serve(handler: Handler):
    """Serve a handler on loopback. Requests may have headers of up to 128 KB."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=0.1,
        handler_cancellation=True,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serve_raw(*answers: bytes):
    """Send raw bytes, the next item for each connection, and close. An empty item sends nothing."""
    left, talks = list(answers), set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks)
        await server.wait_closed()


async def reset(request: web.Request) -> web.StreamResponse:
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000", "X-Request-Id": "req-1"})
    await response.prepare(request)
    await response.write(b'{"count": 1, "jobs": [')
    request.transport.close()
    return response


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100000"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


async def without_date(request: web.Request) -> web.StreamResponse:
    response = page()
    response.headers["Date"] = "soon"
    return response


class FakeClock:
    """A clock that only sleeping moves. The jitter is always the longest possible."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []
        self.clock = Clock(monotonic=lambda: self.now, sleep=self.sleep, uniform=lambda low, high: high)

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def make_client(base_url: str, **options: Any) -> Client:
    """Make a client that signs with KEY, at a pace without waits."""
    options = {
        "project_id": "p1",
        "credentials": KEY,
        "rate_limiter": RateLimiter(1000),
        "clock": FakeClock().clock,
        **options,
    }
    return Client(base_url=base_url, **options)


def fetch(handler: Handler, params: Any = None, *, max_attempts: int | None = None, **options: Any) -> Any:
    """Fetch one page from a handler, and return it, or the error."""

    async def main() -> Any:
        async with serve(handler) as base_url, make_client(base_url, **options) as client:
            try:
                query = {"offset": "0", "limit": "100"} if params is None else params
                return await client.fetch_jobs(query, max_attempts=max_attempts)
            except MetaStudioError as error:
                return error
            finally:
                assert client.counters.requests >= 1

    return asyncio.run(main())
