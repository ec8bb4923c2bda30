"""Which addresses credentials may be sent to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metastudio.api.endpoints import REGIONS, check_app_user_id, check_project_id, find_region, make_base_url
from metastudio.errors import ConfigurationError


@pytest.mark.parametrize(("name", "quota"), [("cn-north-4", 20), ("cn-east-3", 10), ("ap-southeast-3", 10)])
def test_each_region_has_its_hosts_and_its_quota(name: str, quota: float) -> None:
    region = find_region(name)
    assert (region.name, region.requests_per_second) == (name, quota)
    assert region.endpoint == f"metastudio.{name}.myhuaweicloud.com"
    assert region.iam == f"iam.{name}.myhuaweicloud.com"


def test_a_region_that_is_not_listed_works_with_an_endpoint() -> None:
    region = find_region(" EU-West-101 ", endpoint="metastudio.example.com")
    assert (region.name, region.requests_per_second) == ("eu-west-101", 10)
    assert region.iam == "iam.eu-west-101.myhuaweicloud.com"


def test_a_region_that_is_not_listed_is_refused_without_an_endpoint() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_region("mars-1")
    assert all(name in caught.value.hint for name in (*REGIONS, "endpoint"))


@pytest.mark.parametrize("name", ["", "a.b", "canary/..", "canary@evil", "-a"])
def test_a_region_whose_name_cannot_be_part_of_a_host_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_region(name, endpoint="metastudio.example.com")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("project_id", [None, "", "../canary", "canary\n", "x" * 65])
def test_a_project_id_that_cannot_be_sent_is_refused(project_id: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_project_id(project_id)
    assert "SOURCES__METASTUDIO__PROJECT_ID" in caught.value.hint
    assert "canary" not in str(caught.value)
    assert check_project_id("0d69_cd-79") == "0d69_cd-79"


@pytest.mark.parametrize("app_user_id", [" ", "canaryé", "canary\r\nX: y"])
def test_an_app_user_id_that_cannot_be_a_header_is_refused(app_user_id: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_app_user_id(app_user_id)
    assert "canary" not in str(caught.value)
    assert check_app_user_id("user 7") == "user 7"
    assert check_app_user_id("") is check_app_user_id(None) is None


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
