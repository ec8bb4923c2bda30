"""The command `status`. It sends no request to the API and writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from dlt.destinations.exceptions import DatabaseException

from metastudio.commands.result import CommandResult
from metastudio.commands.tenants import run_in_turn
from metastudio.config.settings import Settings, resolve_settings
from metastudio.destination.attempts import Attempt, read_failed, read_newest
from metastudio.destination.dlt_internals.working_dir import count_pending
from metastudio.destination.jobs import Destination
from metastudio.destination.ledger import Completeness
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import BusyError, IncompleteError
from metastudio.extraction.state import State, count_missing
from metastudio.formatting import format_count, format_figure, format_seconds
from metastudio.pipeline.attempt_log import AttemptLog
from metastudio.pipeline.factory import open_existing
from metastudio.pipeline.options import Options
from metastudio.records.schema import LEDGER_VERSION, SCHEMA_VERSION, TABLES

log = logging.getLogger("metastudio")

SHOWN = 5
"""Number of runs, and of failed attempts, that are shown."""


def run_status(options: Options, max_age: float | None) -> CommandResult:
    """Return the status of a pipeline, or of the pipelines of all tenants.

    Args:
        max_age: the greatest age, in seconds, of the last complete sync. If it is given, an older
            sync and gaps beyond `max_missing` are errors.

    Raises:
        ConfigurationError: a name of a tenant is not valid.
    """
    return run_in_turn("status", options, lambda one: read_status(one, max_age))


def read_status(options: Options, max_age: float | None = None) -> CommandResult:
    """Return the status of one tenant's pipeline, from its state, ledger and tables.

    If the destination cannot be read, the status is what the state directory holds.
    """
    result = CommandResult(command="status", pipeline=options.name)
    attempts: list[Attempt] = []
    try:
        settings = resolve_settings(options.tenant)
        destination, state = open_existing(
            options, of_any_release=True, read_only=True, lock_seconds=settings.lock_seconds
        )
        with destination.share_connection():
            attempts = _read_attempts(destination)
            freshness = describe_freshness(_read_completeness(destination, state), settings)
            result.details = {
                "destination": options.destination,
                "dataset": options.dataset,
                "project_id": destination.project_id,
                **freshness,
                **describe_state(state),
                **_describe_tables(destination, state),
            }
        result.error = find_staleness(result.details, max_age)
    except Exception as error:
        result.error = to_metastudio_error(error)
    known_here = [line.attempt for line in AttemptLog(options).read() if not line.is_running]
    result.details |= describe_attempts([*known_here, *attempts])
    return result


def _read_attempts(destination: Destination) -> list[Attempt]:
    """Return the newest attempt and the failed ones; none if the table cannot be read."""
    try:
        return [*filter(None, [read_newest(destination)]), *read_failed(destination, SHOWN)]
    except DatabaseException as error:
        log.warning("The table sync_attempts cannot be read: %s.", type(error.dbapi_exception).__name__)
        return []


def _read_completeness(destination: Destination, state: State) -> Completeness:
    has_ledger = state.get("schema_version", 0) >= LEDGER_VERSION
    return destination.completeness() if has_ledger else Completeness()


def _describe_tables(destination: Destination, state: State) -> dict[str, Any]:
    has_ledger = state.get("schema_version", 0) >= LEDGER_VERSION
    return {
        "tables": {table.name: destination.count_rows(table.name) for table in TABLES},
        "open_jobs": len(destination.open_jobs(datetime(9999, 1, 1, tzinfo=UTC))),
        "pending_packages": count_pending(destination.pipeline.pipeline_name),
        "last_runs": destination.last_runs(SHOWN) if has_ledger else [],
    }


def describe_freshness(completeness: Completeness, settings: Settings) -> dict[str, Any]:
    """Return when the last complete sync ended, and whether that is too long ago.

    Gaps that `max_missing` accepts do not make a sync incomplete.
    """
    is_accepted = completeness.missing <= settings.max_missing
    ended_at = completeness.synced_at if is_accepted else completeness.complete_at
    age = max((datetime.now(UTC) - ended_at).total_seconds(), 0.0) if ended_at else None
    return {
        "last_complete_sync_at": ended_at and ended_at.astimezone(UTC),
        "age_seconds": age and round(age, 1),
        "stale_after_seconds": settings.stale_after_seconds,
        "is_stale": age is None or age > settings.stale_after_seconds,
        "max_missing": settings.max_missing,
    }


def find_staleness(details: dict[str, Any], max_age: float | None) -> IncompleteError | None:
    """Return an error if the last complete sync is too old, or if too many jobs are missing."""
    if max_age is None:
        return None
    ended_at, age, missing = (details[name] for name in ("last_complete_sync_at", "age_seconds", "missing"))
    hint = "Look at the failed attempts in metastudio status, and at the scheduler that calls metastudio sync."
    if missing > details["max_missing"]:
        what = f"{format_count(missing, 'job')} missing in {format_count(len(details['gaps']), 'gap')}"
        return IncompleteError(f"{what}: more than max_missing.", hint="metastudio status lists the gaps.")
    if age is None:
        return IncompleteError("No sync is complete so far.", hint=hint)
    if age > max_age:
        when = f"{format_figure(ended_at)} UTC, {format_seconds(age)} ago"
        return IncompleteError(f"The last complete sync ended {when}: more than {format_seconds(max_age)}.", hint=hint)
    return None


def describe_attempts(found: Iterable[Attempt]) -> dict[str, Any]:
    """Return the newest attempt and the newest failed ones, without those that were skipped."""
    by_run = {attempt.run_id: attempt for attempt in found if attempt.exit_code != BusyError.exit_code}
    attempts = sorted(by_run.values(), key=lambda attempt: attempt.started_at, reverse=True)
    failed = [attempt for attempt in attempts if attempt.exit_code != 0]
    return {
        "last_attempt": describe_attempt(attempts[0]) if attempts else None,
        "last_failed_attempts": [describe_attempt(attempt) for attempt in failed[:SHOWN]],
    }


def describe_attempt(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt without the columns that are the same for all attempts."""
    values = attempt._asdict()
    for name in ("started_at", "finished_at"):
        values[name] = values[name] and values[name].astimezone(UTC)
    return {name: value for name, value in values.items() if name not in ("pipeline", "project_id", "app_user_id")}


def describe_state(state: State) -> dict[str, Any]:
    """Return the watermark, the open gaps and the learned limits in a state."""
    gaps = state.get("gaps", [])
    return {
        "watermark": state.get("watermark", "none: the backfill is not finished"),
        "update_time_sorting": state.get("update_time_sorting", "proved" if "watermark" in state else "not asked yet"),
        "schema_version": state.get("schema_version", SCHEMA_VERSION),
        "gaps": [{**gap, "missing": count_missing([gap])} for gap in gaps],
        "missing": count_missing(gaps),
        "limits": state.get("limits", {}),
    }
