"""One HTTP exchange over loopback: failures, bounds and the parts of the answer."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from metastudio.api.auth import Headers, Password
from metastudio.api.rate_limiter import RateLimiter
from metastudio.api.retry import AttemptError
from metastudio.api.transport import HttpRequest, HttpResponse, Transport
from metastudio.errors import ConfigurationError, UnavailableError

from tests.support.loopback import KEY, Handler, Script, fetch, make_client, page, reset, serve, serve_raw


def send(handler: Handler) -> HttpResponse | AttemptError:
    """Send one GET to a handler, and return the answer or the failure."""

    async def main() -> HttpResponse | AttemptError:
        async with serve(handler) as base_url, Transport() as transport:
            try:
                return await transport.send(HttpRequest("GET", f"{base_url}/x", Headers(), "x"), timeout_seconds=5)
            except AttemptError as failure:
                return failure

    return asyncio.run(main())


@pytest.mark.parametrize("length", [9_000, 60_000])
def test_a_header_of_any_length_is_read(length: int) -> None:
    assert send(Script(page(X_Subject_Token="t" * length))).subject_token == "t" * length


def test_gzip_is_decoded() -> None:
    assert send(Script(page(gzip.compress(b'{"a": 1}'), Content_Encoding="gzip"))).body == b'{"a": 1}'


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "aes128gcm"])
def test_an_encoding_that_nobody_asked_for_is_named(encoding: str) -> None:
    failure = fetch(Script(page(b"\x0b\x02\x80", Content_Encoding=encoding)), max_attempts=1)
    assert type(failure) is UnavailableError
    assert f"answered in the encoding {encoding} (Content-Encoding), which was not asked for" in failure.message


def test_a_connection_that_was_closed_meanwhile_is_a_counted_retry() -> None:
    async def main() -> None:
        script = Script(page(), reset, page())
        async with serve(script) as base_url, make_client(base_url) as client:
            assert (await client.fetch_jobs({})).counters.retries == 0
            assert (await client.fetch_jobs({})).counters.retries == 1
            assert len(script.seen) == client.counters.requests == 3

    asyncio.run(main())


def test_an_address_without_a_server_or_a_name_is_named() -> None:
    async def main(base_url: str) -> str:
        async with make_client(base_url) as client:
            with pytest.raises(UnavailableError) as caught:
                await client.fetch_jobs({}, max_attempts=2)
            assert caught.value.status is None
            return str(caught.value)

    assert "127.0.0.1:1 could not be reached: connection refused, after 2 attempts" in asyncio.run(
        main("http://127.0.0.1:1")
    )
    unresolved = asyncio.run(main("https://no-such-host.invalid"))
    assert "no-such-host.invalid could not be reached: name not resolved" in unresolved
    assert "check region and endpoint" in unresolved


def test_a_server_without_tls_is_not_spoken_to() -> None:
    async def main() -> str:
        async with (
            serve_raw(b"HTTP/1.1 200 OK\r\n\r\n") as base_url,
            make_client(base_url.replace("http", "https"), timeout_seconds=1) as client,
        ):
            with pytest.raises(UnavailableError) as caught:
                await client.fetch_jobs({}, max_attempts=1)
            return str(caught.value)

    assert "127.0.0.1" in asyncio.run(main())


@pytest.mark.parametrize(
    "raw",
    [b"SSH-2.0-canary\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\x00: 1\r\n\r\n"],
)
def test_an_answer_that_is_not_http_is_retried_and_named(raw: bytes) -> None:
    async def main() -> None:
        async with serve_raw(raw) as base_url, make_client(base_url) as client:
            with pytest.raises(UnavailableError) as caught:
                await client.fetch_jobs({}, max_attempts=2)
            assert "not HTTP, after 2 attempts" in str(caught.value)
            assert "canary" not in str(caught.value)

    asyncio.run(main())


def test_a_body_without_end_is_not_read_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metastudio.api.transport.MAX_BODY_BYTES", 1024 * 1024)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    assert "sent more than 1 MiB" in fetch(endless, max_attempts=1).message
    assert "sent more than 1 MiB" in fetch(Script(page(b" " * 1_100_000)), max_attempts=1).message


def test_tls_is_verified_for_api_and_iam(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[ssl.SSLContext] = []
    find = aiohttp.TCPConnector._get_ssl_context
    monkeypatch.setattr(
        aiohttp.TCPConnector, "_get_ssl_context", lambda self, req: used.append(find(self, req)) or used[-1]
    )

    async def main() -> None:
        async with serve_raw(b"") as base_url:
            address = base_url.replace("http:", "https:")
            options = {"retry_seconds": 0, "timeout_seconds": 0.3, "iam_base_url": address}
            for credentials in (KEY, Password("u", "p", "d")):
                async with make_client(address, credentials=credentials, **options) as client:
                    with pytest.raises(UnavailableError):
                        await client.fetch_jobs({})

    asyncio.run(main())
    assert len(used) == 2
    assert all(context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED for context in used)


def test_a_certificate_that_is_not_trusted_is_not_retried_and_openssl_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: Any) -> Any:
        key = aiohttp.client_reqrep.ConnectionKey("h", 443, True, True, None, None, None)
        cause = ssl.SSLCertVerificationError("canary")
        cause.verify_message = "Missing Authority Key Identifier"
        raise aiohttp.ClientConnectorCertificateError(key, cause)

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", refuse)
    script = Script(page())
    failure = fetch(script)
    assert type(failure) is ConfigurationError
    assert "its TLS certificate is not trusted (Missing Authority Key Identifier), asked" in failure.message
    assert "SSL_CERT_FILE" in failure.hint
    assert "canary" not in str(failure)


def test_cookies_are_not_kept() -> None:
    async def main() -> None:
        script = Script(page(Set_Cookie="a=canary; Path=/"), page())
        async with serve(script) as base_url, make_client(base_url.replace("127.0.0.1", "localhost")) as client:
            await client.fetch_jobs({})
            await client.fetch_jobs({})
            assert "Cookie" not in script.seen[1].headers

    asyncio.run(main())


def test_no_netrc_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    script = Script(page())
    send(script)
    assert "Authorization" not in script.seen[0].headers


def test_a_request_waits_for_its_turn_again_after_a_slow_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    create = aiohttp.TCPConnector._create_connection
    now = [0.0]

    async def create_slowly(*args: Any) -> Any:
        now[0] += 0.05
        return await create(*args)

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", create_slowly)

    async def main() -> None:
        limiter = RateLimiter(20, clock=lambda: now[0])
        async with serve(Script(page())) as base_url, Transport() as transport, limiter.acquire() as permit:
            request = HttpRequest("GET", f"{base_url}/x", Headers(), "x")
            await transport.send(request, timeout_seconds=5, permit=permit)
            assert permit.sent_at == 0.05

    asyncio.run(main())
