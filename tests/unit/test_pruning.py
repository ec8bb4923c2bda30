"""What `prune` may delete: nothing that proves a range of creation times or a change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from metastudio.destination.pruning import Line, select_unneeded

START = datetime(2026, 1, 1, tzinfo=UTC)
FUTURE = START + timedelta(days=10_000)


def at(day):
    return START + timedelta(days=day)


def make_line(number, mode, since, until, day, complete=True):
    return Line("run", number, mode, at(since), at(until), complete, at(day), at(day))


def test_the_backfill_stays_until_newer_windows_cover_all_of_it():
    backfill, first, second = (
        make_line(1, "backfill", 0, 10, 10),
        make_line(2, "scrub", 0, 6, 20),
        make_line(3, "scrub", 6, 12, 21),
    )
    assert select_unneeded([backfill, first], FUTURE, []) == []
    assert select_unneeded([backfill, first, second], FUTURE, []) == [backfill]
    unproved = second._replace(complete=False)
    assert select_unneeded([backfill, first, unproved], FUTURE, []) == [unproved]


def test_scans_for_changes_stay_until_all_windows_are_younger():
    changes = [make_line(number, "changes", number, number + 1, number) for number in (11, 12, 13)]
    backfill, scrub = make_line(1, "backfill", 0, 10, 10), make_line(2, "scrub", 0, 10, 12.5)

    assert select_unneeded([backfill, *changes], FUTURE, []) == []
    assert select_unneeded([backfill, *changes, scrub], FUTURE, []) == [changes[1], changes[0], backfill]


def test_young_rows_and_the_runs_behind_the_health_stay():
    old, new = make_line(1, "backfill", 0, 10, 10), make_line(2, "reread", 0, 10, 20)

    assert select_unneeded([old, new], at(10), []) == []
    assert select_unneeded([old, new], FUTURE, ["run"]) == []


LINES = st.lists(
    st.builds(
        lambda mode, since, length, day, complete: (mode, since, since + length, day, complete),
        st.sampled_from(["backfill", "scrub", "gap", "reread", "changes", "rescan", "audit"]),
        st.integers(0, 20),
        st.integers(1, 8),
        st.integers(21, 60),
        st.booleans(),
    ),
    max_size=30,
)


def find_proofs(lines):
    """Return for each day of creation when it was last read whole."""
    return {
        day: max(
            (
                line.finished_at
                for line in lines
                if line.complete
                and line.mode in ("backfill", "scrub", "gap", "reread")
                and line.since <= at(day) < line.until
            ),
            default=None,
        )
        for day in range(28)
    }


@given(LINES, st.integers(21, 70))
def test_no_day_loses_its_proof_nor_a_scan_that_followed(values, day):
    lines = [make_line(number, *value) for number, value in enumerate(values)]

    unneeded = select_unneeded(lines, at(day), [])

    left = [line for line in lines if line not in unneeded]
    proofs = find_proofs(lines)
    assert all((proofs[day] is None) == (proof is None) for day, proof in find_proofs(left).items())
    oldest = min((proof for proof in find_proofs(left).values() if proof), default=START)
    lost_scans = [line for line in unneeded if line.mode == "changes" and line.finished_at >= oldest]
    assert not lost_scans
    assert select_unneeded(left, at(day), []) == []
