"""The client of the vendor's API: fetches one page of jobs, within the quota, with retries.

Every error says what failed and what to do. No error, log line or redirect carries a credential.
This module knows no rows, windows or destinations.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from metastudio.api.auth import (
    AccessKey,
    Auth,
    Credentials,
    Headers,
    Password,
    Query,
    Token,
    TokenAuth,
    check_credentials,
    list_secrets,
)
from metastudio.api.endpoints import check_app_user_id, check_project_id, make_base_url
from metastudio.api.iam import IamTokenProvider
from metastudio.api.proxy import find_proxy
from metastudio.api.rate_limiter import Permit, RateLimiter
from metastudio.api.responses import JobsPage, parse_isolation, parse_jobs_page
from metastudio.api.retry import (
    AttemptError,
    Attempts,
    Clock,
    RequestCounters,
    RetryPolicy,
    ThrottledError,
    UnauthenticatedError,
    send_with_retries,
)
from metastudio.api.signing import KeyAuth, make_query_string
from metastudio.api.transport import HttpRequest, HttpResponse, Transport
from metastudio.errors import ConfigurationError, MetaStudioError
from metastudio.redaction import describe_page

JOBS = "digital-human-videos"
SERVICE_CONFIGS = "tenants/service-configs"
ISOLATION_SECONDS, ISOLATION_ATTEMPTS = 10.0, 2  # it is not worth a longer wait

T = TypeVar("T")


class Client:
    """The API, for one tenant in one region. An async context manager for one event loop.

    Args:
        base_url: the only host, apart from IAM, that credentials are sent to.
        iam_base_url: where a password is sent.
        app_user_id: the third-party user whose jobs are asked for; ASCII.
        timeout_seconds: bounds each attempt, from the connection to the last byte.
        retry_seconds: bounds all attempts of one request, from the first one on.

    Raises:
        ConfigurationError: a setting cannot be used. No message contains its value.
    """

    def __init__(
        self,
        *,
        base_url: str,
        project_id: str,
        credentials: Credentials,
        rate_limiter: RateLimiter,
        iam_base_url: str | None = None,
        app_user_id: str | None = None,
        timeout_seconds: float = 30,
        retry_seconds: float = 120,
        clock: Clock | None = None,
    ) -> None:
        check_credentials(credentials)
        if not (timeout_seconds > 0 and retry_seconds >= 0):
            raise ConfigurationError("timeout_seconds must be above 0, and retry_seconds not below 0.")
        self._base_url = make_base_url(base_url)
        self._project_id = check_project_id(project_id)
        self._app_user_id = check_app_user_id(app_user_id)
        self._secrets = list_secrets(credentials)
        self._rate_limiter = rate_limiter
        self._proxy = find_proxy(self._base_url)
        self._transport = Transport()
        self.counters = RequestCounters()
        self.latency_seconds = 0.0
        self._clock = clock or Clock()
        self._policy = RetryPolicy(timeout_seconds, retry_seconds, clock=self._clock)
        self._server_time: tuple[datetime, float] | None = None
        self._auth = self._make_auth(credentials, iam_base_url)

    def _make_auth(self, credentials: Credentials, iam_base_url: str | None) -> Auth:
        match credentials:
            case AccessKey():
                return KeyAuth(credentials, self._project_id, self._clock)
            case Token():
                return TokenAuth(_return_token(credentials.token))
            case Password():
                if not iam_base_url:
                    raise ConfigurationError(
                        "A password needs the address of IAM.", hint="Set credentials.iam_endpoint."
                    )
                provider = IamTokenProvider(
                    make_base_url(iam_base_url), credentials, self._project_id, self._policy, self._transport
                )
                return TokenAuth(provider.get)

    @property
    def pace(self) -> float:
        """Return the requests per second that the rate limiter allows now. A 429 lowers it."""
        return self._rate_limiter.pace

    async def __aenter__(self) -> Client:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def fetch_jobs(
        self, params: Mapping[str, str | int | Sequence[str]], *, max_attempts: int | None = None
    ) -> JobsPage:
        """Fetch one page of jobs.

        Args:
            params: the API's query parameters. A sequence is sent as repeated parameters.
            max_attempts: the maximum number of attempts, not counting 429s; None for no bound but
                `retry_seconds`.

        Raises:
            CredentialsError: the API refuses the credentials (401, 403), or IAM refuses the login.
            RefusedError: the API refuses the query (400, 404, 414 and other 4xx).
            ConfigurationError: a redirect, no such API, or a TLS certificate that is not trusted.
            UnavailableError: all attempts failed.
        """
        call = _Call(self, JOBS, make_query(params), self._parse_jobs_page)
        attempts = Attempts(replace(self._policy, max_attempts=max_attempts), RequestCounters(total=self.counters))
        page = await send_with_retries(call, attempts)
        page.counters = attempts.counters
        return page

    async def fetch_isolation(self) -> bool | None:
        """Return whether the tenant's IAM-user isolation is on, or None if the API does not say."""
        call = _Call(self, SERVICE_CONFIGS, [], parse_isolation)
        seconds = min(self._policy.retry_seconds, ISOLATION_SECONDS)
        timeout = min(self._policy.timeout_seconds, ISOLATION_SECONDS)
        policy = RetryPolicy(timeout, seconds, ISOLATION_ATTEMPTS, self._clock)
        try:
            return await send_with_retries(call, Attempts(policy, RequestCounters(total=self.counters)))
        except MetaStudioError:
            return None

    def _parse_jobs_page(self, response: HttpResponse, secrets: tuple[str, ...]) -> JobsPage:
        return parse_jobs_page(response, self._find_server_time(response), secrets)

    def _find_server_time(self, response: HttpResponse) -> datetime | None:
        """Return the answer's Date; else the last Date seen plus the time since then; else None."""
        now = self._clock.monotonic()
        if response.server_time is not None:
            self._server_time = response.server_time, now
        if self._server_time is None:
            return None
        seen, at = self._server_time
        return seen + timedelta(seconds=int(now - at))


