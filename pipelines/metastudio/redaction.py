"""Removes what must never be shown or stored: secrets, and the queries of presigned URLs.

Pure: no HTTP and no jobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

MAX_TEXT_CHARACTERS = 200

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}", re.ASCII)
_SAFE_VALUE = re.compile(r"[0-9TZ:-]{1,20}", re.ASCII)
_CUTS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"(?s)SDK-HMAC.*",  # an Authorization, and what follows it
        r"\?\S*",  # the query of a URL
        r"(?i)[a-z0-9_-]{0,40}(?:signature|token|access|secret|password|authorization|key)[a-z0-9_-]{0,40}[\"']?"
        r"\s{0,9}[=:]\s{0,9}(?:bearer\s+|basic\s+)?\S+",  # a setting or header that holds one
        r"[A-Za-z0-9+/=_%-]{20,}",  # keys, hashes, base64
    )
)

_IN_QUERY = r"[^\s\"'<>，。；、）】》]"
_SIGNED = re.compile(rf"(https?://(?:(?!https?://)[^\s?\"'<>])*)\?{_IN_QUERY}*", re.IGNORECASE)
# A signed query, recognized by its parameters if no URL precedes it.
_CREDENTIALS = re.compile(
    r"(?:\?|%3F|%253F|\\u003F)[^\s\"'<>?]{0,500}?(?:AccessKeyId|Signature|Credential|Token)(?:=|%3D|%253D|\\u003D)"
    rf"{_IN_QUERY}*",
    re.IGNORECASE,
)
_may_hold_query = re.compile(r"[?%\\]").search


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text on one line of at most 200 characters, without what looks like a secret."""
    for secret in secrets:
        for form in {secret, quote(secret, safe="")}:
            text = text.replace(form, "…")
    for cut in _CUTS:
        text = cut.sub("…", text[:2_000])
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"


def redact_id(text: str | None, secrets: Iterable[str] = ()) -> str | None:
    """Return an X-Request-Id or an error code as it is, or None if it holds a secret."""
    return None if text is None or any(secret in text for secret in secrets) else text


def read_request_id(text: str | None) -> str | None:
    """Return an X-Request-Id, or None if the text does not have the form of one."""
    return text if text and _REQUEST_ID.fullmatch(text) else None


def describe_page(query: Mapping[str, str]) -> str:
    """Return which page a query asks for: offset, limit and window, and nothing else."""
    names = ("offset", "limit", "create_since", "create_until")
    shown = [f"{name} {query[name]}" for name in names if _SAFE_VALUE.fullmatch(query.get(name, ""))]
    return f"the page at {', '.join(shown)}" if shown else "the first page"


def strip_query(url: str) -> str:
    """Return the stable part of a presigned URL."""
    return url.partition("?")[0]


def strip_signed(value: Any) -> Any:
    """Return a JSON value without the queries of its URLs, at any depth."""
    if isinstance(value, str):
        return _CREDENTIALS.sub("", _SIGNED.sub(r"\1", value)) if _may_hold_query(value) else value
    if isinstance(value, dict):
        return {strip_signed(key): strip_signed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [strip_signed(inner) for inner in value]
    return value
