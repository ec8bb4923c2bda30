"""The client over real loopback connections: what it sends, what it survives, what it refuses, and what it never shows."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from metastudio.api.auth import AccessKey, Password, Token, make_signed_headers
from metastudio.api.client import Client
from metastudio.api.exchange import find_proxy
from metastudio.api.pace import Governor, Slot
from metastudio.api.patience import Timing
from metastudio.errors import ConfigurationError, CredentialsError, MetaStudioError, RefusedError, UnavailableError

PAGE = {"count": 230, "jobs": [{"job_id": "a"}, {"job_id": "b"}]}
KEY = AccessKey("canaryAccess", "canarySecret", "canarySecurityToken")
SECRETS = re.compile(r"canary|[0-9a-f]{64}|Signature=|SDK-HMAC|X-Auth-Token|evil-query", re.IGNORECASE)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def page(body: Any = PAGE, status: int = 200, **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(
        body=json.dumps(body).encode() if not isinstance(body, bytes) else body,
        status=status,
        headers={"Content-Type": "application/json", "X-Request-Id": "req-1", **named},
    )


def error(status: int, code: str = "MSS.00000003", message: str = "Invalid parameter", **headers: str) -> web.Response:
    return page({"error_code": code, "error_msg": message}, status, **headers)


def again(answer: web.Response) -> web.Response:
    return web.Response(body=answer.body, status=answer.status, headers=answer.headers)


class Script:
    """Answers one request after the other; the last answer again and again. Keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.seen: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.read())
        answer = self.answers[min(len(self.seen), len(self.answers)) - 1]
        if callable(answer):
            answer = await answer(request)
        return again(answer) if isinstance(answer, web.Response) else answer


@asynccontextmanager
async def serve(handler: Handler):
    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serve_raw(*answers: bytes):
    """Sends raw bytes, one after the other for each connection, and closes; nothing at all for an empty answer."""
    left, talks = list(answers), set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks)
        await server.wait_closed()


class Naps:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []
        self.timing = Timing(monotonic=lambda: self.now, sleep=self.sleep, uniform=lambda low, high: high)

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def make_client(base_url: str, **options: Any) -> Client:
    options = {
        "project_id": "p1",
        "credentials": KEY,
        "governor": Governor(1000),
        "timing": Naps().timing,
        **options,
    }
    return Client(base_url=base_url, **options)


def fetch(handler: Handler, params: Any = None, **options: Any) -> Any:
    """The answer, or the error, of one page."""

    async def main() -> Any:
        async with serve(handler) as base_url, make_client(base_url, **options) as client:
            try:
                return await client.fetch_jobs({"offset": "0", "limit": "100"} if params is None else params)
            except MetaStudioError as error:
                return error
            finally:
                assert client.stats.requests >= 1

    return asyncio.run(main())


def test_a_page_comes_with_its_count_its_server_time_and_its_request_id() -> None:
    script = Script(page(Date="Sun, 06 Nov 1994 08:49:37 GMT"))
    answer = fetch(script)
    assert (answer.count, answer.jobs) == (230, PAGE["jobs"])
    assert answer.server_time == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert (answer.request_id, answer.retries, answer.throttled) == ("req-1", 0, 0)


def test_what_is_signed_is_what_is_sent() -> None:
    script = Script(page())
    params = {"asset_name": "名 字+&=/%~*'", "job_ids": ["b", "a"], "state": "", "limit": 100}
    fetch(script, params, app_user_id="user 7", timing=Timing(now=lambda: datetime(2026, 1, 2, tzinfo=UTC)))
    (request,) = script.seen
    raw_path, _, raw_query = request.raw_path.partition("?")
    assert raw_path == "/v1/p1/digital-human-videos"
    assert raw_query == "asset_name=%E5%90%8D%20%E5%AD%97%2B%26%3D%2F%25~%2A%27&job_ids=b%2Ca&limit=100&state="
    names = re.search("SignedHeaders=([^,]+)", request.headers["Authorization"]).group(1).split(";")
    assert names == ["host", "x-app-userid", "x-project-id", "x-sdk-date", "x-security-token"]
    headers = {"Host": request.headers["Host"], "X-App-UserId": "user 7", "X-Project-Id": "p1"}
    pairs = [("asset_name", params["asset_name"]), ("job_ids", "b,a"), ("state", ""), ("limit", "100")]
    signed = make_signed_headers(KEY, "GET", raw_path, pairs, headers, datetime(2026, 1, 2, tzinfo=UTC))
    assert {name: request.headers[name] for name in signed} == dict(signed)
    assert "Cookie" not in request.headers


