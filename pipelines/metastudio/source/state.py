"""The state of the source between runs, and the tenant that it belongs to."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple, cast

import dlt

from metastudio.config.tenant import Tenant
from metastudio.destination.dlt_internals.state import read_committed_source_state
from metastudio.destination.jobs import Destination
from metastudio.errors import ConfigurationError, IncompleteError
from metastudio.extraction.limits import EndpointLimits
from metastudio.extraction.state import State, count_missing, forget_backfill, is_backfilled
from metastudio.formatting import format_count
from metastudio.records.schema import REJECTED, SCHEMA_VERSION, STATES, VIDEOS, WINDOWS
from metastudio.timestamps import format_time, parse_time

log = logging.getLogger("metastudio")

SOURCE = "metastudio"
"""The name of the source, under which dlt keeps its state."""


def read_state(pipeline: dlt.Pipeline) -> State:
    """Return the local state."""
    return cast(State, dict(pipeline.state.get("sources", {}).get(SOURCE, {})))


def read_committed_state(pipeline: dlt.Pipeline) -> State:
    """Return the state that was committed last in the destination."""
    return cast(State, read_committed_source_state(pipeline, SOURCE))


class Judged(NamedTuple):
    """A state that claims no more than the tables hold.

    Attributes:
        reread: whether everything is to be read again, because the ledger or the rejected records
            were lost.
    """

    state: State
    reread: bool = False


def judge_state(state: State, destination: Destination, tenant: Tenant, restored: Collection[str]) -> Judged:
    """Check a state against the tables, and add the states of jobs whose history was lost.

    Args:
        restored: the tables that were missing, or without a column.
    """
    if state.get("schema_version") != SCHEMA_VERSION:
        return Judged(state)
    state = _note_second_read(state, destination, tenant)
    reread = _has_lost_proof(state, destination, tenant)
    rows = destination.extent(tenant.start_date).rows
    if lost := destination.add_lost_states(rows):
        jobs = format_count(lost, "job")
        log.warning("The table %s lost the history of %s: it begins again with their current states.", STATES, jobs)
    if VIDEOS in restored:  # a column that was created again has no values
        return Judged(forget_backfill(state))
    return Judged(_bound_watermark(state, destination, tenant.start_date), reread)


def _note_second_read(state: State, destination: Destination, tenant: Tenant) -> State:
    """Return the state with `settled`: whether its last changes were read once more.

    A sync that finds nothing new commits no state: only its line in the ledger shows that it ran.
    """
    if "watermark_at" not in state or state.get("settled"):
        return state
    watermark, watermark_at = parse_time(state["watermark"]), parse_time(state["watermark_at"])
    is_settled = destination.has_read_through(watermark - tenant.overlap, watermark, watermark_at + tenant.overlap)
    return State(**{**state, "settled": is_settled})


def _bound_watermark(state: State, destination: Destination, start: datetime) -> State:
    """Return the state with a watermark that is not later than all rows.

    A later watermark came from rows that are gone. If the table is empty, the state is that of a
    first run.
    """
    extent = destination.extent(start)
    if not extent.rows and parse_time(_find_newest_claim(state, start)) > start:
        log.warning("The table %s lost all its jobs: reading everything again.", VIDEOS)
        return forget_backfill(state)
    if "watermark" in state and extent.newest_update and extent.newest_update < parse_time(state["watermark"]):
        log.warning("The table %s is older than the state: reading all changes since its newest row.", VIDEOS)
        return State(**{**state, "watermark": format_time(extent.newest_update), "settled": False})
    return state


def _find_newest_claim(state: State, start: datetime) -> str:
    """Return the newest update that a state knows of; start_date if there was no job yet."""
    return state.get("watermark", state.get("backfill", {}).get("newest_update", format_time(start)))


def _has_lost_proof(state: State, destination: Destination, tenant: Tenant) -> bool:
    """Return whether the ledger or the rejected records were emptied after everything was read."""
    if not is_backfilled(state, tenant.start_date):
        return False
    lost = [WINDOWS] if not destination.has_rows(WINDOWS) else []
    lost += [REJECTED] if state.get("rejected") and not destination.has_rows(REJECTED) else []
    for table in lost:
        log.warning("The table %s lost its rows: reading everything again.", table)
    return bool(lost)


def check_state(state: State, tenant: Tenant) -> None:
    """Check that a state belongs to this tenant and was not written by a newer release.

    Raises:
        ConfigurationError: the state belongs to another tenant or a newer release.
    """
    if state.get("schema_version", 0) > SCHEMA_VERSION:
        raise ConfigurationError(
            "The destination was written by a newer release of metastudio.", hint="Upgrade metastudio on this machine."
        )
    recorded = state.get("identity", tenant.identity)
    changed = [name for name, value in tenant.identity.items() if recorded.get(name) != value]
    if changed:
        raise ConfigurationError(
            f"This pipeline was synced with another {' and another '.join(changed)}.",
            hint="Restore the setting, or sync the other jobs with --pipeline NAME and --dataset NAME of their own.",
        )


def find_gaps_error(state: State, max_missing: int) -> IncompleteError | None:
    """Return an error if more jobs are missing than `max_missing`, or if the API does not count.

    Return None otherwise.
    """
    if EndpointLimits.of(state).is_uncounted:
        return IncompleteError(
            "The API does not count the jobs: nothing proves that the list is whole.",
            hint="What it lists is loaded. Report it to the vendor; the next day's first sync asks again.",
        )
    gaps = state.get("gaps", [])
    missing = count_missing(gaps)
    if missing <= max_missing:
        return None
    first = gaps[0]
    return IncompleteError(
        f"{format_count(missing, 'job')} missing in {format_count(len(gaps), 'gap')};"
        f" the first gap: created {first['since']} to {first['until']}, {first['reason']}.",
        hint="Everything else is loaded. metastudio status lists the gaps. Later syncs ask for them again by themselves;"
        " if the missing jobs are known, set max_missing to accept them.",
    )
