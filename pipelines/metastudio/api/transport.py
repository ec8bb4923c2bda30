"""Sends one HTTP request, and returns the answer or a failure without any part of the request.

The transport follows no redirects, keeps no cookies, reads no .netrc, bounds every header and body,
and verifies TLS. It knows no paths, credentials or retries.
"""

from __future__ import annotations

import logging
import re
import ssl
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from metastudio.api.auth import Headers
from metastudio.api.proxy import Proxy
from metastudio.api.rate_limiter import Permit
from metastudio.api.retry import AttemptError, FatalError, RetryableError
from metastudio.errors import ConfigurationError
from metastudio.redaction import read_request_id, redact

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_HEADER_BYTES = 128 * 1024  # IAM's tokens are headers of up to 64 KB; aiohttp's default is 8 KB
DECODED = ("", "identity", "gzip", "x-gzip", "deflate")

logger = logging.getLogger("metastudio.api")

_permit: ContextVar[Permit | None] = ContextVar("permit", default=None)
_connections: ContextVar[list[int] | None] = ContextVar("connections", default=None)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it is sent.

    Args:
        url: percent-encoded already.
        label: what the log may say of the request.
    """

    method: str
    url: str = field(repr=False)
    headers: Headers = field(repr=False)
    label: str
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The parts of an answer that matter. Times are UTC; `seconds` is the latency."""

    status: int
    body: bytes = field(repr=False)
    server_time: datetime | None = None
    request_id: str | None = None
    retry_after_seconds: float | None = None
    location_host: str | None = None
    subject_token: str | None = field(default=None, repr=False)
    charset: str | None = None
    seconds: float = 0.0


class TransportError(RetryableError):
    """The exchange failed: there is no answer, or it cannot be read."""


class _Connector(aiohttp.TCPConnector):
    """Allows one connection per exchange, because aiohttp would silently send some requests twice.

    The request's permit is refreshed once the connection is open.
    """

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        used = _connections.get()
        if used is not None:
            used[0] += 1
            if used[0] > 1:
                raise aiohttp.ServerDisconnectedError
        connection = await super().connect(*args, **kwargs)
        if (permit := _permit.get()) is not None:
            try:
                await permit.refresh()
            except BaseException:
                connection.close()
                raise
        return connection


class Transport:
    """A pool of connections: an async context manager for one event loop."""

    async def __aenter__(self) -> Transport:
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "metastudio"},
            trust_env=False,
            raise_for_status=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(
        self, request: HttpRequest, *, timeout_seconds: float, proxy: Proxy | None = None, permit: Permit | None = None
    ) -> HttpResponse:
        """Send one request, without retries, and read the whole answer within the time-out.

        Raises:
            AttemptError: there is no answer. The error has no context, because that could contain
                the request.
        """
        head = _Head()
        began_at = time.monotonic()
        marks = (_permit.set(permit), _connections.set([0]))
        try:
            return await self._exchange(request, timeout_seconds, proxy, head)
        except TimeoutError:
            failure: AttemptError = TransportError(f"did not answer within {timeout_seconds:.3g} s")
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            failure = _describe(error)
            failure.status = head.status
        finally:
            _permit.reset(marks[0])
            _connections.reset(marks[1])
        failure.request_id = head.request_id
        milliseconds = (time.monotonic() - began_at) * 1000
        logger.debug("%s %s: %s, %d ms", request.method, request.label, failure.reason, milliseconds)
        raise failure

    async def _exchange(
        self, request: HttpRequest, timeout_seconds: float, proxy: Proxy | None, head: _Head
    ) -> HttpResponse:
        began_at = time.monotonic()
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
        ) as response:
            head.status, head.request_id = response.status, _find_request_id(response)
            body = await _read_body(response)
            seconds = time.monotonic() - began_at
            logger.debug("%s %s: %d, %d ms", request.method, request.label, response.status, seconds * 1000)
            return _make_response(response, body, seconds)


@dataclass(slots=True)
class _Head:
    """The status and headers of an answer, before its body is read."""

    status: int | None = None
    request_id: str | None = None


