"""What a person sees while a command works and when it ends: progress, the summary, errors. Figures carry their units."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import orjson

from .commands import Outcome, Outcomes
from .errors import MetaStudioError
from .extraction.audit import Audit
from .extraction.protocol import Chunk
from .loading import Summary
from .reader import Reader
from .settings import Tenant

if TYPE_CHECKING:
    from rich.progress import Progress

log = logging.getLogger("metastudio")


class LogWatcher:
    """Logs one line a chunk: for schedulers and files."""

    def of(self, tenant: str) -> LogWatcher:
        """Give a watcher of one of several tenants."""
        return LogWatcher()

    def start(self, tenant: Tenant, reader: Reader) -> None:
        self._tenant = tenant
        self._reader = reader
        self._started = time.monotonic()

    def loaded(self, summary: Summary, chunk: Chunk) -> None:
        log.info("%s: %s", chunk.mode, self.describe(summary, chunk))

    def describe(self, summary: Summary, chunk: Chunk) -> str:
        """Say how far the run is: windows, rows, rows/s, share of the quota, what it waits for, time left."""
        seconds = max(time.monotonic() - self._started, 0.001)
        client = self._reader.client
        requests = client.counters.requests if client else 0
        parts = [
            count(summary.windows, "window"),
            f"{summary.rows_read:,} rows read" + (f" of {chunk.expected_rows:,}" if chunk.expected_rows else ""),
            f"{summary.rows_read / seconds:,.0f} rows/s",
            count(requests, "request"),
            f"{requests / max(seconds, 1) / self._tenant.requests_per_second:.0%} of the quota",
        ]
        if client and client.counters.throttled:
            parts.append(f"{client.counters.throttled:,} throttled, pace now {client.pace:.1f} requests/s")
        left = (chunk.expected_rows or 0) - summary.rows_read
        if left > 0 and summary.rows_read:
            parts.append(f"about {left / summary.rows_read * seconds:,.0f} s left")
        return ", ".join(parts)

    def stop(self) -> None:
        """Nothing is left open."""


class BarWatcher(LogWatcher):
    """Shows a progress bar: for a terminal; of several tenants, one for each."""

    def __init__(self, display: Progress | None = None, label: str = "") -> None:
        self._display = display or _make_display()
        self._label = label

    def of(self, tenant: str) -> LogWatcher:
        return BarWatcher(self._display, f"{tenant}: ")

    def start(self, tenant: Tenant, reader: Reader) -> None:
        super().start(tenant, reader)
        self._task = self._display.add_task(f"{self._label}asking the API", total=None)
        self._display.start()

    def loaded(self, summary: Summary, chunk: Chunk) -> None:
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


def count(number: int, what: str) -> str:
    """Write a number of things."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def make_watcher() -> LogWatcher:
    """Choose the bar for a terminal, lines for anything else."""
    return BarWatcher() if sys.stderr.isatty() else LogWatcher()


def run_watched(work: Callable[[LogWatcher], Outcome | Outcomes], *, as_json: bool) -> Outcome | Outcomes:
    """Do a command's work under a progress display, and write how it ended."""
    watcher = make_watcher()
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


def show(value: Any) -> str:
    """Write a figure for people."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, int):
        return f"{value:,}"
    return str(value) if isinstance(value, (str, date)) else f"{float(value):,.1f}"


def show_seconds(seconds: Any) -> str:
    """Write a length of time with its unit."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def write_outcome(outcome: Outcome | Outcomes, *, as_json: bool) -> None:
    """Write how a command ended."""
    if isinstance(outcome, Outcomes):
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


def _write_outcomes(outcomes: Outcomes, *, as_json: bool) -> None:
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
        f"{summary.command} done ({summary.mode or 'nothing to do'}): {count(summary.rows_loaded, 'row')} loaded"
        f" from {count(summary.windows, 'window')}",
        f"{count(summary.requests, 'request')} ({summary.retries:,} retried, {summary.throttled:,} throttled)",
        f"{summary.seconds:,.1f} s",
    ]
    if summary.marked_deleted:
        parts.append(f"{count(summary.marked_deleted, 'job')} marked as deleted")
    if summary.rejected:
        parts.append(f"{count(summary.rejected, 'record')} rejected (see the table rejected_records)")
    if summary.mode == "rescan":
        parts.append("the endpoint did not prove that it sorts by update_time, so recent and open jobs were read again")
    return "; ".join(parts) + f"; watermark {summary.watermark or 'not set'}"


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
