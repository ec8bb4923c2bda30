"""Tells where a pipeline stands, without asking the API and without writing anything."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from metastudio.cli.output import write_json, write_out
from metastudio.errors import MetaStudioError
from metastudio.formatting import format_count, format_figure
from metastudio.pipeline.factory import open_existing
from metastudio.pipeline.options import Options
from metastudio.records.schema import SCHEMA_VERSION, TABLES


def show_status(chosen: Sequence[Options], *, as_json: bool) -> int:
    """Print where a pipeline stands, or that of each tenant, as lines or as one JSON object; give the exit code."""
    if len(chosen) == 1:
        status = read_status(chosen[0])
        write_json(status) if as_json else _print(status)
        return 0
    told: dict[str, dict[str, Any]] = {}
    failed: list[MetaStudioError] = []
    for options in chosen:
        name = str(options.tenant)
        try:
            told[name] = read_status(options)
        except MetaStudioError as error:
            told[name] = {"error": error.as_dict()}
            failed.append(error)
            sys.stderr.write(f"{name}: Error: {error}\n")
        if not as_json and "error" not in told[name]:
            write_out(f"\n{name}")
            _print(told[name])
    if as_json:
        write_json({"tenants": told})
    return failed[0].exit_code if failed else 0


def _print(status: dict[str, Any]) -> None:
    for name, value in status.items():
        if isinstance(value, dict):
            value = ", ".join(f"{table} {format_count(rows, 'row')}" for table, rows in value.items())
        if name != "last_runs":
            write_out(f"{name.replace('_', ' '):<20} {format_figure(value)}")
    for run in status["last_runs"]:
        write_out(
            f"run {run['run_id'][:8]:<16} {run['mode']}, {format_count(run['windows'], 'window')}: {format_count(run['rows_read'], 'row')}"
            f" read"
            f" with {format_count(run['requests'], 'request')}, {'complete' if run['complete'] else 'NOT complete'},"
            f" finished {format_figure(run['finished_at'])} UTC"
        )


def read_status(options: Options) -> dict[str, Any]:
    """Read the state, the ledger and the tables of a pipeline.

    Raises:
        ConfigurationError: it was never synced, or its destination cannot be opened.
    """
    destination, state = open_existing(options, of_any_release=True, read_only=True)
    return {
        "pipeline": options.name,
        "destination": options.destination,
        "dataset": options.dataset,
        "project_id": destination.project_id,
        "watermark": state.get("watermark", "none: the backfill is not finished"),
        "update_time_sorting": state.get("update_time_sorting", "not asked yet"),
        "schema_version": state.get("schema_version", SCHEMA_VERSION),
        "tables": {table.name: destination.count_rows(table.name) for table in TABLES},
        "open_jobs": len(destination.open_jobs(datetime(9999, 1, 1, tzinfo=UTC))),
        "pending_packages": destination.count_pending(),
        "last_runs": destination.last_runs(5),
    }
