"""Which addresses credentials may be sent to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metastudio.api.regions import REGIONS, find_region, make_base_url
from metastudio.errors import ConfigurationError


@pytest.mark.parametrize(("name", "quota"), [("cn-north-4", 20), ("cn-east-3", 10), ("ap-southeast-3", 10)])
def test_each_region_has_its_hosts_and_its_quota(name: str, quota: float) -> None:
    region = find_region(name)
    assert (region.name, region.requests_per_second) == (name, quota)
    assert region.endpoint == f"metastudio.{name}.myhuaweicloud.com"
    assert region.iam == f"iam.{name}.myhuaweicloud.com"


def test_an_unknown_region_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_region("mars-1")
    assert all(name in str(caught.value) for name in REGIONS)


@pytest.mark.parametrize(
    ("endpoint", "base_url"),
    [
        ("metastudio.cn-north-4.myhuaweicloud.com", "https://metastudio.cn-north-4.myhuaweicloud.com"),
        (" HTTPS://API.Example.com/ ", "https://api.example.com"),
        ("https://api.example.com:443", "https://api.example.com"),
        ("api.example.com:8443", "https://api.example.com:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_endpoint_becomes_a_base_url(endpoint: str, base_url: str) -> None:
    assert make_base_url(endpoint) == base_url
    assert make_base_url(base_url) == base_url


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "https://",
        "http://api.example.com",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://2130706433",
        "http://[::2]",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://user:canary@api.example.com",
        "http://127.0.0.1@evil.example.com",
        "https://api.example.com/v1",
        "https://api.example.com?x=canary",
        "https://api.example.com?",
        "https://api.example.com#canary",
        "https://api.example.com:99999",
        "https://api.example.com:port",
        "https://api_example.com",
        "https://api..example.com",
        "https://-example.com",
        "https://api.example.com\\@evil.example.com",
        "https://api example.com",
        "https://[fe80::1%25eth0]",
        "https://[::1",
        "https://例え.jp",
    ],
)
def test_another_address_is_refused_and_not_repeated(endpoint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_base_url(endpoint)
    assert "canary" not in str(caught.value)
    assert "evil" not in str(caught.value)


@given(st.text(max_size=60) | st.from_regex(r"https?://[ -~]{0,40}", fullmatch=True))
def test_any_text_is_a_base_url_or_a_configuration_error(text: str) -> None:
    try:
        base_url = make_base_url(text)
    except ConfigurationError:
        return
    assert make_base_url(base_url) == base_url
    assert base_url.startswith(
        ("https://", "http://127.", "http://localhost", "http://[::1]", "http://[0", "http://[:")
    )
