"""Gets tokens from IAM for a user's password. All requests share one, renewed before it expires.

A refused password is never tried again, because IAM locks an account after a few failures. Other
failures are retried by the same policy as for the API. No error contains the token.
"""

from __future__ import annotations

import asyncio
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import orjson

from metastudio.api.auth import Headers, Password, list_secrets
from metastudio.api.proxy import find_proxy
from metastudio.api.responses import make_iam_failure
from metastudio.api.retry import AttemptError, Attempts, RetryableError, RetryPolicy, send_with_retries
from metastudio.api.transport import HttpRequest, HttpResponse, Transport
from metastudio.errors import MetaStudioError, UnavailableError

TOKENS_PATH = "/v3/auth/tokens"
RENEWAL_SECONDS = 600.0  # renew a token when less than this remains of its life, or
RENEWAL_SHARE = 0.1  # less than this share of it, whichever is shorter
TOKEN_LIFE_SECONDS = 86400.0  # if IAM does not say
LEAST_LIFE_SECONDS = 60.0  # for a token that IAM says has expired: IAM's clocks may disagree


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token from IAM, and its lifetime in seconds after the answer, by IAM's clock."""

    token: str = field(repr=False)
    life_seconds: float


def build_token_request(login: Password, project_id: str, base_url: str) -> HttpRequest:
    """Return the request for a token of one project."""
    user = {"name": login.username, "password": login.password, "domain": {"name": login.domain_name}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": {"id": project_id}}}}
    return HttpRequest(
        "POST",
        f"{base_url}{TOKENS_PATH}",
        Headers({"Content-Type": "application/json"}),
        label=f"{base_url}{TOKENS_PATH}",
        body=orjson.dumps(body),
    )


def read_token(response: HttpResponse) -> IssuedToken | None:
    """Return the token of an answer, or None if the answer has no token."""
    if not response.subject_token:
        return None
    try:
        expires_at = datetime.fromisoformat(orjson.loads(response.body)["token"]["expires_at"])
    except (ValueError, KeyError, TypeError):
        return IssuedToken(response.subject_token, TOKEN_LIFE_SECONDS)
    if response.server_time is None:
        return IssuedToken(response.subject_token, TOKEN_LIFE_SECONDS)
    expires_at = expires_at.replace(tzinfo=UTC) if expires_at.tzinfo is None else expires_at
    life = (expires_at - response.server_time).total_seconds()
    return IssuedToken(response.subject_token, max(life, LEAST_LIFE_SECONDS))


class IamTokenProvider:
    """Provides one token for all requests of a client, within one event loop.

    Args:
        base_url: the base URL of IAM, from `make_base_url`.
    """

    question = ""

    def __init__(
        self, base_url: str, login: Password, project_id: str, policy: RetryPolicy, transport: Transport
    ) -> None:
        self.subject = f"IAM at {urlsplit(base_url).netloc}"
        self._request = build_token_request(login, project_id, base_url)
        self._secrets = list_secrets(login)
        self._policy = policy
        self._transport = transport
        self._proxy = find_proxy(base_url)
        self._lock = asyncio.Lock()
        self._token: IssuedToken | None = None
        self._renew_at = 0.0
        self._failures = 0
        self._failure: MetaStudioError | None = None

    async def get(self, refused: str | None = None) -> str:
        """Return a token that is valid for a while.

        Args:
            refused: the token that the API answered with 401. A different one is returned.

        Raises:
            CredentialsError: IAM refuses the user, the password or the project.
            ConfigurationError: there is no IAM at this address.
            UnavailableError: IAM kept failing.
        """
        if (token := self._find(refused)) is not None:
            return token
        failures = self._failures
        async with self._lock:
            if (token := self._find(refused)) is not None:
                return token
            if self._failure is not None and (
                self._failures != failures or not isinstance(self._failure, UnavailableError)
            ):
                raise copy(self._failure)
            return await self._renew()

    def _find(self, refused: str | None) -> str | None:
        if self._token is None or self._token.token == refused or self._policy.clock.monotonic() >= self._renew_at:
            return None
        return self._token.token

    async def _renew(self) -> str:
        asked_at = self._policy.clock.monotonic()
        try:
            issued = await send_with_retries(self, Attempts(self._policy))
        except MetaStudioError as error:
            self._failures += 1
            self._failure = copy(error)
            raise
        self._token = issued
        self._renew_at = asked_at + issued.life_seconds - min(RENEWAL_SECONDS, RENEWAL_SHARE * issued.life_seconds)
        return issued.token

    async def attempt(self, attempts: Attempts) -> IssuedToken:
        """Request a token once."""
        response = await self._transport.send(self._request, timeout_seconds=attempts.start(), proxy=self._proxy)
        if response.status not in (200, 201):
            raise make_iam_failure(response, self._secrets)
        if (token := read_token(response)) is None:
            raise RetryableError(f"answered {response.status} without a token", status=response.status)
        return token

    def on_failure(self, failure: AttemptError) -> None:
        """Do nothing: there is nothing to learn from a failure."""
