"""The text of `metastudio status`: one line per figure, gap, limit and run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metastudio.commands.result import CommandResult
from metastudio.extraction.filters import KEPT
from metastudio.formatting import format_count, format_figure, format_seconds

LIMITS = {
    "max_offset": "an offset of {:,} jobs is refused",
    "max_range_days": "no answer for windows of creation time wider than {:,} days",
    "count_cap": "the count stops at {:,} jobs",
    "job_ids": "the filter job_ids is {}",
    "count": "the count of jobs is {}: all listed jobs are loaded, but nothing proves that the list is complete",
}
"""The text for each learned limit, by its name in the state."""

IN_VERDICTS = ("last_complete_sync_at", "age_seconds", "stale_after_seconds", "is_stale", "max_missing")
"""Details that are shown in the first lines only."""


def describe_status(result: CommandResult) -> str:
    """Describe the status of a pipeline, beginning with what is wrong.

    If the destination could not be read, only the attempts are known.
    """
    details = dict(result.details)
    attempts = list(_describe_attempts(details.pop("last_attempt"), details.pop("last_failed_attempts")))
    if not details:
        return "\n".join(attempts)
    verdicts = list(describe_verdicts(details))
    gaps, missing, limits, runs = (details.pop(name) for name in ("gaps", "missing", "limits", "last_runs"))
    tables = details.pop("tables").items()
    details["tables"] = ", ".join(f"{table} {format_count(rows, 'row')}" for table, rows in tables)
    summary = f"{len(gaps)}, with {format_count(missing, 'job')} missing" if gaps else "none"
    shown = {name: value for name, value in details.items() if name not in IN_VERDICTS}
    lines = [_write_line(name.replace("_", " "), format_figure(value)) for name, value in shown.items()]
    lines.append(_write_line("gaps", summary))
    lines += [_describe_gap(gap) for gap in gaps]
    lines += [*_describe_limits(limits), *(_describe_run(run) for run in runs), *attempts]
    return "\n".join([*verdicts, _write_line("pipeline", result.pipeline), *lines])


def describe_verdicts(details: Mapping[str, Any]) -> Iterator[str]:
    """Yield how fresh the tables are, and what is missing beyond what `max_missing` accepts."""
    ended_at, limit = details["last_complete_sync_at"], format_seconds(details["stale_after_seconds"])
    if ended_at is None:
        yield "✗ No sync is complete so far."
    else:
        when = (
            f"The last complete sync ended {format_figure(ended_at)} UTC, {format_seconds(details['age_seconds'])} ago"
        )
        too_old = f": more than {limit} (stale_after_seconds)."
        yield f"✗ {when}{too_old}" if details["is_stale"] else f"✓ {when}."
    if details["missing"] > details["max_missing"]:
        gaps = format_count(len(details["gaps"]), "gap")
        yield f"✗ {format_count(details['missing'], 'job')} missing in {gaps}: more than max_missing."


def _describe_attempts(last: Mapping[str, Any] | None, failed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the newest attempt, and the failed ones with code, message and time."""
    if last is not None:
        yield _write_line("last attempt", f"{_name_attempt(last)}, at {format_figure(last['started_at'])} UTC")
    for attempt in failed:
        what = ": ".join(filter(None, (_name_attempt(attempt), attempt["error_code"], attempt["error_message"])))
        yield _write_line("failed attempt", f"{format_figure(attempt['started_at'])} UTC: {what}")


def _name_attempt(attempt: Mapping[str, Any]) -> str:
    code = attempt["exit_code"]
    return f"{attempt['command']}, " + ("no exit code" if code is None else f"exit code {code}")


def _write_line(name: str, text: str) -> str:
    return f"{name:<20} {text}"


def _describe_gap(gap: Mapping[str, Any]) -> str:
    text = (
        f"{gap['since']} to {gap['until']}: {gap['reason']}, {gap['rows_read']:,} of {format_count(gap['count'], 'job')}"
        f" read, {gap['missing']:,} missing; since {gap['found_at']}, next try {gap['next_try_at']}"
    )
    return _write_line("gap", text)


def _describe_limits(limits: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each learned limit of the endpoint, but none for filters that work."""
    for name, value in limits.items():
        if name in LIMITS:
            yield _write_line("limit", LIMITS[name].format(value))
        elif name == "filters" and value != KEPT:
            yield _write_line("limit", f"create_since and create_until: {value}")


def _describe_run(run: Mapping[str, Any]) -> str:
    text = (
        f"{run['mode']}, {format_count(run['windows'], 'window')}: {format_count(run['rows_read'], 'row')} read"
        f" with {format_count(run['requests'], 'request')}, {'complete' if run['complete'] else 'NOT complete'},"
        f" finished {format_figure(run['finished_at'])} UTC"
    )
    return _write_line(f"run {run['run_id'][:8]}", text)
