"""The errors of this package, sorted by what an orchestrator should do about them.

MetaStudioError                 exit 1   a bug: alert
  x ConfigurationError          exit 2   wrong usage, settings, destination or request: do not retry
    x RefusedError              exit 2   the API refuses a request (400, 404, 414 …)
  x CredentialsError            exit 3   the API or IAM refused the credentials: do not retry
  x UnavailableError            exit 4   unreachable or failing after all retries: retry later
  x IncompleteError             exit 5   completeness or quality could not be established: alert
  x BusyError                   exit 6   another sync of this pipeline is running: skip

A message is one sentence that says what failed and where. The hint says what to do next. Neither
contains a header, a body, a URL's query or a setting's value that could be a secret.
"""

from __future__ import annotations

import signal


class MetaStudioError(Exception):
    """The base of all errors that this package raises on purpose.

    Args:
        message: what failed, and where.
        hint: what to do next.
        code: the API's error_code (`MSS.…`, `APIGW.…`), if there is one.
        request_id: the X-Request-Id of the answer, which the vendor's support asks for.
        status: the status of the last HTTP answer; None if there was none, as after a time-out.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        request_id: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.request_id = request_id
        self.status = status

    def as_dict(self) -> dict[str, str | None]:
        """Return the error as `--json` prints it."""
        return {"code": self.code, "message": self.message, "request_id": self.request_id, "hint": self.hint}

    def __str__(self) -> str:
        about = ", ".join(part for part in (self.code, self.request_id and f"X-Request-Id {self.request_id}") if part)
        return " ".join(part for part in (self.message, f"({about})" if about else "", self.hint) if part)


class ConfigurationError(MetaStudioError):
    """Usage, settings, destination or request are wrong. A retry does not help."""

    exit_code = 2


class RefusedError(ConfigurationError):
    """The API refuses the parameters of a request (400, 404, 414 and other 4xx)."""


class CredentialsError(MetaStudioError):
    """The API or IAM refused the credentials (401, 403)."""

    exit_code = 3


class UnavailableError(MetaStudioError):
    """The API is unreachable or failing after all retries. Nothing is lost."""

    exit_code = 4


class IncompleteError(MetaStudioError):
    """The data could not be proved complete, or too many records were rejected."""

    exit_code = 5


class BusyError(MetaStudioError):
    """Another sync of this pipeline is running. Nothing was changed."""

    exit_code = 6


class TerminatedError(KeyboardInterrupt):
    """SIGTERM was received."""

    signal_code = signal.SIGTERM


def find_exit_code(interrupt: BaseException) -> int:
    """Return the exit code after a signal: 130 after Ctrl-C, 143 after SIGTERM and others."""
    default = signal.SIGINT if isinstance(interrupt, KeyboardInterrupt) else signal.SIGTERM
    return 128 + getattr(interrupt, "signal_code", default)
