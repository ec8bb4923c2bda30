"""The attempts: every run of a command that loads, and how it ended (`sync_attempts`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from metastudio.destination.connection import TenantTables, make_batches
from metastudio.records.schema import ATTEMPTS


class Attempt(NamedTuple):
    """One run. The fields are the columns of the table, in their order."""

    run_id: str
    pipeline: str
    project_id: str | None
    app_user_id: str | None
    command: str
    mode: str | None
    exit_code: int | None
    error_code: str | None
    error_message: str | None
    requests: int
    rows_loaded: int
    seconds: float | None
    started_at: datetime
    finished_at: datetime | None


def add_attempts(tables: TenantTables, attempts: Sequence[Attempt]) -> bool:
    """Insert the attempts that are not there yet, without a load package.

    Return False if that is not possible on this destination.
    """
    if not tables.capabilities.takes_inserts:
        return False
    with tables.share_connection():
        known = {run_id for batch in make_batches(attempts) for run_id in _find_known(tables, *batch)}
        return tables.insert(ATTEMPTS, make_columns([one for one in attempts if one.run_id not in known]))


def _find_known(tables: TenantTables, attempts: Sequence[Attempt], marks: str) -> list[str]:
    run_ids = [attempt.run_id for attempt in attempts]
    return [
        run_id for (run_id,) in tables.query(f"SELECT run_id FROM {{attempts}} WHERE run_id IN ({marks})", *run_ids)
    ]


def read_failed(tables: TenantTables, number: int) -> list[Attempt]:
    """Return the newest attempts of the pipeline that failed or were killed."""
    return _read(tables, f"(exit_code IS NULL OR exit_code NOT IN (0, 6)) ORDER BY started_at DESC LIMIT {number}")


def read_newest(tables: TenantTables) -> Attempt | None:
    """Return the newest attempt of the pipeline that was not skipped, or None."""
    rows = _read(tables, "(exit_code IS NULL OR exit_code <> 6) ORDER BY started_at DESC LIMIT 1")
    return rows[0] if rows else None


def _read(tables: TenantTables, condition: str) -> list[Attempt]:
    sql = f"SELECT {', '.join(Attempt._fields)} FROM {{attempts}} WHERE pipeline = %s AND {condition}"
    return [Attempt(*row) for row in tables.query(sql, tables.pipeline.pipeline_name)]


def make_columns(attempts: Sequence[Attempt]) -> dict[str, Sequence[Any]]:
    """Return the columns of the table, with one value for each attempt."""
    return {name: [getattr(attempt, name) for attempt in attempts] for name in Attempt._fields}
