"""No failure shows a secret: not in its text, its context, its frames, the log or the output."""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from typing import Any

import pytest
from aiohttp import web
from metastudio.api.auth import Password, Token
from metastudio.errors import MetaStudioError, UnavailableError

from tests.support.loopback import (
    HTML,
    KEY,
    SECRETS,
    Handler,
    Script,
    break_off,
    error,
    fetch,
    hang,
    make_client,
    page,
    reset,
    serve,
)

LOGIN = Password("canaryUser", "canaryPassword", "canaryDomain")


def echo(status: int, where: str, secret: str) -> Handler:
    """Start a server that repeats everything it was sent, credentials included."""

    async def answer(request: web.Request) -> web.StreamResponse:
        echo = "; ".join(f"{value}" for value in request.headers.values())
        echo = (
            f"bad {secret}: https://obs.example/c.png?AccessKeyId=canaryKey&Signature=evil-query {request.url} {echo}"
        )
        if where == "code":
            return error(status, f"MSS.{secret}", "x", X_Request_Id=secret)
        if where == "html":
            return web.Response(text=f"<html>{echo}", status=status, content_type="text/html")
        return error(status, "MSS.00000099", echo, Location=f"https://other.example/?{echo[:200]}")

    return answer


@pytest.mark.parametrize("where", ["message", "code", "html"])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 418, 429, 500, 503])
@pytest.mark.parametrize(
    ("credentials", "secret"),
    [(KEY, "canarySecret"), (KEY, "canaryAccess"), (Token("canaryToken"), "canaryToken"), (LOGIN, "canaryToken")],
    ids=["key", "access", "token", "password"],
)
def test_no_failure_shows_a_secret(
    status: int,
    where: str,
    credentials: Any,
    secret: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    bad = echo(status, where, secret)
    params = {"asset_name": "canary", "offset": "0", "state": "canary"}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/v3/auth/tokens":
            return page({"token": {}}, 201, X_Subject_Token=secret)
        return await bad(request)

    async def main() -> MetaStudioError:
        async with serve(answer) as base_url:
            options = {"credentials": credentials, "iam_base_url": base_url, "retry_seconds": 1}
            async with make_client(base_url, **options) as client:
                with pytest.raises(MetaStudioError) as caught:
                    await client.fetch_jobs(params)
                assert "canary" not in repr(client)
                return caught.value

    failure = asyncio.run(main(), debug=True)
    assert failure.__context__ is None
    assert failure.__cause__ is None
    trace = "".join(traceback.TracebackException.from_exception(failure).format())
    frames = [line for line in format_locals(failure) if "/metastudio/" in line]
    assert frames
    for text in (str(failure), repr(failure), repr(vars(failure)), trace, caplog.text, *capfd.readouterr()):
        assert not SECRETS.search(text), text
    for line in frames:
        assert not re.search("canaryAccess|canarySec|canaryTok|canaryPass|SDK-HMAC", line), line


def format_locals(failure: BaseException) -> list[str]:
    """Return each frame with its local variables, as tracebacks with locals print them."""
    summary = traceback.TracebackException.from_exception(failure, capture_locals=True)
    return [f"{frame.filename} {frame.locals}" for frame in summary.stack]


@pytest.mark.parametrize("handler", [reset, break_off, hang, HTML], ids=["reset", "broken", "hanging", "html"])
def test_no_broken_connection_shows_a_secret(handler: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failure = fetch(Script(handler), max_attempts=2, timeout_seconds=1)
    assert type(failure) is UnavailableError
    assert failure.__context__ is None
    trace = "".join(traceback.format_exception(failure)) + "".join(format_locals(failure))
    assert not SECRETS.search(f"{failure} {failure!r} {caplog.text}")
    assert not re.search("canaryAccess|canarySec", trace)
    assert "GET digital-human-videos, the page at offset 0, limit 100: " in caplog.text
