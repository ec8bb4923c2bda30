"""The addresses of the API, and the rules for addresses that credentials may be sent to.

A base URL made here is https, or http on this machine only, and consists of a host and a port. This
module knows no requests and no credentials.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from metastudio.errors import ConfigurationError

DEFAULT_PORTS = {"https": 443, "http": 80}
USUAL_REQUESTS_PER_SECOND = 10.0  # for a region that is not listed: the lowest known quota

_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", re.ASCII)
_PROJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Region:
    """A region of the vendor: hosts without scheme, and the quota of one tenant."""

    name: str
    endpoint: str
    iam: str
    requests_per_second: float


def _make_region(name: str, requests_per_second: float) -> Region:
    return Region(name, f"metastudio.{name}.myhuaweicloud.com", f"iam.{name}.myhuaweicloud.com", requests_per_second)


REGIONS = {
    region.name: region
    for region in (
        _make_region("cn-north-4", 20),
        _make_region("cn-east-3", 10),
        _make_region("ap-southeast-3", 10),
    )
}


def find_region(name: str, endpoint: str | None = None) -> Region:
    """Return the region of this name. A region that is not listed needs the endpoint of its API.

    Raises:
        ConfigurationError: the region is not listed and no endpoint is given, or the name is not
            valid.
    """
    name = name.strip().lower()
    if name in REGIONS:
        return REGIONS[name]
    if not endpoint:
        raise ConfigurationError(
            "The region is not one of those listed.",
            hint=f"Set region to one of {', '.join(REGIONS)}, or set endpoint to the host of the API in your region.",
        )
    if not _HOST_NAME.fullmatch(name) or "." in name:
        raise ConfigurationError("The region is not a valid name.", hint="Write it as in cn-north-4.")
    return _make_region(name, USUAL_REQUESTS_PER_SECOND)


def check_project_id(project_id: str | None) -> str:
    """Return a project ID that can be sent.

    Raises:
        ConfigurationError: the ID is missing, or has characters other than letters and digits.
    """
    if project_id and _PROJECT_ID.fullmatch(project_id):
        return project_id
    raise ConfigurationError(
        "The project ID is not made of letters and digits." if project_id else "The project ID is missing.",
        hint="Set SOURCES__METASTUDIO__PROJECT_ID, or for one of several tenants SOURCES__METASTUDIO__<NAME>__PROJECT_ID"
        " (console: My Credentials, API Credentials, Projects).",
    )


def check_app_user_id(app_user_id: str | None) -> str | None:
    """Return an app_user_id that can be sent as a header, or None if it is empty.

    Raises:
        ConfigurationError: the ID has characters that are not ASCII, or only blanks.
    """
    if not app_user_id:
        return None
    if app_user_id.isascii() and app_user_id.isprintable() and app_user_id.strip():
        return app_user_id
    raise ConfigurationError(
        "sources.metastudio.app_user_id holds characters that are not ASCII, or only blanks.",
        hint="The API takes it as a header, in ASCII only.",
    )


def is_loopback(host: str) -> bool:
    """Return whether a host name means this machine: 127.0.0.0/8, ::1 or localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_base_url(endpoint: str) -> str:
    """Return the base URL `https://host[:port]` of an endpoint given as a host, or with its scheme.

    Raises:
        ConfigurationError: the endpoint is http on another machine, or has another scheme, user
            information, a path, a query, a fragment, or no host. The message does not contain the
            endpoint, which could include a password.
    """
    text = endpoint.strip()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    host = parts.hostname or ""
    if problem := _find_problem(parts, host, text):
        raise ConfigurationError(
            f"The endpoint {problem}.", hint="Give a host, as in metastudio.cn-north-4.myhuaweicloud.com."
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port and port != DEFAULT_PORTS[parts.scheme] else "")


def _find_problem(parts: SplitResult, host: str, text: str) -> str:
    if "@" in parts.netloc:
        return "holds user information"
    if parts.scheme not in DEFAULT_PORTS:
        return "is neither https nor, on this machine, http"
    if parts.path not in ("", "/") or "?" in text or "#" in text:
        return "holds more than a host and a port"
    if not _is_host(host):
        return "has no valid host name"
    if parts.scheme == "http" and not is_loopback(host):
        return "is plain http, which is allowed on loopback only"
    return ""


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host)) and "%" not in host
        except ValueError:
            return False
    return len(host) <= 253 and _HOST_NAME.fullmatch(host) is not None
