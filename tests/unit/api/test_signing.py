"""Signatures, compared with those of the vendor's signer, and wrong local clocks."""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from aiohttp import web
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from hypothesis import given, settings
from hypothesis import strategies as st
from metastudio.api.auth import AccessKey
from metastudio.api.retry import Clock
from metastudio.api.signing import make_query_string, make_signed_headers
from metastudio.errors import CredentialsError

from tests.support.loopback import Script, error, fetch, make_client, page, serve

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


@settings(max_examples=500)
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


@settings(max_examples=300)
@given(values=st.lists(UNICODE, max_size=5), at=TIMES)
def test_repeated_values_are_signed_as_the_vendors_lists(values: list[str], at: datetime) -> None:
    key, headers = AccessKey("AK", "SK"), {"Host": "h", "X-Project-Id": "p1"}
    theirs = sign_by_oracle(key, "GET", "/v1/p1/x", [("a", values), ("b", True), ("n", 7)], headers, at, b"")
    pairs = [*(("a", value) for value in values), ("b", "true"), ("n", "7")]
    ours = make_signed_headers(key, "GET", "/v1/p1/x", pairs, headers, at.replace(tzinfo=UTC))
    assert ours["Authorization"] == theirs.header_params["Authorization"]
    assert theirs.uri == f"/v1/p1/x?{make_query_string(pairs)}"


def test_a_time_of_another_zone_is_signed_in_utc() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for zone in (UTC, datetime.strptime("+0800", "%z").tzinfo):
        headers = make_signed_headers(AccessKey("a", "s"), "GET", "/", [], {"Host": "h"}, at.astimezone(zone))
        assert headers["X-Sdk-Date"] == "20260102T030405Z"


def test_a_clock_that_is_off_is_corrected_by_the_servers_once() -> None:
    server_now = datetime.now(UTC)

    async def strict(request: web.Request) -> web.StreamResponse:
        signed_at = datetime.strptime(request.headers["X-Sdk-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
        if abs((signed_at - server_now).total_seconds()) > 900:
            return error(401, "APIGW.0301", "timestamp expired")
        return page()

    for minutes in (-60, 60):
        wrong = Clock(now=lambda minutes=minutes: server_now + timedelta(minutes=minutes))

        async def main(timing: Clock = wrong) -> None:
            script = Script(strict)
            async with serve(script) as base_url, make_client(base_url, clock=timing) as client:
                answers = await asyncio.gather(*(client.fetch_jobs({}) for _ in range(5)))
                assert max(a.counters.retries for a in answers) == 1
                assert (await client.fetch_jobs({})).counters.retries == 0  # the offset is kept

        asyncio.run(main())


def test_a_401_that_the_clock_does_not_explain_is_an_error_that_names_the_clock() -> None:
    script = Script(error(401, "APIGW.0301"))
    failure = fetch(script, clock=Clock(now=lambda: datetime.now(UTC) - timedelta(hours=2)))
    assert type(failure) is CredentialsError
    assert len(script.seen) == 2
    assert "clock was -120 min off" in failure.hint


def test_a_stray_401_is_signed_and_sent_once_more() -> None:
    script = Script(error(401, "APIGW.0301"), page())
    assert fetch(script).counters.retries == 1
    failure = fetch(script := Script(error(401, "APIGW.0301")))
    assert type(failure) is CredentialsError
    assert "clock" not in failure.hint
    assert len(script.seen) == 2
