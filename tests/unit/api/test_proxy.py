"""HTTPS_PROXY, ALL_PROXY and NO_PROXY, read as curl reads them."""

from __future__ import annotations

import asyncio

import pytest
from metastudio.api.auth import Token
from metastudio.api.proxy import find_proxy, is_excluded
from metastudio.errors import ConfigurationError, MetaStudioError

from tests.support.loopback import SECRETS, Script, fetch, make_client, page

API = "https://api.example.com"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("no_proxy", "host", "excluded"),
    [
        ("", "api.example.com", False),
        ("*", "api.example.com", True),
        ("other.org, *", "api.example.com", True),
        ("api.example.com", "api.example.com", True),
        ("API.Example.COM", "api.example.com", True),
        ("example.com", "api.example.com", True),
        (".example.com", "api.example.com", True),
        ("*.example.com", "api.example.com", True),
        (".example.com", "example.com", True),
        ("ample.com", "api.example.com", False),
        ("api", "api.example.com", False),
        ("api.example.com.", "api.example.com", True),
        ("a.org b.org\tapi.example.com", "api.example.com", True),
        ("a.org,,b.org,api.example.com,", "api.example.com", True),
        ("example.com:443", "api.example.com", True),
        ("example.com:8443", "api.example.com", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("2.3", "10.1.2.3", False),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("fd00::/8", "fd00::1", True),
        ("[fd00::1]", "fd00::1", True),
        ("[fd00::1]:80", "fd00::1", False),
    ],
)
def test_no_proxy_names_hosts_as_curl_reads_it(no_proxy: str, host: str, excluded: bool) -> None:
    assert is_excluded(host, 443, no_proxy) is excluded


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_each_of_the_variables_names_the_proxy(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert find_proxy(API) is None
    monkeypatch.setenv(name, "proxy.example:3128")
    assert str(find_proxy(API).url) == "http://proxy.example:3128"
    assert find_proxy("http://127.0.0.1:80") is find_proxy("http://localhost") is None
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert find_proxy(API) is None
    assert find_proxy("https://api.example.org") is not None


def test_https_proxy_goes_before_all_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://h")
    monkeypatch.setenv("HTTPS_PROXY", "https://[fd00::1]")
    assert str(find_proxy(API).url) == "https://[fd00::1]"


def test_a_proxy_that_is_not_http_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://canary:canary@h")
    with pytest.raises(ConfigurationError) as caught:
        find_proxy(API)
    assert "ALL_PROXY" in caught.value.hint
    assert "canary" not in str(caught.value)


def test_loopback_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch(Script(page()), credentials=Token("t")).count == 230


def test_a_proxy_gets_its_own_password_and_nothing_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    async def main() -> MetaStudioError:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 407 canary\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            monkeypatch.setenv("HTTPS_PROXY", f"http://canaryUser:canary%20Pass@127.0.0.1:{port}")
            async with make_client(API) as client:
                assert "canary" not in repr(find_proxy(API))
                with pytest.raises(ConfigurationError) as caught:
                    await client.fetch_jobs({})
                return caught.value

    failure = asyncio.run(main())
    assert heard[0].startswith(b"CONNECT api.example.com:443 ")
    assert b"Proxy-Authorization: Basic Y2FuYXJ5VXNlcjpjYW5hcnkgUGFzcw==" in heard[0]
    assert b"SDK-HMAC" not in heard[0]
    assert "X-Security" not in heard[0].decode()
    assert "proxy" in str(failure)
    assert not SECRETS.search(str(failure))
