"""The results of commands. As JSON, all of them have the same shape."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from metastudio.errors import MetaStudioError
from metastudio.extraction.audit import Audit
from metastudio.pipeline.summary import Summary
from metastudio.timestamps import format_time

ALERT_FIRST = (1, 5, 3, 2, 4, 6)
"""Exit codes, the most severe first: those that need a person, then those that go away."""

TOTALS = [each.name for each in fields(Summary) if each.name not in ("mode", "watermark", "seconds")]
"""Figures that are summed over tenants."""


@dataclass(kw_only=True)
class CommandResult:
    """How a command ended.

    Args:
        at: when the command began.
        details: what the command found, as JSON values.
    """

    command: str
    pipeline: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    error: MetaStudioError | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else 0

    def as_json(self) -> dict[str, Any]:
        """Return the result as `--json` prints it."""
        return {
            "command": self.command,
            "ok": self.error is None,
            "at": format_time(self.at),
            "pipeline": self.pipeline,
            "exit_code": self.exit_code,
            **self.get_details(),
            "error": self.error.as_dict() if self.error else None,
        }

    def get_details(self) -> dict[str, Any]:
        """Return the keys that this kind of result adds to the common shape."""
        return self.details


@dataclass(kw_only=True)
class LoadResult(CommandResult):
    """How a command that loads ended: its figures, and for an audit its comparisons and findings.

    Args:
        run_id: the run, as in the ledger and in the attempts.
        is_isolated: whether IAM-user isolation is on; None if the API did not say.
    """

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    summary: Summary = field(default_factory=Summary)
    audit: Audit | None = None
    is_isolated: bool | None = None

    def get_details(self) -> dict[str, Any]:
        isolation = {"isolation": self.is_isolated} if self.command == "audit" else {}
        return {**asdict(self.summary), **isolation}


@dataclass(kw_only=True)
class MultiTenantResult(CommandResult):
    """How a command ended for several tenants, by name. The error sums up those of the tenants."""

    by_tenant: Mapping[str, CommandResult]
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.error = sum_up_errors({name: result.error for name, result in self.by_tenant.items()})

    def get_details(self) -> dict[str, Any]:
        loads = [result.summary for result in self.by_tenant.values() if isinstance(result, LoadResult)]
        totals = Summary(seconds=self.seconds)
        for name in TOTALS:
            setattr(totals, name, sum((getattr(summary, name) for summary in loads), getattr(totals, name)))
        tenants = {name: result.as_json() for name, result in self.by_tenant.items()}
        return {**(asdict(totals) if loads else {}), "tenants": tenants}


def describe_isolation(is_isolated: bool | None) -> str:
    """Return whether IAM-user isolation is on, and what that means."""
    if is_isolated is None:
        return "unknown: the API does not say"
    if not is_isolated:
        return "off"
    return "on: the API shows only the jobs of the credentials' own IAM user, whatever app_user_id says."


def sum_up_errors(errors: Mapping[str, MetaStudioError | None]) -> MetaStudioError | None:
    """Combine the errors of several tenants into one with the most severe exit code, or None."""
    failed = {name: error for name, error in errors.items() if error}
    if not failed:
        return None
    names = ", ".join(f"{name} (exit code {error.exit_code})" for name, error in failed.items())
    others = "; the others are done." if len(failed) < len(errors) else "."
    total = MetaStudioError(
        f"{len(failed)} of {len(errors)} tenants failed: {names}.", hint=f"See above what to do for each{others}"
    )
    total.exit_code = min((error.exit_code for error in failed.values()), key=ALERT_FIRST.index)
    return total
