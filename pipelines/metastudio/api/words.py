"""Words of a server, made fit to be shown: the API's code, its message, the X-Request-Id, and which page was asked for.

What looks like a secret, or is one of those named, is cut. Pure; knows no HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import orjson

MAX_MESSAGE_CHARACTERS = 200
MAX_PARSED_BYTES = 64 * 1024

_CODE = re.compile(r"[A-Za-z]{2,16}(\.[A-Za-z0-9]{1,12}){1,3}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}", re.ASCII)
_SAFE_VALUE = re.compile(r"[0-9TZ:-]{1,20}", re.ASCII)
_CUTS = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"(?s)SDK-HMAC.*",  # an Authorization, and what follows it
        r"\?\S*",  # the query of a URL
        r"(?i)[a-z0-9_-]{0,40}(?:signature|token|access|secret|password|authorization|key)[a-z0-9_-]{0,40}[\"']?"
        r"\s{0,9}[=:]\s{0,9}(?:bearer\s+|basic\s+)?\S+",  # a setting or header that holds one, with its value
        r"[A-Za-z0-9+/=_%-]{20,}",  # keys, hashes, base64
    )
)


def make_safe_text(text: str, secrets: Iterable[str] = ()) -> str:
    """The text on one line, at most 200 characters, without the secrets and without what looks like one."""
    for secret in secrets:
        for form in {secret, quote(secret, safe="")}:
            text = text.replace(form, "…")
    for cut in _CUTS:
        text = cut.sub("…", text[:2_000])
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else text[: MAX_MESSAGE_CHARACTERS - 1] + "…"


def make_request_id(text: str | None) -> str | None:
    """An X-Request-Id as it is, where it has the form of one."""
    return text if text and _REQUEST_ID.fullmatch(text) else None


def make_safe_id(text: str | None, secrets: Iterable[str]) -> str | None:
    """An X-Request-Id, unless a server put a secret into it."""
    return None if text is None or any(secret in text for secret in secrets) else text


def make_problem(body: bytes, secrets: tuple[str, ...] = ()) -> tuple[str | None, str]:
    """The `error_code` and the `error_msg` of a body, or IAM's `error.title` and `error.message`; None and empty where it has none."""
    if not body.lstrip().startswith(b"{") or len(body) > MAX_PARSED_BYTES:
        return None, ""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None, ""
    inner = answer.get("error")
    code, message = answer.get("error_code"), answer.get("error_msg")
    if isinstance(inner, dict):
        code, message = code or inner.get("code"), message or inner.get("message")
    known = isinstance(code, str) and _CODE.fullmatch(code) and make_safe_id(code, secrets)
    return (code if known else None), (make_safe_text(message, secrets) if isinstance(message, str) else "")


def make_page_name(query: Mapping[str, str]) -> str:
    """Which page a query asks for, in words: offset, limit and window, and nothing else of it."""
    names = ("offset", "limit", "create_since", "create_until")
    shown = [f"{name} {query[name]}" for name in names if _SAFE_VALUE.fullmatch(query.get(name, ""))]
    return f"the page at {', '.join(shown)}" if shown else "the first page"
