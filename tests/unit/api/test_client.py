"""What the client sends, what it returns, and what it counts."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from metastudio.api.auth import Password, Token
from metastudio.api.rate_limiter import Permit, RateLimiter
from metastudio.api.retry import Clock, RequestCounters
from metastudio.api.signing import make_signed_headers
from metastudio.errors import ConfigurationError, UnavailableError

from tests.support.loopback import (
    KEY,
    PAGE,
    FakeClock,
    Script,
    error,
    fetch,
    hang,
    make_client,
    page,
    reset,
    serve,
    without_date,
)


def test_a_page_comes_with_its_count_its_server_time_and_its_request_id() -> None:
    script = Script(page(Date="Sun, 06 Nov 1994 08:49:37 GMT"))
    answer = fetch(script)
    assert (answer.count, answer.jobs) == (230, PAGE["jobs"])
    assert answer.server_time == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert answer.request_id == "req-1"
    assert answer.counters == RequestCounters(requests=1, total=answer.counters.total)


def test_what_is_signed_is_what_is_sent() -> None:
    script = Script(page())
    params = {"asset_name": "名 字+&=/%~*'", "job_ids": ["b", "a"], "state": "", "limit": 100}
    fetch(script, params, app_user_id="user 7", clock=Clock(now=lambda: datetime(2026, 1, 2, tzinfo=UTC)))
    (request,) = script.seen
    raw_path, _, raw_query = request.raw_path.partition("?")
    assert raw_path == "/v1/p1/digital-human-videos"
    assert raw_query == "asset_name=%E5%90%8D%20%E5%AD%97%2B%26%3D%2F%25~%2A%27&job_ids=a&job_ids=b&limit=100&state="
    names = re.search("SignedHeaders=([^,]+)", request.headers["Authorization"]).group(1).split(";")
    assert names == ["host", "x-app-userid", "x-project-id", "x-sdk-date", "x-security-token"]
    headers = {"Host": request.headers["Host"], "X-App-UserId": "user 7", "X-Project-Id": "p1"}
    pairs = [("asset_name", params["asset_name"]), ("job_ids", "b"), ("job_ids", "a"), ("state", ""), ("limit", "100")]
    signed = make_signed_headers(KEY, "GET", raw_path, pairs, headers, datetime(2026, 1, 2, tzinfo=UTC))
    assert {name: request.headers[name] for name in signed} == dict(signed)
    assert "Cookie" not in request.headers


def test_each_attempt_has_a_new_signature() -> None:
    times = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(9))
    script = Script(error(500), error(502), page())
    naps = FakeClock()
    timing = Clock(naps.clock.monotonic, lambda: next(times), naps.sleep, naps.clock.uniform)
    answer = fetch(script, clock=timing)
    assert answer.counters.retries == 2
    assert [r.headers["X-Sdk-Date"][-3:-1] for r in script.seen] == ["00", "01", "02"]
    assert len({r.headers["Authorization"] for r in script.seen}) == 3


def test_a_ready_token_is_sent_alone() -> None:
    script = Script(page())
    fetch(script, credentials=Token("canaryToken"))
    assert script.seen[0].headers["X-Auth-Token"] == "canaryToken"
    assert not {"Authorization", "X-Sdk-Date", "X-Security-Token"} & set(script.seen[0].headers)


def test_a_text_is_sent_as_it_is_and_a_sequence_as_repeated_parameters() -> None:
    script = Script(page())
    fetch(script, {"state": "WAITING,FAILED", "job_ids": ("a", "b"), "fuzzy_query_field": ["x"]})
    assert script.seen[0].query.getall("state") == ["WAITING,FAILED"]
    assert script.seen[0].query.getall("job_ids") == ["a", "b"]
    assert script.seen[0].query.getall("fuzzy_query_field") == ["x"]


@pytest.mark.parametrize("length", [9_000, 60_000])
def test_a_token_of_any_length_is_sent(length: int) -> None:
    script = Script(page())
    assert fetch(script, credentials=Token("t" * length)).count == 230
    assert script.seen[0].headers["X-Auth-Token"] == "t" * length


def test_an_answer_without_a_date_takes_the_last_one_and_the_time_since() -> None:
    async def main() -> None:
        clock, script = FakeClock(), Script(page(Date="Sun, 06 Nov 1994 08:49:37 GMT"), without_date)
        async with serve(script) as base_url, make_client(base_url, clock=clock.clock) as client:
            await client.fetch_jobs({})
            clock.now += 65.9
            answer = await client.fetch_jobs({})
            assert answer.server_time == datetime(1994, 11, 6, 8, 50, 42, tzinfo=UTC)
            assert answer.counters.requests == 1

    asyncio.run(main())


def test_a_first_answer_without_a_date_is_asked_for_again() -> None:
    assert fetch(Script(without_date, page())).counters.retries == 1
    failure = fetch(Script(without_date), max_attempts=3)
    assert type(failure) is UnavailableError
    assert "Date header" in failure.message


@pytest.mark.parametrize(("attempts", "answered"), [(1, 1), (3, 3)])
def test_a_page_may_be_given_up_after_a_number_of_attempts(attempts: int, answered: int) -> None:
    script = Script(error(500))
    failure = fetch(script, max_attempts=attempts)
    assert (type(failure), failure.status) == (UnavailableError, 500)
    assert len(script.seen) == answered


def test_an_outage_of_a_minute_is_survived() -> None:
    clock = FakeClock()
    began_at = clock.now

    async def recover(request: Any) -> Any:
        return page() if clock.now - began_at > 60 else error(503)

    assert fetch(recover, clock=clock.clock).count == 230


def test_a_name_that_does_not_resolve_for_a_minute_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    began_at, resolved = clock.now, []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        find = loop.getaddrinfo

        async def getaddrinfo(*args: Any, **options: Any) -> Any:
            resolved.append(clock.now)
            if clock.now - began_at <= 60:
                raise OSError("no such name")
            return await find(*args, **options)

        async with serve(Script(page())) as base_url:
            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
            address = base_url.replace("127.0.0.1", "localhost")
            async with make_client(address, clock=clock.clock) as client:
                assert (await client.fetch_jobs({})).count == 230

    asyncio.run(main())
    assert resolved[0] == began_at
    assert resolved[-1] > began_at + 60


def test_a_dead_api_ends_in_the_time_that_the_user_set() -> None:
    script = Script(hang)
    loop_seconds: list[float] = []

    async def main() -> None:
        async with serve(script) as base_url:
            options = {"timeout_seconds": 0.2, "retry_seconds": 0.5, "clock": Clock()}
            async with make_client(base_url, **options) as client:
                began_at = asyncio.get_running_loop().time()
                with pytest.raises(UnavailableError):
                    await client.fetch_jobs({})
                loop_seconds.append(asyncio.get_running_loop().time() - began_at)

    asyncio.run(main())
    assert loop_seconds[0] < 10  # by default, 120


def test_429s_slow_the_limiter_and_do_not_count_as_attempts() -> None:
    limiter = RateLimiter(1000)
    script = Script(*[error(429, "APIGW.0308", Retry_After="0")] * 9, error(500), page())
    answer = fetch(script, rate_limiter=limiter, max_attempts=2)
    assert (answer.counters.retries, answer.counters.throttled) == (1, 9)
    assert limiter.pace < 600
    assert len(script.seen) == 11


def test_retries_go_ahead_of_other_pages() -> None:
    asked: list[bool] = []

    class Listening(RateLimiter):
        def acquire(self, urgent: bool = False) -> Permit:
            asked.append(urgent)
            return super().acquire(urgent)

    fetch(Script(error(500), error(429, Retry_After="0"), page()), rate_limiter=Listening(1000))
    assert asked == [False, True, True]


def test_the_totals_count_every_request() -> None:
    async def main() -> None:
        script = Script(error(500), error(429, Retry_After="0"), page(), page(), error(404))
        async with serve(script) as base_url, make_client(base_url) as client:
            pages = [await client.fetch_jobs({}), await client.fetch_jobs({})]
            with pytest.raises(ConfigurationError):
                await client.fetch_jobs({})
            assert client.counters == RequestCounters(requests=5, retries=1, throttled=1)
            assert [page.counters.requests for page in pages] == [3, 1]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "isolation", "requests"),
    [
        (page({"sub_account_control_config": {"separately_controlled": True}}), True, 1),
        (page({"sub_account_control_config": {"separately_controlled": False}}), False, 1),
        (page({"sub_account_control_config": {"separately_controlled": "yes"}}), None, 1),
        (page({"sub_account_control_config": None}), None, 1),
        (page([]), None, 1),
        (page(b"<html>"), None, 1),
        (error(403, "MSS.00024001"), None, 1),
        (error(404), None, 1),
        (error(500), None, 2),
        (error(429, Retry_After="60"), None, 1),
        (reset, None, 2),
    ],
)
def test_isolation_is_known_or_not_and_never_an_error(answer: Any, isolation: bool | None, requests: int) -> None:
    async def main() -> None:
        script = Script(answer)
        async with serve(script) as base_url, make_client(base_url) as client:
            assert await client.fetch_isolation() is isolation
            assert client.counters.requests == requests == len(script.seen)
            assert script.seen[0].path == "/v1/p1/tenants/service-configs"

    asyncio.run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "http://api.example.com"},
        {"project_id": "../canary"},
        {"project_id": ""},
        {"app_user_id": "canaryé"},
        {"app_user_id": "canary\r\nX: y"},
        {"credentials": Password("canaryUser", "canaryPassword", "canaryDomain")},
        {"credentials": Password("u", "p", "d"), "iam_base_url": "http://iam.example.com"},
        {"credentials": Token("")},
        {"retry_seconds": -1},
        {"timeout_seconds": 0},
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_before_anything_is_sent(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_client(**{"base_url": "https://api.example.com", **options})
    assert "canary" not in str(caught.value)
