"""Signs requests with AK/SK (SDK-HMAC-SHA256), as the vendor's SDK does."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from metastudio.api.auth import AccessKey, Auth, Headers, Query
from metastudio.api.retry import Clock, UnauthenticatedError

ALGORITHM = "SDK-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
CLOCK_SECONDS = 300.0  # a local clock that is further off is the likely cause of a 401


def make_query_string(query: Query) -> str:
    """Return the canonical query string, which is what is signed and what must be sent."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query))


def make_signed_headers(
    key: AccessKey,
    method: str,
    path: str,
    query: Query,
    headers: Mapping[str, str],
    at: datetime,
    body: bytes = b"",
) -> Headers:
    """Return the headers with `X-Sdk-Date`, `X-Security-Token` and the `Authorization`.

    All headers are signed. The result equals that of `huaweicloudsdkcore.signer.signer.Signer`,
    byte for byte.

    Args:
        path: as sent, percent-encoded or not.
        headers: the other headers, including `Host`.
        at: the time to sign for, UTC.
    """
    signed = Headers(headers)
    signed["X-Sdk-Date"] = date = at.astimezone(UTC).strftime(DATE_FORMAT)
    if key.security_token is not None:
        signed["X-Security-Token"] = key.security_token
    lines = sorted((name.lower(), value.strip()) for name, value in signed.items() if "_" not in name)
    names = ";".join(name for name, _ in lines)
    uri = quote(unquote(path), safe="/")
    canonical = (
        *(method.upper(), uri if uri.endswith("/") else uri + "/", make_query_string(query)),
        *(f"{name}:{value}" for name, value in lines),
        *("", names, hashlib.sha256(body).hexdigest()),
    )
    request = "\n".join(canonical)
    text = f"{ALGORITHM}\n{date}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(key.secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
    signed["Authorization"] = f"{ALGORITHM} Access={key.access_key}, SignedHeaders={names}, Signature={signature}"
    return signed


class KeyAuth(Auth):
    """Signs each request with the current time. A 401 corrects a local clock that is off."""

    def __init__(self, key: AccessKey, project_id: str, clock: Clock) -> None:
        self._key = key
        self._project_id = project_id
        self._clock = clock
        self._offset = timedelta()

    def make_headers(self, path: str, query: Query, headers: Headers, token: str | None) -> Headers:
        headers = Headers(headers, **{"X-Project-Id": self._project_id})
        return make_signed_headers(self._key, "GET", path, query, headers, self._clock.now() + self._offset)

    def on_refused(self, failure: UnauthenticatedError) -> None:
        """Adopt the server's clock, or name the local clock as a possible cause."""
        if self._offset:
            minutes = -self._offset.total_seconds() / 60
            failure.hint += f" This machine's clock was {minutes:+.0f} min off (X-Sdk-Date): set it."
        if failure.server_time is not None:
            offset = failure.server_time - self._clock.now()
            if abs((offset - self._offset).total_seconds()) > CLOCK_SECONDS:
                self._offset = offset
