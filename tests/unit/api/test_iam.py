"""Tokens from IAM: shared, renewed before they expire, and no second try of a password."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from metastudio.api.auth import Password, Token
from metastudio.api.client import Client
from metastudio.errors import ConfigurationError, CredentialsError, UnavailableError

from tests.support.loopback import (
    HTML,
    SECRETS,
    FakeClock,
    Script,
    error,
    fetch,
    make_client,
    page,
    repeat,
    serve,
)

LOGIN = Password("canaryUser", "canaryPassword", "canaryDomain")


class Iam:
    """IAM and API in one: issues t1, t2, …, and accepts only tokens that are not revoked."""

    def __init__(self, *failures: web.Response, life: timedelta = timedelta(days=1)) -> None:
        self.failures, self.life = list(failures), life
        self.logins: list[Any] = []
        self.revoked: set[str] = set()
        self.used: list[str] = []
        self.padding = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/v3/auth/tokens":
            assert request.method == "POST"
            self.logins.append(await request.json())
            if self.failures:
                return repeat(self.failures.pop(0))
            expires_at = (datetime.now(UTC) + self.life).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
            token = f"canaryToken{len(self.logins)}" + "t" * self.padding
            return page({"token": {"expires_at": expires_at}}, 201, X_Subject_Token=token)
        token = request.headers["X-Auth-Token"]
        self.used.append(token)
        return error(401, "APIGW.0301", f"token {token} is wrong") if token in self.revoked else page()


def use(iam: Iam, work: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
    """Let a client of this IAM work."""

    async def main() -> Any:
        async with serve(iam) as base_url:
            settings = {"credentials": LOGIN, "iam_base_url": base_url, **options}
            async with make_client(base_url, **settings) as client:
                return await work(client)

    return asyncio.run(main())


async def fetch_many(client: Client) -> list[Any]:
    return await asyncio.gather(*(client.fetch_jobs({}) for _ in range(20)), return_exceptions=True)


def test_a_password_buys_one_token_for_all_workers() -> None:
    iam = Iam()
    use(iam, fetch_many)
    (body,) = iam.logins
    user = {"name": "canaryUser", "password": "canaryPassword", "domain": {"name": "canaryDomain"}}
    assert body["auth"]["identity"] == {"methods": ["password"], "password": {"user": user}}
    assert body["auth"]["scope"] == {"project": {"id": "p1"}}
    assert iam.used == ["canaryToken1"] * 20


@pytest.mark.parametrize("length", [9_000, 60_000])
def test_a_token_of_any_length_is_bought_and_sent(length: int) -> None:
    iam = Iam()
    iam.padding = length
    assert use(iam, lambda client: client.fetch_jobs({})).count == 230
    assert [len(token) for token in iam.used] == [length + len("canaryToken1")]


def test_a_401_renews_the_token_once_for_all_workers() -> None:
    iam = Iam()
    iam.revoked = {"canaryToken1"}
    pages = use(iam, fetch_many)
    assert len(iam.logins) == 2
    assert sum(page.counters.requests for page in pages) == len(iam.used)
    assert set(iam.used) == {"canaryToken1", "canaryToken2"}


def test_a_second_401_is_an_error() -> None:
    iam = Iam()
    iam.revoked = {f"canaryToken{n}" for n in range(9)}

    async def work(client: Client) -> None:
        with pytest.raises(CredentialsError) as caught:
            await client.fetch_jobs({})
        assert caught.value.code == "APIGW.0301"
        assert not SECRETS.search(str(caught.value))

    use(iam, work)
    assert len(iam.logins) == 2


def test_a_ready_token_is_tried_once_more_after_a_stray_401() -> None:
    script = Script(error(401, "APIGW.0301"), page())
    assert fetch(script, credentials=Token("t")).counters.retries == 1
    failure = fetch(script := Script(error(401, "APIGW.0301")), credentials=Token("t"))
    assert type(failure) is CredentialsError
    assert len(script.seen) == 2


@pytest.mark.parametrize(("life", "renewed_after"), [(86_400, 85_800), (1_000, 900), (100, 90)])
def test_a_token_is_renewed_ahead_of_its_expiry(life: float, renewed_after: float) -> None:
    clock = FakeClock()

    async def work(client: Client) -> None:
        await client.fetch_jobs({})
        clock.now += renewed_after - 2
        await client.fetch_jobs({})
        clock.now += 2
        await client.fetch_jobs({})

    iam = Iam(life=timedelta(seconds=life))
    use(iam, work, clock=clock.clock)
    assert iam.used == ["canaryToken1", "canaryToken1", "canaryToken2"]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_password_is_tried_once_only(status: int) -> None:
    body = {"error": {"code": status, "message": "canaryUser or the password is wrong.", "title": "Unauthorized"}}
    iam = Iam(page(body, status))

    async def work(client: Client) -> list[Any]:
        return [*await fetch_many(client), *await fetch_many(client)]

    failures = use(iam, work)
    assert {(type(failure), failure.request_id) for failure in failures} == {(CredentialsError, "req-1")}
    assert f"answered {status}: … or the password is wrong" in str(failures[0])
    assert "IAM at 127.0.0.1" in str(failures[0])
    assert not SECRETS.search(str(failures[0]))
    assert len(iam.logins) == 1


def test_a_failing_iam_is_retried() -> None:
    iam = Iam(error(500), page(HTML.body, 502), error(429), page({}, 201))
    assert use(iam, lambda client: client.fetch_jobs({})).count == 230
    assert len(iam.logins) == 5


def test_an_iam_that_fails_for_a_minute_is_survived() -> None:
    clock = FakeClock()
    began_at = clock.now

    class Recovering(Iam):
        async def __call__(self, request: web.Request) -> web.StreamResponse:
            return error(503) if clock.now - began_at <= 60 else await super().__call__(request)

    assert use(Recovering(), lambda client: client.fetch_jobs({}), clock=clock.clock).count == 230


def test_a_dead_iam_fails_all_waiting_requests_and_later_ones_ask_it_again() -> None:
    iam = Iam(error(503, "IAM.0001"))

    async def work(client: Client) -> None:
        failures = await fetch_many(client)
        assert {(type(failure), failure.code, failure.status) for failure in failures} == {
            (UnavailableError, "IAM.0001", 503)
        }
        assert len(iam.logins) == 1
        assert (await client.fetch_jobs({})).count == 230

    use(iam, work, retry_seconds=0)


def test_a_cancelled_login_leaves_the_next_one_to_others() -> None:
    iam = Iam()

    async def work(client: Client) -> None:
        task = asyncio.ensure_future(client.fetch_jobs({}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await client.fetch_jobs({})).count == 230

    use(iam, work)


@pytest.mark.parametrize(
    "answer", [page(b"", 307, Location="http://localhost:1/?a=evil-query"), error(404), error(405)]
)
def test_an_address_without_iam_gets_one_password_and_says_so(answer: web.Response) -> None:
    async def work(client: Client) -> None:
        with pytest.raises(ConfigurationError) as caught:
            await client.fetch_jobs({})
        assert "iam_endpoint" in caught.value.hint
        assert not SECRETS.search(str(caught.value))

    iam = Iam(answer)
    use(iam, work)
    assert len(iam.logins) == 1
