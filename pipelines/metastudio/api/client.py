"""The client of the vendor's API: fetches one page of jobs, at the governor's pace, and tries again where that may help.

Promises that every error tells what failed and what to do, and that no error, log line or redirect carries a credential. Knows no
rows, no windows and no destination.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from urllib.parse import urlsplit

from metastudio.api.answers import PATH, Answer, Remedy, Trouble, make_verdict
from metastudio.api.auth import (
    AccessKey,
    Credentials,
    Headers,
    IssuedToken,
    Password,
    Token,
    TokenCache,
    make_query_string,
    make_secrets,
    make_signed_headers,
)
from metastudio.api.exchange import Fault, fetch_reply, find_proxy, make_session
from metastudio.api.login import Login
from metastudio.api.pace import HOLD_SECONDS, Governor
from metastudio.api.patience import Patience, Timing
from metastudio.api.regions import make_base_url
from metastudio.api.words import make_page_name
from metastudio.errors import ConfigurationError, CredentialsError, MetaStudioError, UnavailableError

CLOCK_SECONDS = 300.0  # a local clock further off is taken for the cause of a 401
_PROJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

logger = logging.getLogger("metastudio.api")


@dataclass(slots=True)
class Stats:
    """Totals of one client; logins are not among them. Latency is smoothed, from sent to read, in seconds."""

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    latency_seconds: float = 0.0


@dataclass(slots=True)
class _Call:
    """One page being fetched: what was tried so far."""

    query: dict[str, str]
    patience: Patience | None = None
    retries: int = 0
    throttled: int = 0
    token: str | None = field(default=None, repr=False)
    refused: str | None = field(default=None, repr=False)
    is_renewed: bool = False
    sent_at: float = 0.0
    signed_at: datetime | None = None


class Client:
    """The API, for one tenant in one region; an async context manager, to be used in one event loop.

    Args:
        base_url: of `regions.make_base_url`; the only host that credentials are sent to, but for IAM.
        governor: of `pace.find_governor`.
        iam_base_url: where a password is sent; the credentials' own iam_endpoint goes before it.
        app_user_id: the third-party user whose jobs are asked for; ASCII.
        timeout_seconds: for one attempt, from the connection to the last byte.
        max_tries: of one page, 429s not counted.
        retry_seconds: after which no page is tried any more, from its first attempt on.

    Raises:
        ConfigurationError: a setting cannot be used; no message repeats a value.
    """

    def __init__(
        self,
        *,
        base_url: str,
        project_id: str,
        credentials: Credentials,
        governor: Governor,
        iam_base_url: str | None = None,
        app_user_id: str | None = None,
        timeout_seconds: float = 30,
        max_tries: int = 7,
        retry_seconds: float = 120,
        timing: Timing | None = None,
    ) -> None:
        self._base_url = make_base_url(base_url)
        self._host = urlsplit(self._base_url).netloc
        if not _PROJECT_ID.fullmatch(project_id):
            raise ConfigurationError(
                "The project_id is no project id.", hint="The console lists it under My Credentials."
            )
        if app_user_id is not None and not (
            app_user_id.isascii() and app_user_id.isprintable() and app_user_id.strip()
        ):
            raise ConfigurationError("The app_user_id is empty, or not ASCII.")
        if not (timeout_seconds > 0 and max_tries >= 1 and retry_seconds >= 0):
            raise ConfigurationError("timeout_seconds and max_tries must be above 0, and retry_seconds not below.")
        self._path = f"/v1/{project_id}/{PATH}"
        self._project_id = project_id
        self._credentials = credentials
        self._secrets = make_secrets(credentials)
        self._governor = governor
        self._app_user_id = app_user_id
        self._timeout_seconds, self._max_tries, self._retry_seconds = timeout_seconds, max_tries, retry_seconds
        self._timing = timing or Timing()
        self._clock_offset = timedelta()
        self._login = self._make_login(credentials, iam_base_url) if isinstance(credentials, Password) else None
        self._proxy = find_proxy(self._base_url)
        self.stats = Stats()

    @property
    def pace(self) -> float:
        """The requests/s that the governor allows now: below the setting after a 429."""
        return self._governor.pace

    def _make_login(self, credentials: Password, iam_base_url: str | None) -> Login:
        address = credentials.iam_endpoint or iam_base_url
        if not address:
            raise ConfigurationError("A password needs the address of IAM.", hint="Set credentials.iam_endpoint.")
        bounds = (self._timing, self._timeout_seconds, self._max_tries, self._retry_seconds)
        return Login(make_base_url(address), credentials, self._project_id, *bounds)

    async def __aenter__(self) -> Client:
        self._session = make_session()
        self._tokens = TokenCache(self._fetch_token, self._timing.monotonic) if self._login else None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fetch_jobs(self, params: Mapping[str, str | int | Sequence[str]]) -> Answer:
        """One page of jobs.

        Args:
            params: the query of `api/facts.md`; a sequence is sent joined by commas.

        Raises:
            CredentialsError: 401 or 403, or IAM refuses the login.
            ConfigurationError: 400, 404, another 4xx, a redirect, or a TLS certificate that is not trusted.
            UnavailableError: all tries failed, or retry_seconds went by.
        """
        call = _Call(make_query(params))
        while True:
            outcome = await self._attempt(call)
            if isinstance(outcome, Answer):
                outcome.retries, outcome.throttled = call.retries, call.throttled
                return outcome
            await self._prepare_retry(call, outcome)

    async def _attempt(self, call: _Call) -> Answer | Trouble:
        call.token = await self._find_token(call)
        async with self._governor.slot(urgent=call.patience is not None) as slot:
            call.patience = patience = call.patience or Patience(self._max_tries, self._retry_seconds, self._timing)
            began_at = self._timing.monotonic()
            self.stats.requests += 1
            query = make_query_string(list(call.query.items()))
            reply = await fetch_reply(
                self._session,
                "GET",
                f"{self._base_url}{self._path}?{query}" if query else f"{self._base_url}{self._path}",
                self._make_headers(call),
                timeout_seconds=patience.bound(self._timeout_seconds),
                proxy=self._proxy,
                slot=slot,
            )
            call.sent_at = slot.sent_at
        self._note(call, reply if isinstance(reply, Fault) else reply.status, self._timing.monotonic() - began_at)
        return make_verdict(reply, (*self._secrets, call.token) if call.token else self._secrets)

    def _note(self, call: _Call, status: int | Fault, seconds: float) -> None:
        if not isinstance(status, Fault):
            latency = self.stats.latency_seconds or seconds
            self.stats.latency_seconds = latency + (seconds - latency) / 8
        logger.debug(
            "GET %s, %s: %s, %d ms",
            PATH,
            make_page_name(call.query),
            status.reason if isinstance(status, Fault) else status,
            seconds * 1000,
        )

    def _make_headers(self, call: _Call) -> Headers:
        headers = Headers(Host=self._host)
        if self._app_user_id is not None:
            headers["X-App-UserId"] = self._app_user_id
        if isinstance(self._credentials, AccessKey):
            headers["X-Project-Id"] = self._project_id
            call.signed_at = self._timing.now() + self._clock_offset
            query = list(call.query.items())
            return make_signed_headers(self._credentials, "GET", self._path, query, headers, call.signed_at)
        assert call.token is not None
        headers["X-Auth-Token"] = call.token
        return headers

    async def _find_token(self, call: _Call) -> str | None:
        if isinstance(self._credentials, Token):
            return self._credentials.token
        return None if self._tokens is None else await self._tokens.get(refused=call.refused)

    async def _fetch_token(self) -> IssuedToken:
        assert self._login is not None
        return await self._login.fetch(self._session)

    async def _prepare_retry(self, call: _Call, trouble: Trouble) -> None:
        """Wait, or renew what has to be, before the next attempt; raises where there is to be none."""
        assert call.patience is not None
        match trouble.remedy:
            case Remedy.AGAIN:
                delay = call.patience.plan_retry(trouble.retry_after_seconds or 0.0)
                if delay is None:
                    raise self._make_error(call, trouble)
                await self._timing.sleep(delay)
                call.retries += 1
                self.stats.retries += 1
            case Remedy.SLOWER:
                call.throttled += 1
                self.stats.throttled += 1
                hold = HOLD_SECONDS if trouble.retry_after_seconds is None else trouble.retry_after_seconds
                self._governor.throttle(min(hold, self._retry_seconds), call.sent_at)
                if hold >= call.patience.remaining():
                    raise self._make_error(call, trouble)
            case Remedy.PROOF if self._can_renew(call, trouble):
                call.retries += 1
                self.stats.retries += 1
            case _:
                raise self._make_error(call, trouble)

    def _can_renew(self, call: _Call, trouble: Trouble) -> bool:
        """Whether a 401 may be mended, once: by a new token, or by the server's clock where ours is off."""
        if call.is_renewed:
            return False
        call.is_renewed = True
        call.refused = call.token
        if isinstance(self._credentials, AccessKey) and call.signed_at and trouble.server_time:
            skew = trouble.server_time - call.signed_at
            if abs(skew.total_seconds()) > CLOCK_SECONDS:
                self._clock_offset = trouble.server_time - self._timing.now()
                return True
        return self._tokens is not None

    def _make_error(self, call: _Call, trouble: Trouble) -> MetaStudioError:
        assert call.patience is not None
        what = f"{self._host} {trouble.what}"
        if trouble.kind is UnavailableError:
            tries = 1 + call.retries + call.throttled - (trouble.remedy is Remedy.SLOWER)
            what += f", after {tries} tries in {call.patience.elapsed():.0f} s" if tries > 1 else ""
        hint = trouble.hint
        if self._clock_offset and trouble.kind is CredentialsError:
            minutes = -self._clock_offset.total_seconds() / 60
            hint += f" This machine's clock was {minutes:+.0f} min off (X-Sdk-Date): set it."
        message = f"{what}, asked for {make_page_name(call.query)}."
        return trouble.kind(message, hint=hint, code=trouble.code, request_id=trouble.request_id)


def make_query(params: Mapping[str, str | int | Sequence[str]]) -> dict[str, str]:
    """The query as sent: sequences joined by commas, numbers as text."""
    return {name: str(value) if isinstance(value, str | int) else ",".join(value) for name, value in params.items()}
