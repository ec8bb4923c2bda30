"""What the error codes and statuses of the API and IAM mean: one rule for each.

An error code takes precedence over the status.
"""

from __future__ import annotations

from dataclasses import dataclass

from metastudio.api.retry import AttemptError, FatalError, RetryableError, ThrottledError, UnauthenticatedError
from metastudio.errors import (
    ConfigurationError,
    CredentialsError,
    MetaStudioError,
    RefusedError,
    UnavailableError,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """The meaning of a code or status: what helps against it, or which error and hint to raise."""

    failure: type[AttemptError]
    error: type[MetaStudioError]
    hint: str


_NOT_AUTHENTICATED = Rule(
    UnauthenticatedError, CredentialsError, "Check the credentials: wrong, expired, or of another region."
)
_OTHER_PROJECT = Rule(
    UnauthenticatedError, CredentialsError, "The token belongs to another project: check project_id and the token."
)
_NO_SUCH_API = Rule(FatalError, ConfigurationError, "There is no such API at this address: check region and endpoint.")
_THROTTLED = Rule(
    ThrottledError,
    UnavailableError,
    "Lower requests_per_second: all programs of the tenant share one quota.",
)
RETRYABLE = Rule(RetryableError, UnavailableError, "")
_REDIRECT = Rule(FatalError, ConfigurationError, "Check region and endpoint: credentials are not sent anywhere else.")


def _forbidden(hint: str) -> Rule:
    return Rule(FatalError, CredentialsError, hint)


def _refused(hint: str) -> Rule:
    return Rule(FatalError, RefusedError, hint)


BY_CODE = {
    "MSS.00000001": _NOT_AUTHENTICATED,
    "MSS.00010008": _NOT_AUTHENTICATED,
    "MSS.00010009": _OTHER_PROJECT,
    "APIGW.0301": _NOT_AUTHENTICATED,
    "APIGW.0308": _THROTTLED,
    "MSS.00010003": _NO_SUCH_API,
    "APIGW.0101": _NO_SUCH_API,
    "MSS.00022009": _forbidden("The account is frozen: see its bills in the console."),
    "MSS.00022010": _forbidden("The account is not verified: complete the real-name authentication in the console."),
    "MSS.00024001": _forbidden("The user lacks the privilege: grant the IAM user read access to MetaStudio."),
}
BY_STATUS = {
    400: _refused("Check the filters and start_date in the settings."),
    401: _NOT_AUTHENTICATED,
    403: _forbidden("The credentials are known, but may not read this project's videos."),
    404: _refused("Check project_id, region and endpoint: they belong together."),
    408: RETRYABLE,
    413: _refused("The request is too long."),
    414: _refused("The request is too long."),
    425: RETRYABLE,
    429: _THROTTLED,
    431: _refused("The headers are too long for this endpoint, probably because of a long token."),
}
BY_STATUS_CLASS = {
    2: RETRYABLE,
    3: _REDIRECT,
    4: _refused("Check region and endpoint."),
    5: RETRYABLE,
}
"""Rules for statuses that are not listed, by their first digit."""

_REFUSED_LOGIN = _forbidden("Check username, password, domain_name and project_id; the user needs programmatic access.")
_NO_IAM = Rule(FatalError, ConfigurationError, "Check region and iam_endpoint.")
IAM_BY_STATUS = {
    400: _REFUSED_LOGIN,
    401: _REFUSED_LOGIN,
    403: _REFUSED_LOGIN,
    408: RETRYABLE,
    425: RETRYABLE,
    429: RETRYABLE,
}
IAM_BY_STATUS_CLASS = {2: RETRYABLE, 3: _NO_IAM, 4: _NO_IAM, 5: RETRYABLE}


def find_rule(status: int, code: str | None) -> Rule:
    """Return the rule for an answer of the API that is not a page of jobs.

    Args:
        code: the answer's error code, if it has one.
    """
    return find_code_rule(code) or BY_STATUS.get(status) or BY_STATUS_CLASS.get(status // 100, RETRYABLE)


def find_code_rule(code: str | None) -> Rule | None:
    """Return the rule for an error code, or None if the code decides nothing."""
    return BY_CODE.get(code.replace("APIG.", "APIGW.", 1)) if code else None


def find_iam_rule(status: int) -> Rule:
    """Return the rule for an answer of IAM that is not a token."""
    return IAM_BY_STATUS.get(status) or IAM_BY_STATUS_CLASS.get(status // 100, RETRYABLE)
