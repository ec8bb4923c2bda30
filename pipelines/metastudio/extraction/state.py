"""What a pipeline remembers between runs: plain JSON, times as text, bounded in size."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NotRequired, TypedDict, cast

from metastudio.timestamps import format_time, parse_time


class Progress(TypedDict, total=False):
    """How far the backfill got: everything created since `done_since` was read.

    `snapshot_at` is the server's time when the backfill began, `newest_update` the latest
    lastupdate_time that the API showed then. `not_rows` counts the records that make no row of
    their own: those without a job_id, and jobs that the list repeats. `lacking` is how many more
    jobs the API counted than were loaded after everything was read, at `lacking_at`. `surplus` is
    how many fewer it counted last: jobs that vanished, which an audit marks.
    """

    snapshot_at: str
    newest_update: str
    done_since: str
    not_rows: int
    lacking: int
    lacking_at: str
    surplus: int


class Gap(TypedDict):
    """A window that could not be read completely, or not proved complete.

    Attributes:
        count: the number of jobs that the API counts in the window.
        rows_read: the number of distinct jobs received.
        reason: why the window is a gap: "counted, not listed", "not readable", "kept moving", …
        found_at: when the gap was found.
        tries: how often it was asked for again.
        next_try_at: when a sync asks for it again.
        has_holes: whether hidden rows keep their places in the list.
    """

    since: str
    until: str
    count: int
    rows_read: int
    reason: str
    found_at: str
    tries: int
    next_try_at: str
    has_holes: NotRequired[bool]


class Scrub(TypedDict):
    """Where the scrub continues, downwards from `until`, and when."""

    until: str
    next_at: str


class State(TypedDict, total=False):
    """Everything that is remembered.

    `watermark_at` is the server's time when the watermark got its value. `settled` says that the
    changes up to the watermark were read once more at least `overlap` later. `update_time_sorting`
    exists if the last scan, at `sorting_asked_at`, did not prove the sorting. `limits` has what the
    endpoint was found to refuse or to leave out, `limits_learned_at` the times of these findings.
    `rejected` says that `rejected_records` has records.
    """

    identity: dict[str, str | None]
    schema_version: int
    backfill: Progress
    watermark: str
    watermark_at: str
    settled: bool
    update_time_sorting: Literal["not proved", "disproved"]
    sorting_asked_at: str
    gaps: list[Gap]
    limits: dict[str, str | int]
    limits_learned_at: dict[str, str]
    scrub: Scrub
    rejected: bool


def set_watermark(watermark: datetime, now: datetime) -> State:
    """Return the part of the state for a watermark that is set at `now`.

    No job changes after the present, so `now` is not earlier than the watermark, whatever a
    server's clock says.
    """
    return {"watermark": format_time(watermark), "watermark_at": format_time(max(now, watermark)), "settled": False}


def forget_backfill(state: State) -> State:
    """Return a state with which the next run reads everything, as a first run does."""
    place = ("backfill", "watermark", "watermark_at", "settled", "scrub")
    return cast(State, {name: value for name, value in state.items() if name not in place})


def count_missing(gaps: Iterable[Gap]) -> int:
    """Return how many jobs are missing in gaps; each gap counts at least one."""
    return sum(max(1, gap["count"] - gap["rows_read"]) for gap in gaps)


def is_backfilled(state: State, start_date: datetime) -> bool:
    """Return whether everything from `start_date` on was read once."""
    done_since = state.get("backfill", {}).get("done_since")
    return done_since is not None and parse_time(done_since) <= start_date


def skip_backfill(state: State, start_date: datetime, now: datetime) -> State:
    """Return a state with which later runs read everything, because no window can be read."""
    start = format_time(start_date)
    progress = Progress(snapshot_at=format_time(now), newest_update=start, done_since=start)
    return State(**{**state, "backfill": progress})


def to_incremental_state(state: State, start_date: datetime) -> State:
    """Return the state with which later runs begin once the backfill has ended.

    The watermark is the latest update that the API showed when the backfill began, so that the
    changes made meanwhile are read next. Only jobs created since `start_date` are up to date. If
    `start_date` moves forward and back again, the jobs in between are read again.
    """
    progress = state["backfill"]
    state = State(**state)
    state["backfill"] = Progress(**{**progress, "done_since": format_time(start_date)})
    if "watermark" not in state:
        snapshot_at = parse_time(progress["snapshot_at"])
        newest = parse_time(progress.get("newest_update", progress["snapshot_at"]))
        state.update(set_watermark(min(newest, snapshot_at), snapshot_at))
    return state