class _UnreadableError(aiohttp.ClientError):
    """The body cannot be read. The argument is the reason."""


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in DECODED:
        response.close()
        raise _UnreadableError(_describe_encoding(encoding))
    chunks, size = [], response.content_length or 0
    if size <= MAX_BODY_BYTES:
        size = 0
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                break
    if size > MAX_BODY_BYTES:
        response.close()
        raise _UnreadableError(f"sent more than {MAX_BODY_BYTES // 1024**2} MiB")
    return b"".join(chunks)


def _make_response(response: aiohttp.ClientResponse, body: bytes, seconds: float) -> HttpResponse:
    headers = response.headers
    server_time = _read_time(headers.get("Date", ""))
    return HttpResponse(
        status=response.status,
        body=body,
        server_time=server_time,
        request_id=_find_request_id(response),
        retry_after_seconds=_read_seconds(headers.get("Retry-After"), server_time),
        location_host=_read_host(headers.get("Location")),
        subject_token=headers.get("X-Subject-Token"),
        charset=response.charset,
        seconds=seconds,
    )


def _find_request_id(response: aiohttp.ClientResponse) -> str | None:
    return read_request_id(response.headers.get("X-Request-Id") or response.headers.get("X-IAM-Trace-Id"))


@lru_cache(maxsize=4)
def _read_time(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _read_seconds(text: str | None, server_time: datetime | None) -> float | None:
    if text is None:
        return None
    if text.strip().isdecimal() and len(text) < 10:
        return float(text)
    until = _read_time(text)
    return None if until is None or server_time is None else max(0.0, (until - server_time).total_seconds())


def _read_host(location: str | None) -> str | None:
    try:
        host = urlsplit(location or "").hostname
        return URL.build(scheme="https", host=host).host if host and len(host) < 100 else None
    except ValueError:
        return None


_ELSEWHERE = "If that stays, check region and endpoint."


def _describe(error: Exception) -> AttemptError:
    match error:
        case _UnreadableError():
            return TransportError(str(error))
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return _describe_certificate(error)
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return TransportError("could not be reached: TLS failed", hint=_ELSEWHERE)
        case aiohttp.ClientConnectorDNSError():
            return TransportError("could not be reached: name not resolved", hint=_ELSEWHERE)
        case aiohttp.ClientProxyConnectionError():
            return TransportError("could not be reached: no connection to the proxy of HTTPS_PROXY")
        case aiohttp.ClientHttpProxyError():
            reason = f"could not be reached: the proxy of HTTPS_PROXY answered {error.status}"
            if error.status in (401, 403, 407):
                return FatalError(reason, ConfigurationError)
            return TransportError(reason)
        case aiohttp.ClientConnectorError():
            refused = isinstance(error.os_error, ConnectionRefusedError)
            kind = "connection refused" if refused else type(error.os_error).__name__
            return TransportError(f"could not be reached: {kind}", hint=_ELSEWHERE)
        case aiohttp.ClientPayloadError():
            return TransportError("broke off its answer")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            # aiohttp refuses br and zstd early where their packages are not installed.
            undecoded = re.search(r"content-encoding: .*\((\w+)\)", error.message)
            reason = _describe_encoding(undecoded[1]) if undecoded else "sent what is not HTTP"
            return TransportError(reason)
        case aiohttp.ServerDisconnectedError() | ConnectionResetError() | aiohttp.ClientOSError():
            return TransportError("closed the connection before it answered")
        case _:
            return TransportError(f"could not be reached: {type(error).__name__}")


def _describe_encoding(encoding: str) -> str:
    name = redact(encoding) or "unknown"
    return f"answered in the encoding {name} (Content-Encoding), which was not asked for"


def _describe_certificate(error: Exception) -> AttemptError:
    """Return the failure with OpenSSL's reason: Python 3.13 refuses more certificates."""
    cause = getattr(error, "certificate_error", error)
    why = redact(getattr(cause, "verify_message", ""))
    return FatalError(
        "could not be reached: its TLS certificate is not trusted" + (f" ({why})" if why else ""),
        ConfigurationError,
        hint="If a proxy here re-encrypts traffic, name its certificate by SSL_CERT_FILE.",
    )
