"""Deletes old lines of the ledger that no proof needs any more.

What the ledger proves (`docs/extraction.md`): each range of creation times was read whole, and what
changed since then was read, too. So the newest complete window over each range stays, and so does
every scan for changes that is younger than the oldest of these windows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.connection import make_batches
from metastudio.destination.ledger import Ledger
from metastudio.records.schema import REJECTED, WINDOWS

log = logging.getLogger("metastudio")

READ_WHOLE = ("backfill", "reread", "gap", "scrub")
"""Modes whose complete windows prove a range of creation times."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Line(NamedTuple):
    """The columns of a line of the ledger that decide whether a proof needs it."""

    run_id: str
    window: int
    mode: str
    since: datetime | None
    until: datetime | None
    complete: bool
    started_at: datetime
    finished_at: datetime

    @property
    def range(self) -> tuple[datetime, datetime]:
        """Return the range of creation times that the window covers."""
        return self.since or _BEGINNING, self.until or self.started_at


class Pruned(NamedTuple):
    """Numbers of rows.

    Attributes:
        old_windows: lines of the ledger that are older than the limit.
        windows: those of them that are deleted, or would be without `dry_run`.
        attempts: likewise, for attempts.
        rejected: likewise, for rejected records.
    """

    old_windows: int
    windows: int
    attempts: int
    rejected: int


def select_unneeded(lines: Iterable[Line], before: datetime, kept_runs: Iterable[str]) -> list[Line]:
    """Return the lines that ended before a time and that no proof needs.

    Args:
        kept_runs: runs whose lines stay in any case.
    """
    newest_first = sorted(lines, key=lambda line: line.finished_at, reverse=True)
    proving = _select_proving(newest_first)
    proved_since = min((line.started_at for line in proving), default=_BEGINNING)
    needed = {(line.run_id, line.window) for line in proving}
    kept = set(kept_runs)
    return [
        line
        for line in newest_first
        if line.finished_at < before
        and line.run_id not in kept
        and (line.run_id, line.window) not in needed
        and (line.mode in READ_WHOLE or line.finished_at < proved_since)
    ]


def _select_proving(newest_first: Sequence[Line]) -> list[Line]:
    """Return the complete windows that newer complete windows do not cover."""
    covered: list[tuple[datetime, datetime]] = []
    proving = []
    for line in newest_first:
        since, until = line.range
        if line.mode not in READ_WHOLE or not line.complete or until <= since:
            continue
        if any(start <= since and until <= end for start, end in covered):
            continue
        proving.append(line)
        apart = [(start, end) for start, end in covered if end < since or start > until]
        touching = [(start, end) for start, end in covered if end >= since and start <= until]
        covered = [*apart, (min([since, *(s for s, _ in touching)]), max([until, *(e for _, e in touching)]))]
    return proving


class Pruner:
    """Deletes the old rows of one tenant.

    Args:
        before: rows younger than this stay.
        rejected: whether to delete rejected records, too, because somebody has looked at them.
    """

    def __init__(self, ledger: Ledger, before: datetime, *, rejected: bool) -> None:
        self._ledger = ledger
        self._before = before
        self._rejected = rejected

    def run(self, *, dry_run: bool) -> Pruned:
        """Delete the rows in one transaction, or only count them."""
        ledger = self._ledger
        with ledger.share_connection(), ledger.connect() as client:
            lines = self._list_lines()
            unneeded = select_unneeded(lines, self._before, self._list_kept_runs(lines))
            attempts, rejected = self._list_old_attempts(), self._list_old_rejected()
            if not dry_run:
                with client.begin_transaction():
                    self._delete_lines(unneeded)
                    self._delete("attempts", "run_id", attempts)
                    self._delete("rejected", "record_hash", rejected)
        old = sum(line.finished_at < self._before for line in lines)
        return Pruned(old, len(unneeded), len(attempts), len(rejected))

    def _list_lines(self) -> list[Line]:
        with self._ledger.connect() as client:
            columns = ", ".join(client.escape_column_name(name) for name in Line._fields)
        own, params = self._ledger.own_rows(WINDOWS)
        rows = self._ledger.query(f"SELECT {columns} FROM {{windows}} WHERE {own}", *params)
        return [Line(*row) for row in rows if row[-1] is not None and row[-2] is not None]

    def _list_kept_runs(self, lines: Sequence[Line]) -> set[str]:
        """Return the last run, the last one that read all changes, and the last complete one."""
        found = self._ledger.completeness()
        ends: dict[str, datetime] = {}
        for line in lines:
            ends[line.run_id] = max(line.finished_at, ends.get(line.run_id, line.finished_at))
        times = {found.synced_at, found.complete_at, max(ends.values(), default=None)}
        return {run_id for run_id, ended_at in ends.items() if ended_at in times}

    def _delete_lines(self, lines: Sequence[Line]) -> None:
        windows: dict[str, list[int]] = {}
        for line in lines:
            windows.setdefault(line.run_id, []).append(line.window)
        with self._ledger.connect() as client:
            window = client.escape_column_name("window")
        for run_id, numbers in windows.items():
            for batch, marks in make_batches(numbers):
                sql = f"DELETE FROM {{windows}} WHERE run_id = %s AND {window} IN ({marks})"
                self._ledger.execute(sql, run_id, *batch)

    def _delete(self, table: str, key: str, values: Sequence[str]) -> None:
        for batch, marks in make_batches(values):
            self._ledger.execute(f"DELETE FROM {{{table}}} WHERE {key} IN ({marks})", *batch)

    def _list_old_attempts(self) -> list[str]:
        """Return the runs of old attempts, without the newest and the newest successful attempt."""
        try:
            rows = self._ledger.query(
                "SELECT run_id, exit_code, started_at FROM {attempts} WHERE pipeline = %s ORDER BY started_at DESC",
                self._ledger.pipeline.pipeline_name,
            )
        except DatabaseException as error:
            log.warning(
                "No attempts are deleted, because they cannot be read: %s.", type(error.dbapi_exception).__name__
            )
            return []
        kept = {run_id for run_id, _, _ in rows[:1]}
        kept |= {run_id for run_id, _, _ in [row for row in rows if row[1] == 0][:1]}
        return [run_id for run_id, _, started_at in rows if started_at < self._before and run_id not in kept]

    def _list_old_rejected(self) -> list[str]:
        """Return the hashes of old rejected records.

        The newest record is kept, because a sync takes an empty table for a loss.
        """
        if not self._rejected:
            return []
        own, params = self._ledger.own_rows(REJECTED)
        sql = f"SELECT record_hash, rejected_at FROM {{rejected}} WHERE {own} ORDER BY rejected_at DESC"
        rows = self._ledger.query(sql, *params)
        return [record_hash for record_hash, rejected_at in rows[1:] if rejected_at and rejected_at < self._before]
