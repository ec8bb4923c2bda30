"""Turns an answer of the API or IAM into a page of jobs or a failure.

The type of a failure says what helps. Its text contains no header, body or query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any

import orjson

from metastudio.api.error_rules import RETRYABLE, Rule, find_code_rule, find_iam_rule, find_rule
from metastudio.api.retry import AttemptError, FatalError, RequestCounters, RetryableError
from metastudio.api.transport import HttpResponse
from metastudio.records.answer import decode_answer
from metastudio.redaction import redact, redact_id

MAX_ERROR_BYTES = 64 * 1024

_CODE = re.compile(r"[A-Za-z]{2,16}(\.[A-Za-z0-9]{1,12}){1,3}", re.ASCII)
_INTEGRAL = re.compile(r"\s*(\d{1,18})(\.0{1,9})?\s*", re.ASCII)


@dataclass(slots=True)
class JobsPage:
    """A page of jobs.

    Args:
        count: the number of jobs that match, not of those on the page; None if the API does not
            say.
        jobs: documented jobs; or all items as the API sent them, objects or not.
        server_time: when the API answered, by its own clock, UTC.
        counters: the requests that it took to get the page.
    """

    count: int | None
    jobs: Sequence[Any]
    server_time: datetime
    request_id: str | None
    counters: RequestCounters = field(default_factory=RequestCounters)


def make_failure(response: HttpResponse, secrets: tuple[str, ...]) -> AttemptError:
    """Return the failure for an answer of the API whose status is not 200."""
    code, message = read_problem(response, secrets)
    return _make_failure(response, find_rule(response.status, code), code, message, secrets)


def make_iam_failure(response: HttpResponse, secrets: tuple[str, ...]) -> AttemptError:
    """Return the failure for an answer of IAM whose status is not 200 or 201."""
    code, message = read_problem(response, secrets)
    return _make_failure(response, find_iam_rule(response.status), code, message, secrets)


def _make_failure(
    response: HttpResponse, rule: Rule, code: str | None, message: str, secrets: tuple[str, ...]
) -> AttemptError:
    reason = f"answered {response.status}" + (f": {message}" if message else "")
    if 300 <= response.status < 400 and rule.failure is FatalError:
        where = f" to {response.location_host}" if response.location_host else ""
        reason = f"redirects{where}, which is not followed"
    return rule.failure(
        reason,
        rule.error,
        hint=rule.hint,
        status=response.status,
        code=code,
        request_id=redact_id(response.request_id, secrets),
        retry_after_seconds=response.retry_after_seconds,
        server_time=response.server_time,
    )


def read_problem(response: HttpResponse, secrets: tuple[str, ...] = ()) -> tuple[str | None, str]:
    """Return an answer's `error_code` and `error_msg`, or IAM's `error.code` and `error.message`.

    A value is None or empty if it is absent, is not a code, or contains a secret.
    """
    if not response.body.lstrip().startswith(b"{") or len(response.body) > MAX_ERROR_BYTES:
        return None, ""
    try:
        return _read_problem(load_json(response), secrets)
    except (ValueError, RecursionError):
        return None, ""


def _read_problem(answer: dict[str, Any], secrets: tuple[str, ...]) -> tuple[str | None, str]:
    inner = answer.get("error")
    code, message = answer.get("error_code"), answer.get("error_msg")
    if isinstance(inner, dict):
        code, message = code or inner.get("code"), message or inner.get("message")
    known = redact_id(code, secrets) if isinstance(code, str) and _CODE.fullmatch(code) else None
    return known, redact(message, secrets) if isinstance(message, str) else ""


def parse_jobs_page(response: HttpResponse, server_time: datetime | None, secrets: tuple[str, ...]) -> JobsPage:
    """Return the page of an answer: count and jobs are both optional, and `{}` is an empty page.

    Args:
        server_time: when the API answered, if that is known.

    Raises:
        AttemptError: the answer is not a page of jobs.
    """
    documented = decode_answer(_make_utf8(response)) if response.status == 200 else None
    count, jobs = (documented.count, documented.jobs) if documented else _read_answer(response, secrets)
    if server_time is None:
        reason = "answered 200 without a Date header, which has the server's time"
        raise _make_invalid_answer(reason, response, secrets)
    return JobsPage(count, jobs, server_time, redact_id(response.request_id, secrets))


def _read_answer(response: HttpResponse, secrets: tuple[str, ...]) -> tuple[int | None, list[Any]]:
    """Return the count and the jobs of an answer that is not as documented."""
    answer = _load_answer(response, secrets)
    jobs, count = answer.get("jobs"), _read_count(answer.get("count"))
    if not isinstance(jobs, list | None):
        raise _make_invalid_answer("answered 200 without a list of jobs", response, secrets)
    if count is None and answer.get("count") is not None:
        raise _make_invalid_answer("answered 200 without an integer count", response, secrets)
    return count if jobs else count or 0, jobs or []


def _load_answer(response: HttpResponse, secrets: tuple[str, ...]) -> dict[str, Any]:
    """Return the object of an answer that has a count, jobs or neither.

    Raises:
        AttemptError: the answer is an error, whatever its status is, or another object.
    """
    if response.status != 200:
        raise make_failure(response, secrets)
    try:
        answer = load_json(response)
    except (ValueError, RecursionError):
        looks = "HTML" if response.body.lstrip()[:1] == b"<" else "what is not JSON"
        raise _make_invalid_answer(f"answered 200 with {looks}", response, secrets) from None
    code, message = _read_problem(answer, secrets) if isinstance(answer, dict) else (None, "")
    if code is not None:
        raise _make_failure(response, find_code_rule(code) or RETRYABLE, code, message, secrets)
    said = f": {message}" if message else ""
    if not isinstance(answer, dict) or (answer and answer.keys().isdisjoint(("count", "jobs"))):
        raise _make_invalid_answer(f"answered 200 without a count and without jobs{said}", response, secrets)
    return answer


def parse_isolation(response: HttpResponse, secrets: tuple[str, ...]) -> bool | None:
    """Return whether IAM-user isolation is on, or None if an answer does not say.

    Raises:
        AttemptError: the answer is not 200.
    """
    if response.status != 200:
        raise make_failure(response, secrets)
    try:
        value = load_json(response)["sub_account_control_config"]["separately_controlled"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return value if isinstance(value, bool) else None


def _make_invalid_answer(reason: str, response: HttpResponse, secrets: tuple[str, ...]) -> AttemptError:
    request_id = redact_id(response.request_id, secrets)
    return RetryableError(reason, status=response.status, request_id=request_id)


def _read_count(value: object) -> int | None:
    """Return the count as an integer, or None. Some gateways write it as text or as a float."""
    if isinstance(value, str):
        match = _INTEGRAL.fullmatch(value)
        return int(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 0:
        return None
    return int(value)


def load_json(response: HttpResponse) -> Any:
    """Return the JSON of a body in its declared charset.

    A lone surrogate, a bare line break, a NaN or an out-of-range number makes one value invalid
    JSON. The other values must not be lost with it.

    Raises:
        ValueError: the body is not JSON.
    """
    body = _make_utf8(response)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        lenient = json.loads(
            body.decode("utf-8-sig", "replace"),
            strict=False,
            parse_constant=lambda _name: None,
            parse_float=_read_number,
            parse_int=lambda text: int(text) if len(text) < 19 else _read_number(text),
        )
        return orjson.loads(json.dumps(lenient, ensure_ascii=False).encode("utf-8", "replace"))


def _make_utf8(response: HttpResponse) -> bytes:
    charset = (response.charset or "utf-8").lower()
    if charset in ("utf-8", "utf8", "us-ascii", "ascii"):
        return response.body
    try:
        return response.body.decode(charset, "replace").encode("utf-8", "replace")
    except (LookupError, UnicodeError):  # an unknown charset: JSON is UTF-8
        return response.body


def _read_number(text: str) -> float | None:
    """Return the number, or None if it is out of a float's range."""
    number = float(text)
    return number if isfinite(number) else None
