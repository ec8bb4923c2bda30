"""The text of `metastudio status`: one line per figure, gap, limit and run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metastudio.commands.result import CommandResult
from metastudio.extraction.filters import KEPT
from metastudio.formatting import format_count, format_figure

LIMITS = {
    "max_offset": "an offset of {:,} jobs is refused",
    "max_range_days": "no window of creation times is answered that is wider than {:,} days",
    "count_cap": "the count stops at {:,} jobs",
    "job_ids": "the filter job_ids is {}",
    "count": "the count of jobs is {}: what is listed is loaded, and nothing proves that it is everything",
}
"""What is shown of each learned limit, by its name in the state."""


def describe_status(result: CommandResult) -> str:
    """Describe the status of a pipeline, or return nothing if it could not be read."""
    details = dict(result.details)
    if not details:
        return ""
    gaps, missing, limits, runs = (details.pop(name) for name in ("gaps", "missing", "limits", "last_runs"))
    tables = details.pop("tables").items()
    details["tables"] = ", ".join(f"{table} {format_count(rows, 'row')}" for table, rows in tables)
    summary = f"{len(gaps)}, with {format_count(missing, 'job')} missing" if gaps else "none"
    lines = [_write_line(name.replace("_", " "), format_figure(value)) for name, value in details.items()]
    lines.append(_write_line("gaps", summary))
    lines += [_describe_gap(gap) for gap in gaps]
    lines += [*_describe_limits(limits), *(_describe_run(run) for run in runs)]
    return "\n".join([_write_line("pipeline", result.pipeline), *lines])


def _write_line(name: str, text: str) -> str:
    return f"{name:<20} {text}"


def _describe_gap(gap: Mapping[str, Any]) -> str:
    text = (
        f"{gap['since']} to {gap['until']}: {gap['reason']}, {gap['rows_read']:,} of {format_count(gap['count'], 'job')}"
        f" read, {gap['missing']:,} missing; since {gap['found_at']}, next try {gap['next_try_at']}"
    )
    return _write_line("gap", text)


def _describe_limits(limits: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each learned limit of the endpoint; what it keeps to is no limit."""
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
