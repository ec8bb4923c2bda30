"""Credentials, and the headers that prove them: AK/SK signatures, ready tokens, tokens from IAM.

Secrets stay in memory and out of every repr; a token is asked for once for all who wait. Knows nothing of HTTP: whoever
makes a `TokenCache` hands it the function that asks IAM.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from metastudio.errors import ConfigurationError, CredentialsError, MetaStudioError, UnavailableError

ALGORITHM = "SDK-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
RENEWAL_SECONDS = 600.0  # renewed when less remains of a token's life, or
RENEWAL_SHARE = 0.1  # this share of it, whichever is less
TOKEN_LIFE_SECONDS = 86400.0  # where IAM does not say: api/facts.md, Headers


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A permanent access key, or a temporary one with its security token."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A ready IAM token; it cannot be renewed."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Password:
    """An IAM user, whose password buys tokens for one project."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    domain_name: str = field(repr=False)
    iam_endpoint: str | None = None


Credentials = AccessKey | Token | Password


class Headers(dict[str, str]):
    """Request headers that show nothing of themselves where somebody prints them, as in a traceback with local variables."""

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"

    __str__ = __repr__


def make_secrets(credentials: Credentials) -> tuple[str, ...]:
    """All values of the credentials that no text may hold, longest first.

    Raises:
        ConfigurationError: a value is empty, or cannot be sent as a header. The message names the setting, not its value.
    """
    values = {name: getattr(credentials, name) for name in credentials.__dataclass_fields__ if name != "iam_endpoint"}
    for name, value in values.items():
        if value is None and name == "security_token":
            continue
        sent_in_header = not isinstance(credentials, Password) and name != "secret_key"
        if not value or (sent_in_header and not (value.isascii() and value.isprintable() and " " not in value)):
            raise ConfigurationError(
                f"The setting credentials.{name} is empty, or holds a space, a line break or a non-ASCII character.",
                hint="Copy it again, without what surrounds it.",
            )
    return tuple(sorted((value for value in values.values() if value), key=len, reverse=True))


def make_query_string(query: Sequence[tuple[str, str]]) -> str:
    """The canonical query string, which is what is signed and what must be sent."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query))


def make_signed_headers(
    key: AccessKey,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    at: datetime,
    body: bytes = b"",
) -> Headers:
    """The headers, `Host` among them, with `X-Sdk-Date`, `X-Security-Token` and the `Authorization` that signs all of them.

    Same as `huaweicloudsdkcore.signer.signer.Signer`, to the byte.

    Args:
        path: as sent, percent-encoded or not.
        at: the time to sign for, UTC.
    """
    signed = Headers(headers)
    signed["X-Sdk-Date"] = date = at.astimezone(UTC).strftime(DATE_FORMAT)
    if key.security_token is not None:
        signed["X-Security-Token"] = key.security_token
    lines = sorted((name.lower(), value.strip()) for name, value in signed.items() if "_" not in name)
    names = ";".join(name for name, _ in lines)
    uri = quote(unquote(path), safe="/")
    request = "\n".join(
        (
            method.upper(),
            uri if uri.endswith("/") else uri + "/",
            make_query_string(query),
            *(f"{name}:{value}" for name, value in lines),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    text = f"{ALGORITHM}\n{date}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(key.secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
    signed["Authorization"] = f"{ALGORITHM} Access={key.access_key}, SignedHeaders={names}, Signature={signature}"
    return signed


def make_login(login: Password, project_id: str) -> dict[str, object]:
    """The body that asks IAM for a token of one project (`POST /v3/auth/tokens`)."""
    user = {"name": login.username, "password": login.password, "domain": {"name": login.domain_name}}
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": {"project": {"id": project_id}}}}


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token from IAM, and how long it lives, in seconds from the answer, by IAM's own clock."""

    token: str = field(repr=False)
    life_seconds: float


class TokenCache:
    """One token for all workers of a client: fetched once, renewed ahead of its expiry, or when a request was refused.

    A refused password is not tried again, as IAM locks an account after a few. Lives in one event loop.
    """

    def __init__(self, fetch: Callable[[], Awaitable[IssuedToken]], monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._token: IssuedToken | None = None
        self._renew_at = 0.0
        self._failures = 0
        self._failure: MetaStudioError | None = None

    async def get(self, refused: str | None = None) -> str:
        """A token that is valid for a while.

        Args:
            refused: the token that the API answered 401 to; another one is returned.

        Raises:
            CredentialsError: IAM refuses the credentials.
            UnavailableError: IAM cannot be reached or makes no sense.
        """
        if (token := self._find(refused)) is not None:
            return token
        failures = self._failures
        async with self._lock:
            if (token := self._find(refused)) is not None:
                return token
            if self._failure is not None and (
                self._failures != failures or not isinstance(self._failure, UnavailableError)
            ):
                raise _copy(self._failure)
            await self._renew()
            assert self._token is not None
            return self._token.token

    def _find(self, refused: str | None) -> str | None:
        if self._token is None or self._token.token == refused or self._monotonic() >= self._renew_at:
            return None
        return self._token.token

    async def _renew(self) -> None:
        asked_at = self._monotonic()
        try:
            issued = await self._fetch()
        except (CredentialsError, ConfigurationError, UnavailableError) as error:
            self._failures += 1
            self._failure = _copy(error)
            raise
        margin = min(RENEWAL_SECONDS, RENEWAL_SHARE * issued.life_seconds)
        self._token = issued
        self._renew_at = asked_at + issued.life_seconds - margin


def _copy(error: MetaStudioError) -> MetaStudioError:
    return type(error)(error.message, hint=error.hint, code=error.code, request_id=error.request_id)
