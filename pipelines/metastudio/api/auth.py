"""Credentials, and the interface of authentication. Secrets stay out of every repr."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from metastudio.api.retry import UnauthenticatedError
from metastudio.errors import ConfigurationError

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A permanent access key, or a temporary one with its security token."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """An IAM token that somebody else requested. It cannot be renewed."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Password:
    """An IAM user, whose password is exchanged for tokens of one project."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    domain_name: str = field(repr=False)


Credentials = AccessKey | Token | Password


class Headers(dict[str, str]):
    """Request headers with an empty repr: tracebacks with local variables show no secret."""

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"

    __str__ = __repr__


def check_credentials(credentials: Credentials) -> None:
    """Check that all values can be sent.

    Raises:
        ConfigurationError: a value is empty, has blanks around it, or cannot be sent as a header.
            The message names the setting and does not contain its value.
    """
    for name, value in _iter_values(credentials):
        sent_in_header = not isinstance(credentials, Password) and name != "secret_key"
        if problem := _find_problem(value, sent_in_header):
            raise ConfigurationError(
                f"The setting credentials.{name} {problem}.", hint="Copy it again, without what surrounds it."
            )


def _find_problem(value: str, sent_in_header: bool) -> str:
    if not value.strip():
        return "is empty"
    if value.endswith(("\n", "\r")):
        return "ends with a line break"
    if value != value.strip():
        return "has a space or line break before or after it"
    if sent_in_header and not (value.isascii() and value.isprintable() and " " not in value):
        return "holds a space, a line break or a character that is not ASCII"
    return ""


def list_secrets(credentials: Credentials) -> tuple[str, ...]:
    """Return all values that no text may contain, longest first."""
    return tuple(sorted((value for _, value in _iter_values(credentials)), key=len, reverse=True))


def _iter_values(credentials: Credentials) -> Iterator[tuple[str, str]]:
    for name in credentials.__dataclass_fields__:
        value = getattr(credentials, name)
        if value is not None:
            yield name, value


class Auth(ABC):
    """One way to authenticate requests."""

    async def get_token(self, refused: str | None) -> str | None:
        """Return the token to send, if there is one.

        Args:
            refused: the token that the API answered with 401. A different one is returned if
                possible.
        """
        return None

    @abstractmethod
    def make_headers(self, path: str, query: Query, headers: Headers, token: str | None) -> Headers:
        """Return the headers with the proof added."""

    def on_refused(self, failure: UnauthenticatedError) -> None:  # noqa: B027 - not each way learns
        """Learn from a 401, before the only retry or the end."""


class TokenAuth(Auth):
    """Sends a token.

    Args:
        get_token: returns a token, different from the refused one if possible.
    """

    def __init__(self, get_token: Callable[[str | None], Awaitable[str]]) -> None:
        self._get_token = get_token

    async def get_token(self, refused: str | None) -> str:
        return await self._get_token(refused)

    def make_headers(self, path: str, query: Query, headers: Headers, token: str | None) -> Headers:
        return Headers(headers, **{"X-Auth-Token": token or ""})
