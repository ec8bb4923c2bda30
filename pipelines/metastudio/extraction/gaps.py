"""Keeps the open gaps: which ones remain after a chunk, and when they are asked for again.

A gap is data: a window with its figures and a reason. A proved window that covers it closes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from metastudio.extraction.proof import MOVING
from metastudio.extraction.state import Gap
from metastudio.extraction.types import LedgerEntry, Window
from metastudio.timestamps import format_time, parse_time

FIRST_RETRY = timedelta(hours=1)
LAST_RETRY = timedelta(days=1)
MAX_GAPS = 100
"""The maximum number of gaps in a state. Beyond it, neighbors are joined to larger gaps."""
MAX_RETRIES = 10
"""Number of gaps that one sync asks for again."""


def to_window(gap: Gap) -> Window:
    """Return the window of a gap."""
    return Window(parse_time(gap["since"]), parse_time(gap["until"]))


def update_gaps(gaps: Sequence[Gap], entries: Sequence[LedgerEntry], now: datetime) -> list[Gap]:
    """Return the gaps that are open after these entries, oldest first.

    Entries that are complete close the gaps within their windows, unless the same read found them.
    A complete scan closes what kept moving since its horizon: it read each job that moved.
    """
    windows = [entry for entry in entries if entry.is_window]
    scans = [entry.since for entry in entries if entry.mode == "changes" and entry.complete]
    found = {(entry.since, entry.until): entry for entry in windows if not entry.complete}
    proved = _unite([Window(entry.since, entry.until) for entry in windows if entry.complete])
    open_gaps: list[Gap] = []
    for gap in gaps:
        since, until = window = to_window(gap)
        entry = found.pop(window, None)
        if entry is not None:
            open_gaps.append(_ask_later(gap, entry, now))
        elif not any(part.since <= since and until <= part.until for part in proved):
            open_gaps.append(gap)
    open_gaps += [_make_gap(entry, now) for entry in found.values()]
    open_gaps = [
        gap for gap in open_gaps if gap["reason"] != MOVING or not any(to_window(gap).since >= scan for scan in scans)
    ]
    open_gaps = [gap for gap in open_gaps if not any(_repeats(gap, other) for other in open_gaps)]
    return _bound(sorted(open_gaps, key=lambda gap: (gap["since"], gap["until"])))


def _repeats(gap: Gap, other: Gap) -> bool:
    """Return whether the same run also found a gap in a smaller window."""
    figures = (gap["found_at"], gap["count"] - gap["rows_read"]) == (
        other["found_at"],
        other["count"] - other["rows_read"],
    )
    (since, until), (inner_since, inner_until) = to_window(gap), to_window(other)
    return figures and gap is not other and since <= inner_since and inner_until <= until


def _unite(windows: Sequence[Window]) -> list[Window]:
    """Join windows that touch."""
    united: list[Window] = []
    for window in sorted(windows):
        if united and window.since <= united[-1].until:
            united[-1] = Window(united[-1].since, max(united[-1].until, window.until))
        else:
            united.append(window)
    return united


def due_gaps(gaps: Sequence[Gap], now: datetime) -> list[Gap]:
    """Return the gaps that this sync asks for again: at most a fifth of them, or two."""
    due = sorted((gap for gap in gaps if parse_time(gap["next_try_at"]) <= now), key=lambda gap: gap["next_try_at"])
    return due[: min(MAX_RETRIES, max(2, len(gaps) // 5))]


def _make_gap(entry: LedgerEntry, now: datetime) -> Gap:
    return Gap(
        since=format_time(entry.since),
        until=format_time(entry.until),
        count=entry.count,
        rows_read=entry.rows_read,
        reason=entry.reason or "not proved",
        found_at=format_time(now),
        tries=0,
        next_try_at=format_time(now + FIRST_RETRY),
        has_holes=entry.has_holes,
    )


def _ask_later(gap: Gap, entry: LedgerEntry, now: datetime) -> Gap:
    """Return a gap after one more failed try. The wait until the next try doubles each time."""
    tries = gap["tries"] + 1
    again = _make_gap(entry, now)
    delay = min(LAST_RETRY, FIRST_RETRY * 2 ** min(tries, 10))
    return Gap(**{**again, "found_at": gap["found_at"], "tries": tries, "next_try_at": format_time(now + delay)})


def _bound(gaps: list[Gap]) -> list[Gap]:
    """Join neighboring gaps in pairs until there are few enough to keep."""
    while len(gaps) > MAX_GAPS:
        gaps = [_join(gaps[place : place + 2]) for place in range(0, len(gaps), 2)]
    return gaps


def _join(gaps: Sequence[Gap]) -> Gap:
    first, last = gaps[0], gaps[-1]
    return Gap(
        since=first["since"],
        until=max(gap["until"] for gap in gaps),
        count=sum({gap["since"]: gap["count"] for gap in gaps}.values()),
        rows_read=sum({gap["since"]: gap["rows_read"] for gap in gaps}.values()),
        reason=first["reason"],
        found_at=min(gap["found_at"] for gap in gaps),
        tries=last["tries"],
        has_holes=False,
        next_try_at=max(gap["next_try_at"] for gap in gaps),
    )
