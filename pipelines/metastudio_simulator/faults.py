"""Which request goes wrong, and how: drawn by seed or read off a script, then done to the connection.

Promises that a healthy server costs nothing here; knows answers and sockets, no jobs.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from typing import Final

from aiohttp import web

from . import answers
from .answers import Answer
from .switches import Faults, Switches

BROKEN_CONNECTIONS: Final = frozenset({"reset", "truncated", "hang", "stall"})
"""Kinds that leave the client without a whole answer."""


class FaultSource:
    """Draws the next fault of one kind of request."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)

    def draw(self, faults: Faults) -> str | None:
        """The fault for the request at hand; a script loses its first entry."""
        if not faults:
            return None
        if isinstance(faults, list):
            return faults.pop(0)
        luck = self._rng.random()
        for kind, probability in faults.items():
            luck -= probability
            if luck < 0:
                return kind
        return None


def make_faulty(kind: str, switches: Switches) -> Answer:
    """The answer of a fault that leaves the connection whole."""
    if kind in ("502", "503", "504"):
        return answers.gateway_page(int(kind))
    if kind == "429":
        return answers.throttled(switches.retry_after)
    makers: dict[str, Callable[[], Answer]] = {
        "400": answers.invalid_parameter,
        "401": answers.unauthorized,
        "403": answers.forbidden,
        "404": answers.not_found,
        "500": answers.internal_error,
        "html": lambda: answers.gateway_page(502),
        "garbage": lambda: Answer(200, answers.GARBAGE),
        "empty": lambda: Answer(200, b""),
        "not_object": lambda: Answer(200, b'["jobs"]'),
    }
    return makers[kind]()


async def break_connection(
    kind: str, request: web.BaseRequest, whole: web.Response, hang_seconds: float
) -> web.StreamResponse:
    """Does one of `BROKEN_CONNECTIONS` to the request's connection, in place of the whole answer."""
    transport = request.transport
    if kind in ("truncated", "stall"):
        body = whole.body if isinstance(whole.body, bytes) else b""
        partial = web.StreamResponse(status=whole.status, headers=whole.headers)
        partial.content_length = max(2, len(body))
        await partial.prepare(request)
        await partial.write(body[: len(body) // 2] or b"{")
    if kind in ("hang", "stall"):
        await asyncio.sleep(hang_seconds)
    if transport is not None:
        if kind == "reset":
            peer: socket.socket = transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    return web.StreamResponse()
