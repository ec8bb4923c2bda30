"""What an API's reply means: an `Answer`, or a `Trouble` that says why not and what may be done about it.

Pure: a reply in, a verdict out. The words of troubles hold no header, no body and no query.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from math import isfinite
from typing import Any

import orjson

from metastudio.api.exchange import Fault, Reply
from metastudio.api.words import make_problem, make_safe_id
from metastudio.errors import ConfigurationError, CredentialsError, MetaStudioError, RefusedError, UnavailableError

PATH = "digital-human-videos"


@dataclass(slots=True)
class Answer:
    """A page of jobs, and what it took to get it: `1 + retries + throttled` requests.

    Args:
        count: the number of jobs that match, not of those on the page.
        jobs: as the API sent them, objects or not.
        server_time: the answer's Date, UTC.
    """

    count: int
    jobs: list[Any]
    server_time: datetime
    request_id: str | None
    retries: int = 0
    throttled: int = 0


class Remedy(Enum):
    """What may help."""

    NOTHING = auto()
    AGAIN = auto()
    SLOWER = auto()
    PROOF = auto()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an attempt brought no page; `what` is to be read after the host's name."""

    remedy: Remedy
    kind: type[MetaStudioError]
    what: str
    hint: str = ""
    code: str | None = None
    request_id: str | None = None
    retry_after_seconds: float | None = None
    server_time: datetime | None = None


RETRY_HINT = "Nothing is lost: run again later, and the next run goes on."
SLOWER_HINT = "Lower requests_per_second: the quota is one for all programs of the tenant. " + RETRY_HINT


def make_verdict(reply: Reply | Fault, secrets: tuple[str, ...]) -> Answer | Trouble:
    """The answer in a reply, or what is wrong with it."""
    request_id = make_safe_id(reply.request_id, secrets)
    if isinstance(reply, Fault):
        if reply.is_fatal:
            return Trouble(Remedy.NOTHING, ConfigurationError, reply.reason, reply.hint)
        return Trouble(
            Remedy.AGAIN, UnavailableError, reply.reason, f"{RETRY_HINT} {reply.hint}".rstrip(), request_id=request_id
        )
    if reply.status == 200:
        return _make_answer(reply, request_id)
    code, message = make_problem(reply.body, secrets)
    remedy, kind, hint = _find_remedy(reply.status)
    what = f"answered {reply.status}" + (f": {message}" if message else "")
    if 300 <= reply.status < 400:
        what = "redirects" + (f" to {reply.location_host}" if reply.location_host else "") + ", which is not followed"
    return Trouble(remedy, kind, what, hint, code, request_id, reply.retry_after_seconds, reply.server_time)


def _find_remedy(status: int) -> tuple[Remedy, type[MetaStudioError], str]:
    match status:
        case 400:
            return Remedy.NOTHING, RefusedError, "Check the filters and start_date in the settings."
        case 401:
            return Remedy.PROOF, CredentialsError, "Check the credentials: wrong, expired, or of another region."
        case 403:
            return (
                Remedy.NOTHING,
                CredentialsError,
                "The credentials are known, but may not read this project's videos.",
            )
        case 404:
            return Remedy.NOTHING, ConfigurationError, "Check project_id, region and endpoint: they belong together."
        case 429:
            return Remedy.SLOWER, UnavailableError, SLOWER_HINT
        case 408 | 425:
            return Remedy.AGAIN, UnavailableError, RETRY_HINT
        case _ if 200 < status < 300 or status >= 500:
            return Remedy.AGAIN, UnavailableError, RETRY_HINT
        case _:
            return Remedy.NOTHING, ConfigurationError, "Check region and endpoint: credentials are sent there only."


def _make_answer(reply: Reply, request_id: str | None) -> Answer | Trouble:
    try:
        page = _parse(reply.body)
    except (ValueError, RecursionError):
        looks = "HTML" if reply.body.lstrip()[:1] == b"<" else "no JSON"
        return _make_senseless(f"answered 200 with {looks}", request_id)
    count = page.get("count") if isinstance(page, dict) else None
    if count is None or type(count) is not int or count < 0:
        return _make_senseless("answered 200 without an integer count", request_id)
    jobs = page.get("jobs")
    if not isinstance(jobs, list):
        return _make_senseless("answered 200 without a list of jobs", request_id)
    if reply.server_time is None:
        return _make_senseless("answered 200 without a Date header, which tells the server's time", request_id)
    return Answer(count, jobs, reply.server_time, request_id)


def _parse(body: bytes) -> Any:
    """Parse JSON; where half a character, a bare line break, a NaN or a number past all bounds makes one job no strict JSON, the
    others must not be lost with it.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        lenient = json.loads(
            body.decode("utf-8-sig", "replace"),
            strict=False,
            parse_constant=lambda _name: None,
            parse_float=_parse_number,
            parse_int=lambda text: int(text) if len(text) < 19 else _parse_number(text),
        )
        return orjson.loads(json.dumps(lenient, ensure_ascii=False).encode("utf-8", "replace"))


def _parse_number(text: str) -> float | None:
    """Read a number; None where no float can hold it."""
    number = float(text)
    return number if isfinite(number) else None


def _make_senseless(what: str, request_id: str | None) -> Trouble:
    return Trouble(Remedy.AGAIN, UnavailableError, what, RETRY_HINT, request_id=request_id)