def test_each_attempt_is_signed_anew() -> None:
    times = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(9))
    script = Script(error(500), error(502), page())
    naps = Naps()
    timing = Timing(naps.timing.monotonic, lambda: next(times), naps.sleep, naps.timing.uniform)
    answer = fetch(script, timing=timing)
    assert answer.retries == 2
    assert [r.headers["X-Sdk-Date"][-3:-1] for r in script.seen] == ["00", "01", "02"]
    assert len({r.headers["Authorization"] for r in script.seen}) == 3


def test_a_ready_token_is_sent_alone() -> None:
    script = Script(page())
    fetch(script, credentials=Token("canaryToken"))
    assert script.seen[0].headers["X-Auth-Token"] == "canaryToken"
    assert not {"Authorization", "X-Sdk-Date", "X-Security-Token"} & set(script.seen[0].headers)


async def reset(request: web.Request) -> web.StreamResponse:
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"count": 1, "jobs": [')
    request.transport.close()
    return response


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100000"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


async def without_date(request: web.Request) -> web.StreamResponse:
    response = page()
    response.headers["Date"] = "soon"
    return response


HTML = web.Response(text="<html><b>canary</b> gateway</html>", content_type="text/html")
RETRIED = {
    "reset": (reset, "closed the connection"),
    "broken off": (break_off, "broke off"),
    "hanging": (hang, "did not answer within"),
    "dripping": (drip, "did not answer within"),
    "500": (error(500, "MSS.00000004", "Internal Error"), "answered 500: Internal Error"),
    "502 in HTML": (page(HTML.body, 502), "answered 502"),
    "503": (error(503), "answered 503"),
    "408": (error(408), "answered 408"),
    "HTML": (HTML, "answered 200 with HTML"),
    "truncated JSON": (page(b'{"count": 1, "jobs": ['), "no JSON"),
    "empty": (page(b""), "no JSON"),
    "204": (page(b"", 204), "answered 204"),
    "a list": (page([]), "without an integer count"),
    "null": (page(None), "without an integer count"),
    "no count": (page({"jobs": []}), "without an integer count"),
    "text count": (page({"count": "1", "jobs": []}), "without an integer count"),
    "float count": (page({"count": 1.5, "jobs": []}), "without an integer count"),
    "true count": (page({"count": True, "jobs": []}), "without an integer count"),
    "negative count": (page({"count": -1, "jobs": []}), "without an integer count"),
    "no jobs": (page({"count": 1}), "without a list of jobs"),
    "jobs object": (page({"count": 1, "jobs": {}}), "without a list of jobs"),
    "bad gzip": (page(b"no gzip", Content_Encoding="gzip"), "broke off"),
    "no date": (without_date, "Date header"),
}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b'"half a \xe6\x96 character"', "half a \ufffd character"),
        (b'"half a \\ud83d pair"', "half a ? pair"),
        (b'"a bare\nline break"', "a bare\nline break"),
        (b"NaN", None),
        (b"1e400", None),
        (b"9" * 400, None),
        (b"9" * 5000, None),
    ],
)
def test_one_broken_value_does_not_lose_the_page(value: bytes, read: object) -> None:
    script = Script(page(b'{"count": 2, "jobs": [{"job_id": "a", "x": ' + value + b'}, {"job_id": "b", "y": 1.5}]}'))

    assert fetch(script).jobs == [{"job_id": "a", "x": read}, {"job_id": "b", "y": 1.5}]
    assert len(script.seen) == 1


@pytest.mark.parametrize("name", RETRIED)
def test_a_passing_failure_is_retried(name: str) -> None:
    script = Script(RETRIED[name][0], RETRIED[name][0], page())
    answer = fetch(script, timeout_seconds=0.1 if name in ("hanging", "dripping") else 5)
    assert (answer.count, answer.retries, answer.throttled) == (230, 2, 0)
    assert len(script.seen) == 3


