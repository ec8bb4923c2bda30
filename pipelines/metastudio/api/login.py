"""Buys a token of one project from IAM, for the password of a user.

A refused password is an error at once; an IAM that fails is asked again, within the same bounds as the API. The token is in no error.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import orjson

from metastudio.api.auth import TOKEN_LIFE_SECONDS, IssuedToken, Password, make_login, make_secrets
from metastudio.api.exchange import Fault, Reply, fetch_reply, find_proxy
from metastudio.api.patience import Patience, Timing
from metastudio.api.words import make_problem, make_safe_id
from metastudio.errors import ConfigurationError, CredentialsError, MetaStudioError, UnavailableError

LOWEST_LIFE_SECONDS = 60.0  # of a token that IAM calls expired: its clocks disagree, and a 401 will tell

logger = logging.getLogger("metastudio.api")


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in: `fetch` is for a `TokenCache`.

    Args:
        base_url: IAM's, of `make_base_url`.
    """

    base_url: str
    password: Password
    project_id: str
    timing: Timing
    timeout_seconds: float
    max_tries: int
    retry_seconds: float

    async def fetch(self, session: aiohttp.ClientSession) -> IssuedToken:
        """A new token.

        Raises:
            CredentialsError: IAM refuses the user, the password or the project.
            ConfigurationError: there is no IAM at this address.
            UnavailableError: IAM kept failing.
        """
        patience = Patience(self.max_tries, self.retry_seconds, self.timing)
        proxy = find_proxy(self.base_url)
        while True:
            reply = await fetch_reply(
                session,
                "POST",
                f"{self.base_url}/v3/auth/tokens",
                {"Content-Type": "application/json"},
                timeout_seconds=patience.bound(self.timeout_seconds),
                body=orjson.dumps(make_login(self.password, self.project_id)),
                proxy=proxy,
            )
            outcome = self._judge(reply)
            logger.debug("POST %s/v3/auth/tokens: %s", self.base_url, getattr(reply, "status", "no answer"))
            if isinstance(outcome, IssuedToken):
                return outcome
            at_least = (isinstance(reply, Reply) and reply.retry_after_seconds) or 0.0
            delay = patience.plan_retry(at_least) if isinstance(outcome, UnavailableError) else None
            if delay is None:
                raise outcome
            await self.timing.sleep(delay)

    def _judge(self, reply: Reply | Fault) -> IssuedToken | MetaStudioError:
        host = urlsplit(self.base_url).netloc
        if isinstance(reply, Fault):
            kind = ConfigurationError if reply.is_fatal else UnavailableError
            return kind(f"IAM at {host} {reply.reason}.", hint=reply.hint)
        secrets = make_secrets(self.password)
        code, message = make_problem(reply.body, secrets)
        request_id = make_safe_id(reply.request_id, secrets)
        said = f": {message}" if message else ""
        match reply.status:
            case 200 | 201:
                return _make_token(reply) or UnavailableError(
                    f"IAM at {host} answered {reply.status} without a token.", code=code, request_id=request_id
                )
            case 400 | 401 | 403:
                hint = "Check username, password, domain_name and project_id; the user needs programmatic access."
                return CredentialsError(
                    f"IAM at {host} refused the login ({reply.status}){said}.",
                    hint=hint,
                    code=code,
                    request_id=request_id,
                )
            case 408 | 425 | 429:
                return UnavailableError(
                    f"IAM at {host} answered {reply.status}{said}.", code=code, request_id=request_id
                )
            case status if status < 500:
                where = f" to {reply.location_host}" if reply.location_host else ""
                what = f"redirects{where}, which is not followed" if status < 400 else f"answered {status}{said}"
                return ConfigurationError(
                    f"IAM at {host} {what}.", hint="Check region and iam_endpoint.", code=code, request_id=request_id
                )
            case _:
                return UnavailableError(
                    f"IAM at {host} answered {reply.status}{said}.", code=code, request_id=request_id
                )


def _make_token(reply: Reply) -> IssuedToken | None:
    if not reply.subject_token:
        return None
    try:
        expires_at = datetime.fromisoformat(orjson.loads(reply.body)["token"]["expires_at"])
    except (ValueError, KeyError, TypeError):
        return IssuedToken(reply.subject_token, TOKEN_LIFE_SECONDS)
    if reply.server_time is None:
        return IssuedToken(reply.subject_token, TOKEN_LIFE_SECONDS)
    expires_at = expires_at.replace(tzinfo=UTC) if expires_at.tzinfo is None else expires_at
    life = (expires_at - reply.server_time).total_seconds()
    return IssuedToken(reply.subject_token, max(life, LOWEST_LIFE_SECONDS))
