"""One HTTP exchange: a request out, and a `Reply` or a `Fault` in words back; never an exception that holds the request.

Follows no redirect, keeps no cookie, reads no .netrc, bounds every body, verifies TLS. Knows no path, no credential and no retry.
"""

from __future__ import annotations

import ssl
import urllib.request
from base64 import b64encode
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from metastudio.api.pace import Slot
from metastudio.api.regions import is_loopback
from metastudio.api.words import make_request_id
from metastudio.errors import ConfigurationError

MAX_BODY_BYTES = 64 * 1024 * 1024

_slot: ContextVar[Slot | None] = ContextVar("slot", default=None)
_connections: ContextVar[list[int] | None] = ContextVar("connections", default=None)


@dataclass(frozen=True, slots=True)
class Reply:
    """What of an answer is worth keeping; times UTC, durations in seconds."""

    status: int
    body: bytes = field(repr=False)
    server_time: datetime | None
    request_id: str | None
    retry_after_seconds: float | None
    location_host: str | None
    subject_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no answer, to be read after the host's name; a fatal one is no matter of trying again."""

    reason: str
    hint: str = ""
    is_fatal: bool = False
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy that the environment asks for, its password apart and hidden."""

    url: URL
    headers: dict[str, str] = field(repr=False)


class _Connector(aiohttp.TCPConnector):
    """Gives each exchange one connection, so that aiohttp does not quietly send a request twice, and tells its slot when it stands."""

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        used = _connections.get()
        if used is not None:
            used[0] += 1
            if used[0] > 1:
                raise aiohttp.ServerDisconnectedError
        connection = await super().connect(*args, **kwargs)
        if (slot := _slot.get()) is not None:
            try:
                await slot.refresh()
            except BaseException:
                connection.close()
                raise
        return connection


def make_session(user_agent: str = "metastudio") -> aiohttp.ClientSession:
    """A session for `fetch_reply`; to be made in, and closed by, the event loop that uses it."""
    return aiohttp.ClientSession(
        connector=_Connector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": user_agent},
        trust_env=False,
        raise_for_status=False,
    )


def find_proxy(base_url: str) -> Proxy | None:
    """The proxy that HTTPS_PROXY and NO_PROXY name for this host, never one for this machine.

    Raises:
        ConfigurationError: the proxy is no http or https URL; the message does not repeat it.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    text = urllib.request.getproxies().get(parts.scheme)
    if not text:
        return None
    try:
        proxy = urlsplit(text if "://" in text else f"http://{text}")
        if proxy.scheme not in ("http", "https") or not proxy.hostname:
            raise ValueError
        shown = f"[{proxy.hostname}]" if ":" in proxy.hostname else proxy.hostname
        url = URL(f"{proxy.scheme}://{shown}:{proxy.port or (443 if proxy.scheme == 'https' else 80)}")
    except ValueError:
        url = None
    if url is None:
        raise ConfigurationError("The proxy in the environment is no http or https URL.", hint="Correct HTTPS_PROXY.")
    if proxy.username is None:
        return Proxy(url, {})
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return Proxy(url, {"Proxy-Authorization": "Basic " + b64encode(login.encode()).decode()})


async def fetch_reply(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: dict[str, str],
    *,
    timeout_seconds: float,
    body: bytes | None = None,
    proxy: Proxy | None = None,
    slot: Slot | None = None,
) -> Reply | Fault:
    """Send one request, once, and read its answer whole, within the time.

    Args:
        url: percent-encoded already; sent as it is.
        slot: the governor's, to be told when the connection stands.
    """
    request_id: str | None = None
    marks = (_slot.set(slot), _connections.set([0]))
    try:
        async with session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
        ) as response:
            request_id = _find_request_id(response)
            return _make_reply(response, await _read_body(response))
    except TimeoutError:
        return Fault(f"did not answer within {timeout_seconds:.3g} s", request_id=request_id)
    except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
        return replace(_describe(error), request_id=request_id)
    finally:
        _slot.reset(marks[0])
        _connections.reset(marks[1])


class _TooLongError(aiohttp.ClientError):
    pass


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
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
        raise _TooLongError
    return b"".join(chunks)


def _make_reply(response: aiohttp.ClientResponse, body: bytes) -> Reply:
    headers = response.headers
    server_time = _make_time(headers.get("Date", ""))
    return Reply(
        status=response.status,
        body=body,
        server_time=server_time,
        request_id=_find_request_id(response),
        retry_after_seconds=_make_seconds(headers.get("Retry-After"), server_time),
        location_host=_make_host(headers.get("Location")),
        subject_token=headers.get("X-Subject-Token"),
    )


def _find_request_id(response: aiohttp.ClientResponse) -> str | None:
    return make_request_id(response.headers.get("X-Request-Id") or response.headers.get("X-IAM-Trace-Id"))


@lru_cache(maxsize=4)
def _make_time(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _make_seconds(text: str | None, server_time: datetime | None) -> float | None:
    if text is None:
        return None
    if text.strip().isdecimal() and len(text) < 10:
        return float(text)
    until = _make_time(text)
    return None if until is None or server_time is None else max(0.0, (until - server_time).total_seconds())


def _make_host(location: str | None) -> str | None:
    try:
        host = urlsplit(location or "").hostname
        return URL.build(scheme="https", host=host).host if host and len(host) < 100 else None
    except ValueError:
        return None


_ELSEWHERE = "If that stays, check region and endpoint."


def _describe(error: Exception) -> Fault:
    match error:
        case _TooLongError():
            return Fault(f"sent more than {MAX_BODY_BYTES // 1024**2} MiB")
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            hint = "If a proxy here re-encrypts traffic, name its certificate by SSL_CERT_FILE."
            return Fault("could not be reached: its TLS certificate is not trusted", hint, is_fatal=True)
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return Fault("could not be reached: TLS failed", _ELSEWHERE)
        case aiohttp.ClientConnectorDNSError():
            return Fault("could not be reached: name not resolved", _ELSEWHERE)
        case aiohttp.ClientProxyConnectionError():
            return Fault("could not be reached: no connection to the proxy of HTTPS_PROXY")
        case aiohttp.ClientHttpProxyError():
            reason = f"could not be reached: the proxy of HTTPS_PROXY answered {error.status}"
            return Fault(reason, is_fatal=error.status in (401, 403, 407))
        case aiohttp.ClientConnectorError():
            refused = isinstance(error.os_error, ConnectionRefusedError)
            kind = "connection refused" if refused else type(error.os_error).__name__
            return Fault(f"could not be reached: {kind}", _ELSEWHERE)
        case aiohttp.ClientPayloadError():
            return Fault("broke off its answer")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return Fault("sent what is no HTTP")
        case aiohttp.ServerDisconnectedError() | ConnectionResetError() | aiohttp.ClientOSError():
            return Fault("closed the connection before it answered")
        case _:
            return Fault(f"could not be reached: {type(error).__name__}")
