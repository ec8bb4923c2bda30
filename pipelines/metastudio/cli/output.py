"""Renders the results of commands: as text for people, as JSON for programs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import orjson

from metastudio.cli.log import is_json, is_quiet, write_message
from metastudio.cli.streams import takes_unicode
from metastudio.commands.progress import LogProgress
from metastudio.commands.result import CommandResult, LoadResult, MultiTenantResult, describe_isolation
from metastudio.errors import MetaStudioError
from metastudio.extraction.audit import Audit
from metastudio.extraction.findings import Comparison
from metastudio.formatting import format_count, make_printable
from metastudio.pipeline.summary import Summary


@contextmanager
def show_progress() -> Iterator[LogProgress]:
    """Show the progress of the block: a bar on a terminal, log lines elsewhere."""
    if not sys.stderr.isatty() or is_quiet() or is_json():
        yield LogProgress()
        return
    from metastudio.cli.progress_bar import show_bar

    with show_bar() as progress:
        yield progress


def write_out(text: str) -> None:
    """Write the lines of a result to the standard output."""
    _write_line("\n".join(make_printable(line) for line in text.split("\n")))


def _write_line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write_error(error: MetaStudioError, name: str = "") -> None:
    """Write an error to the standard error, after the name of its tenant."""
    write_message(logging.ERROR, str(error), name)


def write_json(value: dict[str, Any]) -> None:
    """Write one JSON object as one line, in ASCII if the output cannot show all characters."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_UTC_Z, default=float).decode()
        _write_line(text if takes_unicode(sys.stdout) else json.dumps(orjson.loads(text)))
    except orjson.JSONEncodeError:  # a lone surrogate, from an argument or a file name
        _write_line(json.dumps(value, default=str))


def end(result: CommandResult, describe: Callable[[Any], str], *, as_json: bool) -> NoReturn:
    """Write a result, and exit with its code."""
    write_result(result, describe, as_json=as_json)
    sys.exit(result.exit_code)


def write_result(result: CommandResult, describe: Callable[[Any], str], *, as_json: bool) -> None:
    """Write a result as one JSON object, or as text; errors go to the standard error in any case.

    Args:
        describe: makes the text of the result of one tenant.
    """
    tenants = result.by_tenant if isinstance(result, MultiTenantResult) else {}
    for name, one in {f"{name}: ": one for name, one in tenants.items()}.items() or [("", result)]:
        if one.error:
            write_error(one.error, name)
        if not as_json and (text := describe(one)):
            write_out("\n".join(name + line for line in text.splitlines()))
    if tenants and result.error:
        write_error(result.error)
    if as_json:
        write_json(result.as_json())


def describe_load(result: LoadResult) -> str:
    """Describe the result of `sync`, `backfill` or `audit`, beginning with an audit's comparisons.

    With --quiet, the description of a successful run is empty.
    """
    if is_quiet() and not result.error:
        return ""
    lines = describe_audit(result.audit) if result.audit and result.audit.comparisons else []
    if lines:
        lines.append(f"IAM-user isolation {describe_isolation(result.is_isolated)}")
    return "\n".join([*lines, *([] if result.error else [describe_summary(result.command, result.summary)])])


def describe_summary(command: str, summary: Summary) -> str:
    """Describe the figures of a run in one line."""
    parts = [
        f"{command} done ({summary.mode or 'nothing to do'}): {format_count(summary.rows_loaded, 'row')} loaded"
        f" from {format_count(summary.windows, 'window')}",
        f"{format_count(summary.requests, 'request')} ({summary.retries:,} retried, {summary.throttled:,} throttled)",
        f"{summary.seconds:,.1f} s",
        *_describe_findings(summary),
        f"watermark {summary.watermark or 'not set'}",
    ]
    return "; ".join(parts)


def _describe_findings(summary: Summary) -> Iterator[str]:
    """Yield the findings that are mentioned only if there are any."""
    if summary.marked_deleted:
        yield f"{format_count(summary.marked_deleted, 'job')} marked as deleted"
    if summary.rejected:
        yield f"{format_count(summary.rejected, 'record')} rejected (see the table rejected_records)"
    if summary.gaps:
        yield f"{format_count(summary.missing, 'job')} missing in {format_count(summary.gaps, 'gap')} (see metastudio status)"
    if summary.lacking:
        yield f"{format_count(summary.lacking, 'job')} had been lost in the destination"
    if summary.surplus and summary.mode != "audit":  # an audit has marked them, or said why not
        yield f"{format_count(summary.surplus, 'loaded job')} that the API no longer counts (metastudio audit marks them)"
    if summary.scrubbed:
        yield f"scrub: {summary.scrub_changed:,} of {format_count(summary.scrubbed, 'job')} had changed unseen"
    if summary.mode == "rescan":
        yield "the endpoint did not prove that it sorts by update_time, so recent and open jobs were read again"


def describe_audit(audit: Audit) -> list[str]:
    """Describe what an audit compared and found, line by line."""
    lines = [_describe_comparison(item) for item in audit.comparisons]
    found = audit.findings
    counts = f"{len(found.missing):,} missing, {len(found.vanished):,} vanished, {len(found.other_state):,}"
    return [*lines, f"differences: {counts} in another state"]


def _describe_comparison(item: Comparison) -> str:
    name = "all jobs" if item.state is None else item.state
    if item.api is None:
        return (
            f"{name:<12} {'-':>12} at the API {item.destination:>12,} here   not compared: the API refuses this state"
        )
    verdict = "equal" if item.api == item.destination else "differs"
    return f"{name:<12} {item.api:>12,} at the API {item.destination:>12,} here   {verdict}"
