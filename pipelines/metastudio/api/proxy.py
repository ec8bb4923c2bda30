"""Finds the proxy in HTTPS_PROXY, ALL_PROXY and NO_PROXY, which are read as curl reads them."""

from __future__ import annotations

import ipaddress
import os
import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from yarl import URL

from metastudio.api.endpoints import DEFAULT_PORTS, is_loopback
from metastudio.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. Its password is kept apart from the URL and hidden in the repr."""

    url: URL
    headers: dict[str, str] = field(repr=False)


def find_proxy(base_url: str) -> Proxy | None:
    """Return the proxy for a host, or None. Requests to this machine never use a proxy.

    Raises:
        ConfigurationError: the proxy is not an http or https URL. The message does not contain the
            URL.
    """
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    if is_loopback(host) or is_excluded(host, port, _read_environment("no_proxy")):
        return None
    name = "HTTPS_PROXY" if _read_environment("https_proxy") else "ALL_PROXY"
    text = _read_environment("https_proxy") or _read_environment("all_proxy")
    return _read_proxy(text, name) if text else None


def is_excluded(host: str, port: int, no_proxy: str) -> bool:
    """Return whether NO_PROXY names a host.

    Entries are separated by commas or blanks. An entry is `*`, a name (which also covers its
    subdomains, with or without a leading dot), an IP address, or a network such as 10.0.0.0/8. Each
    entry may have a port.
    """
    host = host.lower().strip("[].")
    return any(_covers(entry, host, port) for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry)


def _covers(entry: str, host: str, port: int) -> bool:
    name, _, wanted = entry.rpartition(":")
    if wanted.isdecimal() and (":" not in name or name.endswith("]")):
        if int(wanted) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    if entry == "*":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        entry = entry.removeprefix("*").strip(".")
        return bool(entry) and (host == entry or host.endswith(f".{entry}"))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _read_environment(name: str) -> str:
    return (os.environ.get(name) or os.environ.get(name.upper()) or "").strip()


def _read_proxy(text: str, name: str) -> Proxy:
    try:
        proxy = urlsplit(text if "://" in text else f"http://{text}")
        if proxy.scheme not in DEFAULT_PORTS or not proxy.hostname:
            raise ValueError
        shown = f"[{proxy.hostname}]" if ":" in proxy.hostname else proxy.hostname
        url = URL(f"{proxy.scheme}://{shown}:{proxy.port or DEFAULT_PORTS[proxy.scheme]}")
    except ValueError:
        url = None
    if url is None:
        raise ConfigurationError(
            "The proxy in the environment is not an http or https URL.",
            hint=f"Correct {name}, or list the host in NO_PROXY.",
        )
    if proxy.username is None:
        return Proxy(url, {})
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return Proxy(url, {"Proxy-Authorization": "Basic " + b64encode(login.encode()).decode()})
