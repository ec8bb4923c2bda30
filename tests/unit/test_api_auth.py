"""Signatures against the vendor's own signer, tokens that are fetched once, credentials that do not show."""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from hypothesis import given, settings
from hypothesis import strategies as st
from metastudio.api.auth import (
    AccessKey,
    Headers,
    IssuedToken,
    Password,
    Token,
    TokenCache,
    make_query_string,
    make_secrets,
    make_signed_headers,
)
from metastudio.errors import ConfigurationError, CredentialsError, UnavailableError

UNICODE = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
ASCII = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
QUERY = st.lists(st.tuples(st.sampled_from(["a", "b", "limit", "offset", "名"]) | UNICODE, UNICODE), max_size=6)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))


def sign_by_oracle(
    key: AccessKey,
    method: str,
    path: str,
    query: list[tuple[str, object]],
    headers: dict[str, str],
    at: datetime,
    body: bytes,
) -> SdkRequest:
    credentials = BasicCredentials(key.access_key, key.secret_key, "p1")
    if key.security_token is not None:
        credentials.with_security_token(key.security_token)
    sent = {name: value for name, value in headers.items() if name != "Host"}
    request = SdkRequest(
        method=method,
        schema="https",
        host=headers["Host"],
        resource_path=path,
        query_params=copy.deepcopy(query),
        header_params={**sent, "X-Sdk-Date": at.strftime("%Y%m%dT%H%M%SZ")},
        body=body,
    )
    return credentials.sign_request(request)


@settings(max_examples=2000, deadline=None)
@given(
    key=st.builds(AccessKey, ASCII, UNICODE.filter(bool), st.none() | ASCII),
    method=st.sampled_from(["GET", "POST", "get"]),
    segments=st.lists(UNICODE, min_size=1, max_size=5),
    is_encoded=st.booleans(),
    query=QUERY,
    extra=st.dictionaries(st.sampled_from(["X-App-UserId", "X-With_Underscore", "Accept"]), UNICODE, max_size=3),
    at=TIMES,
    body=st.just(b"") | st.binary(max_size=30),
)
def test_every_request_is_signed_as_the_vendors_signer_does(
    key: AccessKey,
    method: str,
    segments: list[str],
    is_encoded: bool,
    query: list[tuple[str, str]],
    extra: dict[str, str],
    at: datetime,
    body: bytes,
) -> None:
    path = "/" + "/".join(segments)
    path = quote(path, safe="/") if is_encoded else path
    headers = {"Host": "metastudio.cn-north-4.myhuaweicloud.com", "X-Project-Id": "p1", **extra}
    theirs = sign_by_oracle(key, method, path, list(query), headers, at, body)
    ours = make_signed_headers(key, method, path, query, headers, at.replace(tzinfo=UTC), body)
    assert ours["Authorization"] == theirs.header_params["Authorization"]
    assert ours["X-Sdk-Date"] == theirs.header_params["X-Sdk-Date"]
    assert set(ours) == set(theirs.header_params)
    string = make_query_string(query)
    assert theirs.uri == (f"{path}?{string}" if string else path)


@settings(max_examples=300, deadline=None)
@given(values=st.lists(UNICODE, max_size=5), at=TIMES)
def test_repeated_values_are_signed_as_the_vendors_lists(values: list[str], at: datetime) -> None:
    key, headers = AccessKey("AK", "SK"), {"Host": "h", "X-Project-Id": "p1"}
    theirs = sign_by_oracle(key, "GET", "/v1/p1/x", [("a", values), ("b", True), ("n", 7)], headers, at, b"")
    pairs = [*(("a", value) for value in values), ("b", "true"), ("n", "7")]
    ours = make_signed_headers(key, "GET", "/v1/p1/x", pairs, headers, at.replace(tzinfo=UTC))
    assert ours["Authorization"] == theirs.header_params["Authorization"]


def test_a_time_of_another_zone_is_signed_in_utc() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for zone in (UTC, datetime.strptime("+0800", "%z").tzinfo):
        headers = make_signed_headers(AccessKey("a", "s"), "GET", "/", [], {"Host": "h"}, at.astimezone(zone))
        assert headers["X-Sdk-Date"] == "20260102T030405Z"


