"""Tells where a pipeline stands, without asking the API and without writing anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .console import show, write_json, write_out
from .destination import Destination
from .pipeline import Options, open_synced
from .schema import SCHEMA_VERSION, TABLES


def show_status(options: Options, *, as_json: bool) -> None:
    """Print where a pipeline stands, as lines or as one JSON object."""
    status = read_status(options)
    if as_json:
        write_json(status)
        return
    for name, value in status.items():
        if isinstance(value, dict):
            value = ", ".join(f"{table} {show(rows)} rows" for table, rows in value.items())
        if name != "last_runs":
            write_out(f"{name.replace('_', ' '):<20} {show(value)}")
    for run in status["last_runs"]:
        write_out(
            f"run {run['run_id'][:8]:<16} {run['mode']}, {show(run['windows'])} windows, {show(run['rows_read'])} rows read,"
            f" {show(run['requests'])} requests, {'complete' if run['complete'] else 'NOT complete'},"
            f" finished {show(run['finished_at'])} UTC"
        )


def read_status(options: Options) -> dict[str, Any]:
    """Read the state, the ledger and the tables of a pipeline.

    Raises:
        ConfigurationError: it was never synced, or its destination cannot be opened.
    """
    destination, state = open_synced(options)
    return {
        "pipeline": options.pipeline,
        "destination": options.destination,
        "dataset": options.dataset,
        "project_id": destination.project_id,
        "watermark": state.get("watermark", "none: the backfill is not finished"),
        "update_time_sorting": state.get("update_time_sorting", "not asked yet"),
        "schema_version": state.get("schema_version", SCHEMA_VERSION),
        "tables": {table.name: destination.count_rows(table.name) for table in TABLES},
        "open_jobs": len(destination.open_jobs(datetime(9999, 1, 1, tzinfo=UTC))),
        "pending_packages": destination.count_pending(),
        "last_runs": _read_last_runs(destination),
    }


def _read_last_runs(destination: Destination) -> list[dict[str, Any]]:
    """Read the newest runs from the ledger."""
    names = ("run_id", "mode", "windows", "rows_read", "requests", "complete", "finished_at")
    rows = destination.query(
        "SELECT run_id, min(mode), count(*), cast(sum(rows_read) AS bigint), cast(sum(requests) AS bigint),"
        " min(CASE WHEN complete THEN 1 ELSE 0 END), max(finished_at)"
        " FROM {windows} WHERE project_id = %s GROUP BY run_id ORDER BY max(finished_at) DESC LIMIT 5",
        destination.project_id,
    )
    return [{**dict(zip(names, row, strict=True)), "complete": bool(row[5])} for row in rows]
