"""Writes the status to a file for Prometheus' textfile collector."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from metastudio.commands.result import CommandResult, MultiTenantResult
from metastudio.errors import ConfigurationError


class Metric(NamedTuple):
    """A gauge."""

    name: str
    help: str


METRICS = (
    Metric("up", "Whether the destination could be read (1) or not (0)"),
    Metric("status_timestamp_seconds", "When this file was written"),
    Metric("last_complete_sync_timestamp_seconds", "End of the last complete sync"),
    Metric("stale_after_seconds", "The setting stale_after_seconds"),
    Metric("gaps", "Open gaps"),
    Metric("missing_jobs", "Jobs missing in open gaps"),
    Metric("open_jobs", "Jobs that wait or render"),
    Metric("pending_packages", "Load packages that a killed run left"),
    Metric("table_rows", "Rows of a raw table"),
    Metric("last_attempt_timestamp_seconds", "Start of the last run of sync, backfill or audit"),
    Metric("last_attempt_success", "Whether that run succeeded (1) or not (0)"),
    Metric("last_attempt_exit_code", "Exit code of that run; no value if it was killed"),
)


def write_metrics(result: CommandResult, path: Path) -> None:
    """Replace the file by the metrics of a status, in one step.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(make_metrics(result), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigurationError(
            f"The metrics cannot be written: {error.strerror}.",
            hint="Give --prometheus a file in a folder that you may write to.",
        ) from None


def make_metrics(result: CommandResult) -> str:
    """Return the metrics of all tenants in the text format of Prometheus."""
    results = result.by_tenant if isinstance(result, MultiTenantResult) else {"": result}
    lines: dict[str, list[str]] = {}
    for tenant, one in results.items():
        labels = {"pipeline": one.pipeline, **({"tenant": tenant} if tenant else {})}
        for name, more, value in _list_values(one):
            lines.setdefault(name, []).append(_write_line(name, {**labels, **more}, value))
    text = ""
    for metric in METRICS:
        if found := lines.get(metric.name):
            name = f"metastudio_{metric.name}"
            text += f"# HELP {name} {metric.help}\n# TYPE {name} gauge\n" + "".join(found)
    return text


def _list_values(result: CommandResult) -> Iterator[tuple[str, Mapping[str, str], Any]]:
    """Yield the name, additional labels and value of each known figure."""
    details, last = result.details, result.details.get("last_attempt")
    is_read = "tables" in details
    yield "up", {}, int(is_read)
    yield "status_timestamp_seconds", {}, result.at
    if is_read:
        if details["last_complete_sync_at"]:
            yield "last_complete_sync_timestamp_seconds", {}, details["last_complete_sync_at"]
        yield "stale_after_seconds", {}, details["stale_after_seconds"]
        yield "gaps", {}, len(details["gaps"])
        yield "missing_jobs", {}, details["missing"]
        for name in ("open_jobs", "pending_packages"):
            yield name, {}, details[name]
        for table, rows in details["tables"].items():
            yield "table_rows", {"table": table}, rows
    if last:
        yield "last_attempt_timestamp_seconds", {}, last["started_at"]
        yield "last_attempt_success", {}, int(last["exit_code"] == 0)
        if last["exit_code"] is not None:
            yield "last_attempt_exit_code", {}, last["exit_code"]


def _write_line(name: str, labels: Mapping[str, str], value: Any) -> str:
    number = value.timestamp() if isinstance(value, datetime) else value
    text = ",".join(f'{label}="{content}"' for label, content in labels.items())
    return f"metastudio_{name}{{{text}}} {number}\n"
