"""Makes the answers that are not a list: errors of the API and the gateway, and invalid ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

JSON: Final = "application/json"
HTML: Final = "text/html"
GARBAGE: Final = b'{"count": 3, "jobs": [\xff\xfe\x00 <!-- \x80'

_CODES: Final = {
    400: "MSS.00000003",
    401: "MSS.00000001",
    403: "APIGW.0302",
    404: "MSS.00000002",
    429: "APIGW.0308",
    500: "MSS.00000004",
}
_MESSAGES: Final = {
    "APIGW.0101": "The API does not exist or has not been published in the environment",
    "APIGW.0301": "Incorrect IAM authentication information",
    "APIGW.0302": "The IAM user is not allowed to access the API",
    "APIGW.0308": "The throttling threshold has been reached: policy user over ratelimit",
    "MSS.00000001": "Unauthorized",
    "MSS.00000002": "Not Found",
    "MSS.00000003": "Invalid parameter",
    "MSS.00000004": "Internal Error",
    "MSS.00010003": "The API does not exist",
    "MSS.00010008": "Invalid token",
    "MSS.00010009": "The token does not match the project",
    "MSS.00022009": "The account is frozen",
    "MSS.00022010": "The account is not verified",
    "MSS.00024001": "No privilege",
}
_TITLES: Final = {
    414: "414 Request-URI Too Large",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}


@dataclass(slots=True)
class Response:
    """A status, a body and the headers that belong to it alone."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def make_json(status: int, value: Any, **headers: str) -> Response:
    """Return a response with a JSON body. Underscores in header names become dashes."""
    return Response(
        status, orjson.dumps(value), headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def make_error(status: int, code: str | None = None, message: str | None = None) -> Response:
    """Return an error as the API and its gateway write it.

    Args:
        code: the error code; by default, the usual one of the status.
        message: the message; by default, the usual one of the code.
    """
    code = code or _CODES[status]
    return make_json(status, {"error_code": code, "error_msg": message or _MESSAGES.get(code, "")})


def make_no_such_api() -> Response:
    return make_error(404, "APIGW.0101")


def make_throttled(retry_after: float | str | None) -> Response:
    response = make_error(429)
    if retry_after is not None:
        response.headers["Retry-After"] = f"{retry_after:g}" if isinstance(retry_after, int | float) else retry_after
    return response


def make_gateway_page(status: int) -> Response:
    """Return the HTML page that a gateway sends instead of the service's answer."""
    title = _TITLES[status]
    head, body = f"<head><title>{title}</title></head>", f"<center><h1>{title}</h1></center>"
    page = f"<html>\r\n{head}\r\n<body>\r\n{body}\r\n</body>\r\n</html>\r\n"
    return Response(status, page.encode(), HTML)
