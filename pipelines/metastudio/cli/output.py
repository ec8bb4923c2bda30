"""What a person sees while a command works and when it ends: progress, the summary, errors. Figures carry their units."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from metastudio.commands.load import CommandResult, MultiTenantResult
from metastudio.commands.progress import LogProgress
from metastudio.config.settings import Tenant
from metastudio.errors import MetaStudioError
from metastudio.extraction.audit import Audit
from metastudio.extraction.types import Chunk
from metastudio.formatting import format_count
from metastudio.pipeline.summary import Summary
from metastudio.source.stream import Reader

if TYPE_CHECKING:
    from rich.progress import Progress


class BarProgress(LogProgress):
    """Shows a progress bar: for a terminal; of several tenants, one for each."""

    def __init__(self, display: Progress | None = None, label: str = "") -> None:
        self._display = display or _make_display()
        self._label = label

    def of(self, tenant: str) -> LogProgress:
        return BarProgress(self._display, f"{tenant}: ")

    def start(self, tenant: Tenant, reader: Reader) -> None:
        super().start(tenant, reader)
        self._task = self._display.add_task(f"{self._label}asking the API", total=None)
        self._display.start()

    def on_chunk_loaded(self, summary: Summary, chunk: Chunk) -> None:
        self._display.update(
            self._task,
            description=self._label + self.describe(summary, chunk),
            total=chunk.expected_rows,
            completed=min(summary.rows_read, chunk.expected_rows or summary.rows_read),
        )

    def stop(self) -> None:
        self._display.stop()


def _make_display() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def make_progress() -> LogProgress:
    """Choose the bar for a terminal, lines for anything else."""
    return BarProgress() if sys.stderr.isatty() else LogProgress()


def run_with_progress(
    work: Callable[[LogProgress], CommandResult | MultiTenantResult], *, as_json: bool
) -> CommandResult | MultiTenantResult:
    """Do a command's work under a progress display, and write how it ended."""
    watcher = make_progress()
    try:
        outcome = work(watcher)
    finally:
        watcher.stop()
    write_outcome(outcome, as_json=as_json)
    return outcome


def write_out(text: str) -> None:
    """Write a result to the standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write_error(error: MetaStudioError) -> None:
    """Write an error to the standard error: what failed, and what to do."""
    sys.stderr.write(f"Error: {error}\n")


def write_json(value: dict[str, Any]) -> None:
    """Write one JSON object as one line."""
    write_out(orjson.dumps(value, option=orjson.OPT_UTC_Z, default=float).decode())


def write_outcome(outcome: CommandResult | MultiTenantResult, *, as_json: bool) -> None:
    """Write how a command ended."""
    if isinstance(outcome, MultiTenantResult):
        _write_outcomes(outcome, as_json=as_json)
        return
    if outcome.error is not None:
        write_error(outcome.error)
    if as_json:
        write_json(outcome.summary.as_json())
        return
    if outcome.audit is not None:
        write_out(_describe_audit(outcome.audit))
    if outcome.error is None:
        write_out(_describe(outcome.summary))


def _write_outcomes(outcomes: MultiTenantResult, *, as_json: bool) -> None:
    for name, outcome in outcomes.by_tenant.items():
        if outcome.error is not None:
            sys.stderr.write(f"{name}: Error: {outcome.error}\n")
        if not as_json and outcome.audit is not None and outcome.audit.comparisons:
            write_out("".join(f"{name}: {line}\n" for line in _describe_audit(outcome.audit).splitlines()).rstrip())
        if not as_json and outcome.error is None:
            write_out(f"{name}: {_describe(outcome.summary)}")
    if outcomes.error is not None:
        write_error(outcomes.error)
    if as_json:
        tenants = {
            name: {**outcome.summary.as_json(), "exit_code": outcome.error.exit_code if outcome.error else 0}
            for name, outcome in outcomes.by_tenant.items()
        }
        write_json({**outcomes.summary.as_json(), "tenants": tenants})


def _describe(summary: Summary) -> str:
    parts = [
        f"{summary.command} done ({summary.mode or 'nothing to do'}): {format_count(summary.rows_loaded, 'row')} loaded"
        f" from {format_count(summary.windows, 'window')}",
        f"{format_count(summary.requests, 'request')} ({summary.retries:,} retried, {summary.throttled:,} throttled)",
        f"{summary.seconds:,.1f} s",
    ]
    if summary.marked_deleted:
        parts.append(f"{format_count(summary.marked_deleted, 'job')} marked as deleted")
    if summary.rejected:
        parts.append(f"{format_count(summary.rejected, 'record')} rejected (see the table rejected_records)")
    if summary.mode == "rescan":
        parts.append("the endpoint did not prove that it sorts by update_time, so recent and open jobs were read again")
    return "; ".join([*parts, *summary.notes]) + f"; watermark {summary.watermark or 'not set'}"


def _describe_audit(audit: Audit) -> str:
    lines = [
        f"{'jobs in all' if item.state is None else item.state:<12} {item.api:>12,} at the API {item.destination:>12,} here"
        f"   {'equal' if item.api == item.destination else 'differs'}"
        for item in audit.comparisons
    ]
    found = audit.findings
    lines.append(
        f"differences: {len(found.missing):,} missing, {len(found.vanished):,} vanished, {len(found.other_state):,} in another state"
    )
    return "\n".join(lines)
