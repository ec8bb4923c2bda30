"""What neighboring rows, versions and times show about an order."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from metastudio.extraction.sort_order import classify_order, find_order_evidence
from metastudio.extraction.types import newest_versions
from metastudio.timestamps import format_time, parse_time

from tests.support.tenant import EMPTY, NOW, SECOND

SECONDS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)).map(
    lambda time: time.replace(microsecond=0, tzinfo=NOW.tzinfo)
)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_a_list_sorted_by_creation_is_never_taken_for_one_sorted_by_update(
    times: list[tuple[int, int]],
) -> None:
    rows = [EMPTY._replace(create_time=NOW + a * SECOND, updated=NOW + b * SECOND) for a, b in times]
    for down in (True, False):
        rows.sort(key=lambda row: row.create_time, reverse=down)  # type: ignore[arg-type, return-value]
        assert classify_order(find_order_evidence(rows)) != "proved"
    rows.sort(key=lambda row: row.updated, reverse=True)  # type: ignore[arg-type, return-value]
    assert classify_order(find_order_evidence(rows)) != "disproved"


@given(st.lists(st.integers(0, 9), max_size=12))
def test_jobs_all_updated_in_one_second_prove_no_order(created: list[int]) -> None:
    rows = [EMPTY._replace(create_time=NOW + second * SECOND, updated=NOW) for second in created]
    assert classify_order(find_order_evidence(rows)) == "not proved"


def test_the_newest_version_wins_and_of_equal_ones_the_one_read_last() -> None:
    rows = [EMPTY._replace(job_id="a", updated=NOW + second * SECOND, duration=version) for second, version in
            [(1, 1.0), (2, 2.0), (2, 3.0), (0, 4.0)]]  # fmt: skip
    assert [row.duration for row in newest_versions(rows)] == [3.0]


@given(SECONDS)
def test_a_time_in_the_state_is_read_as_it_was_written(time: datetime) -> None:
    assert parse_time(format_time(time)) == time