@pytest.mark.parametrize("name", RETRIED)
def test_a_lasting_failure_ends_within_the_tries_and_says_why(name: str) -> None:
    script = Script(RETRIED[name][0])
    failure = fetch(script, max_tries=3, timeout_seconds=0.05 if name in ("hanging", "dripping") else 5)
    assert type(failure) is UnavailableError
    assert RETRIED[name][1] in failure.message
    assert "after 3 tries" in failure.message
    assert "offset 0, limit 100" in failure.message
    assert "127.0.0.1:" in failure.message
    assert len(script.seen) == 3
    assert not SECRETS.search(str(failure))
    if isinstance(RETRIED[name][0], web.Response) and name != "HTML":
        assert failure.request_id == "req-1"


@pytest.mark.parametrize(
    ("status", "kind", "code", "words"),
    [
        (400, RefusedError, "MSS.00000003", "Invalid parameter"),
        (403, CredentialsError, "APIGW.0302", "may not read"),
        (404, ConfigurationError, "MSS.00000002", "project_id, region and endpoint"),
        (405, ConfigurationError, "APIGW.0101", "endpoint"),
        (413, ConfigurationError, "APIGW.0201", "endpoint"),
        (401, CredentialsError, "APIGW.0301", "expired"),
    ],
)
def test_a_refusal_is_never_retried(status: int, kind: type[MetaStudioError], code: str, words: str) -> None:
    script = Script(error(status, code), page())
    failure = fetch(script)
    assert type(failure) is kind
    assert (failure.code, failure.request_id) == (code, "req-1")
    assert words in str(failure)
    assert len(script.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_refused_and_its_query_not_shown(status: int) -> None:
    elsewhere = Script(page())

    async def main() -> MetaStudioError:
        async with serve(elsewhere) as other:
            location = f"{other.replace('127.0.0.1', 'localhost')}/v1?Signature=evil-query"
            script = Script(page(b"", status, Location=location), page())
            async with serve(script) as base_url, make_client(base_url) as client:
                with pytest.raises(ConfigurationError) as caught:
                    await client.fetch_jobs({})
                assert len(script.seen) == 1
                return caught.value

    failure = asyncio.run(main())
    assert elsewhere.seen == []
    assert "redirects to localhost" in str(failure)
    assert not SECRETS.search(str(failure))


def test_backoff_doubles_and_ends_with_the_seconds_allowed() -> None:
    naps, script = Naps(), Script(error(500))
    failure = fetch(script, timing=naps.timing, max_tries=100, retry_seconds=30)
    assert type(failure) is UnavailableError
    assert naps.naps == [0.5, 1, 2, 4, 8, 10]
    assert len(script.seen) == 7


def test_a_503_is_asked_again_not_before_its_retry_after() -> None:
    naps, script = Naps(), Script(error(503, Retry_After="7"), page())
    assert fetch(script, timing=naps.timing).retries == 1
    assert naps.naps == [7]


def test_a_dead_api_ends_in_the_time_that_the_user_set() -> None:
    script = Script(hang)
    loop_seconds: list[float] = []

    async def main() -> None:
        async with serve(script) as base_url:
            options = {"timeout_seconds": 0.2, "max_tries": 1000, "retry_seconds": 0.5, "timing": Timing()}
            async with make_client(base_url, **options) as client:
                began_at = asyncio.get_running_loop().time()
                with pytest.raises(UnavailableError):
                    await client.fetch_jobs({})
                loop_seconds.append(asyncio.get_running_loop().time() - began_at)

    asyncio.run(main())
    assert loop_seconds[0] < 1.0


def test_429s_slow_the_governor_and_are_counted_apart_from_tries() -> None:
    governor = Governor(1000)
    script = Script(*[error(429, "APIGW.0308", Retry_After="0")] * 9, error(500), page())
    answer = fetch(script, governor=governor, max_tries=2)
    assert (answer.retries, answer.throttled) == (1, 9)
    assert governor.pace < 600
    assert len(script.seen) == 11


def test_tries_after_the_first_go_ahead_of_other_pages() -> None:
    asked: list[bool] = []

    class Listening(Governor):
        def slot(self, urgent: bool = False) -> Slot:
            asked.append(urgent)
            return super().slot(urgent)

    fetch(Script(error(500), error(429, Retry_After="0"), page()), governor=Listening(1000))
    assert asked == [False, True, True]


def test_a_429_waits_for_its_retry_after() -> None:
    async def main() -> None:
        script = Script(error(429, "APIGW.0308", Retry_After="1"), page())
        async with serve(script) as base_url, make_client(base_url, timing=Timing()) as client:
            began_at = asyncio.get_running_loop().time()
            answer = await client.fetch_jobs({})
            assert asyncio.get_running_loop().time() - began_at >= 1.0
            assert (answer.retries, answer.throttled) == (0, 1)

    asyncio.run(main())


@pytest.mark.parametrize("retry_after", ["3600", format_datetime(datetime(2100, 1, 1, tzinfo=UTC), usegmt=True)])
def test_a_429_that_asks_for_more_patience_than_there_is_ends(retry_after: str) -> None:
    script = Script(error(429, "APIGW.0308", "Too many requests", Retry_After=retry_after))
    failure = fetch(script, retry_seconds=5)
    assert type(failure) is UnavailableError
    assert failure.code == "APIGW.0308"
    assert "requests_per_second" in failure.hint
    assert len(script.seen) == 1


def test_the_totals_count_every_request() -> None:
    async def main() -> None:
        script = Script(error(500), error(429, Retry_After="0"), page(), page(), error(404))
        async with serve(script) as base_url, make_client(base_url) as client:
            answers = [await client.fetch_jobs({}), await client.fetch_jobs({})]
            with pytest.raises(ConfigurationError):
                await client.fetch_jobs({})
            stats = client.stats
            assert (stats.requests, stats.retries, stats.throttled) == (5, 1, 1) == (len(script.seen), 1, 1)
            assert sum(1 + a.retries + a.throttled for a in answers) == 4

    asyncio.run(main())


def test_a_connection_that_was_closed_meanwhile_is_a_counted_retry() -> None:
    async def main() -> None:
        script = Script(page(), reset, page())
        async with serve(script) as base_url, make_client(base_url) as client:
            assert (await client.fetch_jobs({})).retries == 0
            assert (await client.fetch_jobs({})).retries == 1
            assert len(script.seen) == client.stats.requests == 3

    asyncio.run(main())


def test_an_address_without_a_server_or_a_name_is_named() -> None:
    async def main(base_url: str) -> str:
        async with make_client(base_url, max_tries=2) as client:
            with pytest.raises(UnavailableError) as caught:
                await client.fetch_jobs({})
            return str(caught.value)

    assert "127.0.0.1:1 could not be reached: connection refused, after 2 tries" in asyncio.run(
        main("http://127.0.0.1:1")
    )
    unresolved = asyncio.run(main("https://no-such-host.invalid"))
    assert "no-such-host.invalid could not be reached: name not resolved" in unresolved
    assert "check region and endpoint" in unresolved


def test_a_server_without_tls_is_not_spoken_to() -> None:
    async def main() -> str:
        async with (
            serve_raw(b"HTTP/1.1 200 OK\r\n\r\n") as base_url,
            make_client(base_url.replace("http", "https"), max_tries=1, timeout_seconds=1) as client,
        ):
            with pytest.raises(UnavailableError) as caught:
                await client.fetch_jobs({})
            return str(caught.value)

    assert "127.0.0.1" in asyncio.run(main())


@pytest.mark.parametrize(
    "raw",
    [b"SSH-2.0-canary\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\x00: 1\r\n\r\n"],
)
def test_what_is_no_http_is_retried_and_told(raw: bytes) -> None:
    async def main() -> None:
        async with serve_raw(raw) as base_url, make_client(base_url, max_tries=2) as client:
            with pytest.raises(UnavailableError) as caught:
                await client.fetch_jobs({})
            assert "no HTTP, after 2 tries" in str(caught.value)
            assert "canary" not in str(caught.value)

    asyncio.run(main())


def test_a_body_without_end_is_not_read_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metastudio.api.exchange.MAX_BODY_BYTES", 1024 * 1024)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    assert "sent more than 1 MiB" in fetch(endless, max_tries=1).message
    assert "sent more than 1 MiB" in fetch(Script(page(b" " * 1_100_000)), max_tries=1).message


class Iam:
    """IAM and API in one: issues t1, t2, …; the API takes only the tokens not yet revoked."""

    def __init__(self, *failures: web.Response, life: timedelta = timedelta(days=1)) -> None:
        self.failures, self.life = list(failures), life
        self.logins: list[Any] = []
        self.revoked: set[str] = set()
        self.used: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/v3/auth/tokens":
            assert request.method == "POST"
            self.logins.append(await request.json())
            if self.failures:
                return again(self.failures.pop(0))
            expires_at = (datetime.now(UTC) + self.life).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
            token = f"canaryToken{len(self.logins)}"
            return page({"token": {"expires_at": expires_at}}, 201, X_Subject_Token=token)
        token = request.headers["X-Auth-Token"]
        self.used.append(token)
        return error(401, "APIGW.0301", f"token {token} is wrong") if token in self.revoked else page()


LOGIN = Password("canaryUser", "canaryPassword", "canaryDomain")


def with_iam(iam: Iam, use: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with serve(iam) as base_url:
            options_ = {"credentials": LOGIN, "iam_base_url": base_url, **options}
            async with make_client(base_url, **options_) as client:
                return await use(client)

    return asyncio.run(main())


def test_a_password_buys_one_token_for_all_workers() -> None:
    iam = Iam()
    with_iam(iam, lambda client: asyncio.gather(*(client.fetch_jobs({}) for _ in range(20))))
    (body,) = iam.logins
    user = {"name": "canaryUser", "password": "canaryPassword", "domain": {"name": "canaryDomain"}}
    assert body["auth"]["identity"] == {"methods": ["password"], "password": {"user": user}}
    assert body["auth"]["scope"] == {"project": {"id": "p1"}}
    assert iam.used == ["canaryToken1"] * 20


def test_a_401_renews_the_token_once_for_all_workers() -> None:
    iam = Iam()
    iam.revoked = {"canaryToken1"}
    answers = with_iam(iam, lambda client: asyncio.gather(*(client.fetch_jobs({}) for _ in range(10))))
    assert len(iam.logins) == 2
    assert sum(1 + a.retries for a in answers) == len(iam.used)
    assert set(iam.used) == {"canaryToken1", "canaryToken2"}


def test_a_second_401_is_an_error() -> None:
    iam = Iam()
    iam.revoked = {f"canaryToken{n}" for n in range(9)}

    async def use(client: Client) -> None:
        with pytest.raises(CredentialsError) as caught:
            await client.fetch_jobs({})
        assert caught.value.code == "APIGW.0301"
        assert not SECRETS.search(str(caught.value))

    with_iam(iam, use)
    assert len(iam.logins) == 2


def test_a_token_near_its_expiry_is_renewed_before_it_is_used() -> None:
    naps = Naps()

    async def use(client: Client) -> None:
        await client.fetch_jobs({})
        naps.now += 53 * 60
        await client.fetch_jobs({})
        naps.now += 3 * 60
        await client.fetch_jobs({})

    iam = Iam(life=timedelta(hours=1))
    with_iam(iam, use, timing=naps.timing)
    assert iam.used == ["canaryToken1", "canaryToken1", "canaryToken2"]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_login_is_not_retried(status: int) -> None:
    body = {
        "error": {"code": status, "message": "The username canaryUser or password is wrong.", "title": "Unauthorized"}
    }
    iam = Iam(page(body, status))

    async def use(client: Client) -> list[Any]:
        return await asyncio.gather(*(client.fetch_jobs({}) for _ in range(5)), return_exceptions=True)

    failures = with_iam(iam, use)
    assert {type(failure) for failure in failures} == {CredentialsError}
    assert "IAM at 127.0.0.1" in str(failures[0])
    assert not SECRETS.search(str(failures[0]))
    assert len(iam.logins) == 1


def test_a_failing_iam_is_retried_within_bounds() -> None:
    iam = Iam(error(500), page(HTML.body, 502), error(429), page({}, 201))
    assert with_iam(iam, lambda client: client.fetch_jobs({})).count == 230
    assert len(iam.logins) == 5
    iam = Iam(*[error(503, "IAM.0001")] * 9)

    async def use(client: Client) -> None:
        with pytest.raises(UnavailableError) as caught:
            await client.fetch_jobs({})
        assert caught.value.code == "IAM.0001"

    with_iam(iam, use, max_tries=3)
    assert len(iam.logins) == 3


def test_an_iam_that_redirects_gets_no_password() -> None:
    async def use(client: Client) -> None:
        with pytest.raises(ConfigurationError) as caught:
            await client.fetch_jobs({})
        assert not SECRETS.search(str(caught.value))

    iam = Iam(page(b"", 307, Location="http://localhost:1/?a=evil-query"))
    with_iam(iam, use)
    assert len(iam.logins) == 1


def test_a_clock_that_is_off_is_corrected_by_the_servers_once() -> None:
    server_now = datetime.now(UTC)

    async def strict(request: web.Request) -> web.StreamResponse:
        signed_at = datetime.strptime(request.headers["X-Sdk-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
        if abs((signed_at - server_now).total_seconds()) > 900:
            return error(401, "APIGW.0301", "timestamp expired")
        return page()

    for minutes in (-60, 60):
        wrong = Timing(now=lambda minutes=minutes: server_now + timedelta(minutes=minutes))

        async def main(timing: Timing = wrong) -> None:
            script = Script(strict)
            async with serve(script) as base_url, make_client(base_url, timing=timing) as client:
                answers = await asyncio.gather(*(client.fetch_jobs({}) for _ in range(5)))
                assert max(a.retries for a in answers) == 1
                assert (await client.fetch_jobs({})).retries == 0  # the offset is kept

        asyncio.run(main())


def test_a_401_that_the_clock_does_not_explain_is_an_error_that_names_the_clock() -> None:
    script = Script(error(401, "APIGW.0301"))
    failure = fetch(script, timing=Timing(now=lambda: datetime.now(UTC) - timedelta(hours=2)))
    assert type(failure) is CredentialsError
    assert len(script.seen) == 2
    assert "clock was -120 min off" in failure.hint


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "http://api.example.com"},
        {"project_id": "../canary"},
        {"project_id": ""},
        {"app_user_id": "canaryé"},
        {"app_user_id": "canary\r\nX: y"},
        {"credentials": LOGIN},
        {"credentials": LOGIN, "iam_base_url": "http://iam.example.com"},
        {"credentials": Token("")},
        {"max_tries": 0},
        {"timeout_seconds": 0},
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_before_anything_is_sent(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_client(**{"base_url": "https://api.example.com", **options})
    assert "canary" not in str(caught.value)


def test_the_environment_adds_no_proxy_on_loopback_and_no_netrc(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    script = Script(page())
    assert fetch(script, credentials=Token("t")).count == 230
    assert "Authorization" not in script.seen[0].headers


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
            monkeypatch.setenv("https_proxy", f"http://canaryUser:canary%20Pass@127.0.0.1:{port}")
            async with make_client("https://api.example.com") as client:
                assert "canary" not in repr(find_proxy("https://api.example.com"))
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
    monkeypatch.setenv("no_proxy", "api.example.com")
    assert find_proxy("https://api.example.com") is None
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("https_proxy", "socks5://canary:canary@h")
    with pytest.raises(ConfigurationError) as caught:
        find_proxy("https://api.example.com")
    assert "canary" not in str(caught.value)


def test_tls_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[ssl.SSLContext] = []
    find = aiohttp.TCPConnector._get_ssl_context
    monkeypatch.setattr(
        aiohttp.TCPConnector, "_get_ssl_context", lambda self, req: used.append(find(self, req)) or used[-1]
    )

    async def main() -> None:
        async with serve_raw(b"") as base_url:
            address = base_url.replace("http:", "https:")
            options = {"max_tries": 1, "timeout_seconds": 0.3, "iam_base_url": address}
            for credentials in (KEY, LOGIN):
                async with make_client(address, credentials=credentials, **options) as client:
                    with pytest.raises(UnavailableError):
                        await client.fetch_jobs({})

    asyncio.run(main())
    assert len(used) == 2
    assert all(context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED for context in used)


def test_a_certificate_that_is_not_trusted_is_no_matter_of_trying_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: Any) -> Any:
        key = aiohttp.client_reqrep.ConnectionKey("h", 443, True, True, None, None, None)
        raise aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("canary"))

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", refuse)
    failure = fetch(Script(page()))
    assert type(failure) is ConfigurationError
    assert "TLS certificate is not trusted" in failure.message
    assert "canary" not in str(failure)


def test_cookies_are_not_kept() -> None:
    async def main() -> None:
        script = Script(page(Set_Cookie="a=canary; Path=/"), page())
        async with serve(script) as base_url, make_client(base_url.replace("127.0.0.1", "localhost")) as client:
            await client.fetch_jobs({})
            await client.fetch_jobs({})
            assert "Cookie" not in script.seen[1].headers

    asyncio.run(main())


def test_a_request_counts_from_when_its_connection_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    create = aiohttp.TCPConnector._create_connection
    stood_at: list[float] = []

    async def create_slowly(*args: Any) -> Any:
        await asyncio.sleep(0.05)
        stood_at.append(time.monotonic())
        return await create(*args)

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", create_slowly)
    governor = Governor(20)
    fetch(Script(page()), governor=governor)
    assert len(stood_at) == 1
    assert [at >= stood_at[0] for at in governor._pacer._sent] == [True]


def test_two_loops_use_one_governor_one_after_the_other() -> None:
    governor = Governor(1000)
    for _ in range(2):
        assert fetch(Script(error(500), page()), governor=governor).retries == 1


def echo(status: int, where: str, secret: str) -> Handler:
    """A server that repeats everything it was sent, credentials included."""

    async def answer(request: web.Request) -> web.StreamResponse:
        told = "; ".join(f"{value}" for value in request.headers.values())
        told = (
            f"bad {secret}: https://obs.example/c.png?AccessKeyId=canaryKey&Signature=evil-query {request.url} {told}"
        )
        if where == "code":
            return error(status, f"MSS.{secret}", "x", X_Request_Id=secret)
        if where == "html":
            return web.Response(text=f"<html>{told}", status=status, content_type="text/html")
        return error(status, "MSS.00000001", told, Location=f"https://other.example/?{told[:200]}")

    return answer


@pytest.mark.parametrize("where", ["message", "code", "html"])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 418, 429, 500, 503])
@pytest.mark.parametrize(
    ("credentials", "secret"),
    [(KEY, "canarySecret"), (KEY, "canaryAccess"), (Token("canaryToken"), "canaryToken"), (LOGIN, "canaryToken")],
    ids=["key", "access", "token", "password"],
)
def test_no_failure_shows_a_secret(
    status: int,
    where: str,
    credentials: Any,
    secret: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    bad = echo(status, where, secret)
    params = {"asset_name": "canary", "offset": "0", "state": "canary"}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/v3/auth/tokens":
            return page({"token": {}}, 201, X_Subject_Token=secret)
        return await bad(request)

    async def main() -> MetaStudioError:
        async with serve(answer) as base_url:
            options = {"credentials": credentials, "iam_base_url": base_url, "max_tries": 2, "retry_seconds": 1}
            async with make_client(base_url, **options) as client:
                with pytest.raises(MetaStudioError) as caught:
                    await client.fetch_jobs(params)
                assert "canary" not in repr(client)
                return caught.value

    failure = asyncio.run(main(), debug=True)
    assert failure.__context__ is None
    assert failure.__cause__ is None
    trace = "".join(traceback.TracebackException.from_exception(failure).format())
    frames = [line for line in format_locals(failure) if "/metastudio/" in line]
    assert frames
    for text in (str(failure), repr(failure), repr(vars(failure)), trace, caplog.text, *capfd.readouterr()):
        assert not SECRETS.search(text), text
    for line in frames:
        assert not re.search("canaryAccess|canarySec|canaryTok|canaryPass|SDK-HMAC", line), line


def format_locals(failure: BaseException) -> list[str]:
    """Each frame with its local variables, as tracebacks with locals print them."""
    summary = traceback.TracebackException.from_exception(failure, capture_locals=True)
    return [f"{frame.filename} {frame.locals}" for frame in summary.stack]


@pytest.mark.parametrize("handler", [reset, break_off, hang, HTML], ids=["reset", "broken", "hanging", "html"])
def test_no_broken_connection_shows_a_secret(handler: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failure = fetch(Script(handler), max_tries=2, timeout_seconds=0.1)
    assert type(failure) is UnavailableError
    assert failure.__context__ is None
    trace = "".join(traceback.format_exception(failure)) + "".join(format_locals(failure))
    assert not SECRETS.search(f"{failure} {failure!r} {caplog.text}")
    assert not re.search("canaryAccess|canarySec", trace)
    assert "GET digital-human-videos, the page at offset 0, limit 100: " in caplog.text
