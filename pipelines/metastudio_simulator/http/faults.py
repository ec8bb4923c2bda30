"""Decides which request fails and how, by seed or from a script, and carries the fault out.

For a healthy server, this costs nothing. The module knows responses and sockets, but no jobs.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from typing import Final

from aiohttp import web

from metastudio_simulator.behavior import Behavior, Faults
from metastudio_simulator.http.responses import (
    GARBAGE,
    Response,
    make_error,
    make_gateway_page,
    make_throttled,
)

BROKEN_CONNECTIONS: Final = frozenset({"reset", "truncated", "hang", "stall"})
"""Faults that leave the client without a complete response."""

_GATEWAY_PAGES: Final = {"414": 414, "502": 502, "503": 503, "504": 504, "html": 502}
_BODIES: Final = {"garbage": GARBAGE, "empty": b"", "not_object": b'["jobs"]'}


class FaultSource:
    """The faults of one kind of request."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)

    def draw(self, faults: Faults) -> str | None:
        """Return the fault for the current request. A script loses its first entry."""
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


class Outage:
    """The time in which the service is unavailable, beginning with the next request."""

    def __init__(self, behavior: Behavior) -> None:
        self._behavior = behavior
        self._since: float | None = None

    def is_on(self, at: float) -> bool:
        """Return whether the service is unavailable at this monotonic second."""
        if not self._behavior.unavailable_seconds:
            return False
        self._since = at if self._since is None else self._since
        if at - self._since < self._behavior.unavailable_seconds:
            return True
        self._behavior.unavailable_seconds, self._since = 0.0, None
        return False


def needs_healthy_response(fault: str | None) -> bool:
    """Return whether the fault alters the healthy response."""
    return fault is None or fault == "broken_json" or fault in BROKEN_CONNECTIONS


def make_faulty(fault: str, behavior: Behavior) -> Response:
    """Return the response of a fault that needs no healthy one."""
    if fault in _GATEWAY_PAGES:
        return make_gateway_page(_GATEWAY_PAGES[fault])
    if fault in _BODIES:
        return Response(200, _BODIES[fault])
    if fault == "429":
        return make_throttled(behavior.retry_after)
    if fault == "error_body":
        return make_error(200, "MSS.00000004")
    status, _, code = fault.partition(":")
    return make_error(int(status), code or None)


def break_json(response: Response) -> Response:
    """Return the response with a body that is not JSON from its middle on."""
    half = len(response.body) // 2
    response.body = response.body[:half] + b'\x01"' + response.body[half:]
    return response


async def break_connection(
    fault: str, request: web.BaseRequest, response: web.Response, hang_seconds: float
) -> web.StreamResponse:
    """Break the request's connection by one of `BROKEN_CONNECTIONS`, instead of a response."""
    transport = request.transport
    if fault in ("truncated", "stall"):
        body = response.body if isinstance(response.body, bytes) else b""
        partial = web.StreamResponse(status=response.status, headers=response.headers)
        partial.content_length = max(2, len(body))
        await partial.prepare(request)
        await partial.write(body[: len(body) // 2] or b"{")
    if fault in ("hang", "stall"):
        await asyncio.sleep(hang_seconds)
    if transport is not None:
        if fault == "reset":
            peer: socket.socket = transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    return web.StreamResponse()
