"""The answers that are no list: the API's errors, the gateway's, and nonsense. Bodies as in `api/facts.md`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

JSON: Final = "application/json"
HTML: Final = "text/html"


@dataclass(slots=True)
class Answer:
    """A status, a body and the headers that belong to it alone."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def make_json(status: int, value: Any, **headers: str) -> Answer:
    """An answer with a JSON body; underscores in header names become dashes."""
    return Answer(status, orjson.dumps(value), headers={name.replace("_", "-"): text for name, text in headers.items()})


def make_error(status: int, code: str, message: str) -> Answer:
    """An error as the API and its gateway write it."""
    return make_json(status, {"error_code": code, "error_msg": message})


def invalid_parameter() -> Answer:
    return make_error(400, "MSS.00000003", "Invalid parameter")


def unauthorized() -> Answer:
    return make_error(401, "MSS.00000001", "Unauthorized")


def bad_signature(detail: str) -> Answer:
    return make_error(401, "APIGW.0301", f"Incorrect IAM authentication information: {detail}")


def forbidden() -> Answer:
    return make_error(403, "APIGW.0302", "The IAM user is not allowed to access the API")


def not_found() -> Answer:
    return make_error(404, "MSS.00000002", "Not Found")


def no_such_api() -> Answer:
    return make_error(404, "APIGW.0101", "The API does not exist or has not been published in the environment")


def throttled(retry_after: float | str | None) -> Answer:
    answer = make_error(429, "APIGW.0308", "The throttling threshold has been reached: policy user over ratelimit")
    if retry_after is not None:
        answer.headers["Retry-After"] = f"{retry_after:g}" if isinstance(retry_after, int | float) else retry_after
    return answer


def internal_error() -> Answer:
    return make_error(500, "MSS.00000004", "Internal Error")


def gateway_page(status: int) -> Answer:
    """The HTML page that a gateway puts before a service that does not answer."""
    title = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}[status]
    head, body = f"<head><title>{title}</title></head>", f"<center><h1>{title}</h1></center>"
    page = f"<html>\r\n{head}\r\n<body>\r\n{body}\r\n</body>\r\n</html>\r\n"
    return Answer(status, page.encode(), HTML)


GARBAGE: Final = b'{"count": 3, "jobs": [\xff\xfe\x00 <!-- \x80'