@pytest.mark.parametrize(
    "credentials",
    [AccessKey("canary1", "canary2", "canary3"), Token("canary"), Password("canary1", "canary2", "canary3", "iam.h")],
)
def test_credentials_do_not_show(credentials: AccessKey | Token | Password) -> None:
    shown = f"{credentials!r} {credentials} {[credentials]}"
    assert "canary" not in shown
    assert all("canary" in secret for secret in make_secrets(credentials))
    assert "canary" not in repr(IssuedToken("canary", 1))
    headers = Headers({"X-Auth-Token": "canary"})
    assert "canary" not in f"{headers!r} {headers} {[headers]}"


@pytest.mark.parametrize(
    "credentials",
    [
        AccessKey("", "s"),
        AccessKey("a", ""),
        AccessKey("a", "s", ""),
        AccessKey("canary\n", "s"),
        Token("canary\r\nX-Evil: 1"),
        Token("canaryé"),
        Token(" canary"),
        Password("canary", "", "d"),
    ],
)
def test_credentials_that_cannot_be_sent_are_refused_by_name(credentials: AccessKey | Token | Password) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_secrets(credentials)
    assert "canary" not in str(caught.value)
    assert "credentials." in str(caught.value)


class Iam:
    """Issues tokens t1, t2, … of one life, slowly."""

    def __init__(self, life_seconds: float = 86_400, failures: list[Exception] | None = None) -> None:
        self.now, self.life_seconds, self.issued, self.asked = 0.0, life_seconds, 0, 0
        self.failures = failures or []

    def make_cache(self) -> TokenCache:
        return TokenCache(self.fetch, lambda: self.now)

    async def fetch(self) -> IssuedToken:
        self.asked += 1
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.issued += 1
        return IssuedToken(f"t{self.issued}", self.life_seconds)


def test_all_workers_share_one_token_and_one_renewal() -> None:
    async def main() -> None:
        iam = Iam()
        cache = iam.make_cache()
        assert await asyncio.gather(*(cache.get() for _ in range(50))) == ["t1"] * 50
        assert await asyncio.gather(*(cache.get(refused="t1") for _ in range(50))) == ["t2"] * 50
        assert await cache.get(refused="t1") == "t2"
        assert iam.asked == 2

    asyncio.run(main())


@pytest.mark.parametrize(("life", "renewed_after"), [(86_400, 85_800), (1_000, 900), (100, 90)])
def test_a_token_is_renewed_ahead_of_its_expiry(life: float, renewed_after: float) -> None:
    async def main() -> None:
        iam = Iam(life)
        cache = iam.make_cache()
        await cache.get()
        iam.now = renewed_after - 1
        assert await cache.get() == "t1"
        iam.now = renewed_after
        assert await cache.get() == "t2"

    asyncio.run(main())


def test_a_refused_password_is_tried_once_only() -> None:
    async def main() -> None:
        iam = Iam(failures=[CredentialsError("no", code="IAM.0001", request_id="r")] * 9)
        cache = iam.make_cache()
        results = await asyncio.gather(*(cache.get() for _ in range(20)), return_exceptions=True)
        results += await asyncio.gather(cache.get(), return_exceptions=True)
        assert {(type(e), e.code, e.request_id) for e in results} == {(CredentialsError, "IAM.0001", "r")}
        assert iam.asked == 1

    asyncio.run(main())


def test_a_failing_iam_fails_all_who_wait_and_is_asked_again_later() -> None:
    async def main() -> None:
        iam = Iam(failures=[UnavailableError("down")])
        cache = iam.make_cache()
        results = await asyncio.gather(*(cache.get() for _ in range(20)), return_exceptions=True)
        assert {type(e) for e in results} == {UnavailableError}
        assert iam.asked == 1
        assert await cache.get() == "t1"

    asyncio.run(main())


def test_a_cancelled_login_leaves_the_cache_usable() -> None:
    async def main() -> None:
        iam = Iam()
        cache = iam.make_cache()
        task = asyncio.ensure_future(cache.get())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await cache.get() == "t1"

    asyncio.run(main())