@dataclass(slots=True)
class _Call(Generic[T]):
    """One GET request to the API, as an operation of the retry loop."""

    client: Client
    resource: str
    query: Query
    parse: Callable[[HttpResponse, tuple[str, ...]], T]
    sent_at: float = 0.0
    token: str | None = field(default=None, repr=False)
    refused: str | None = field(default=None, repr=False)

    @property
    def subject(self) -> str:
        return urlsplit(self.client._base_url).netloc

    @property
    def question(self) -> str:
        return f", asked for {self.page}"

    @property
    def page(self) -> str:
        return describe_page(dict(self.query)) if self.resource == JOBS else self.resource

    async def attempt(self, attempts: Attempts) -> T:
        client = self.client
        self.token = await client._auth.get_token(self.refused)
        async with client._rate_limiter.acquire(urgent=attempts.started_at is not None) as permit:
            response = await self._send(attempts.start(), permit)
        client.latency_seconds = response.seconds
        return self.parse(response, (*client._secrets, self.token) if self.token else client._secrets)

    async def _send(self, timeout_seconds: float, permit: Permit) -> HttpResponse:
        client = self.client
        try:
            return await client._transport.send(
                self._make_request(), timeout_seconds=timeout_seconds, proxy=client._proxy, permit=permit
            )
        finally:
            self.sent_at = permit.sent_at

    def _make_request(self) -> HttpRequest:
        client, query = self.client, make_query_string(self.query)
        path = f"/v1/{client._project_id}/{self.resource}"
        headers = Headers(Host=self.subject)
        if client._app_user_id is not None:
            headers["X-App-UserId"] = client._app_user_id
        url = f"{client._base_url}{path}?{query}" if query else f"{client._base_url}{path}"
        return HttpRequest(
            "GET",
            url,
            client._auth.make_headers(path, self.query, headers, self.token),
            label=f"{self.resource}, {self.page}",
        )

    def on_failure(self, failure: AttemptError) -> None:
        """Slow the rate limiter down, or remember the refused token."""
        if isinstance(failure, ThrottledError):
            hold = failure.retry_after_seconds
            longest = self.client._policy.retry_seconds
            self.client._rate_limiter.throttle(None if hold is None else min(hold, longest), self.sent_at)
        if isinstance(failure, UnauthenticatedError):
            self.refused = self.token
            self.client._auth.on_refused(failure)


def _return_token(token: str) -> Callable[[str | None], Awaitable[str]]:
    async def get_token(refused: str | None) -> str:
        return token

    return get_token


def make_query(params: Mapping[str, str | int | Sequence[str]]) -> Query:
    """Return the query as sent: a sequence as repeated parameters, as in the vendor's SDK."""
    query: list[tuple[str, str]] = []
    for name, value in params.items():
        values = [str(value)] if isinstance(value, str | int) else value
        query.extend((name, one) for one in values)
    return query
