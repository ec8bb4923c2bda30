"""Endpoints that do not keep to create_since or create_until."""

from __future__ import annotations

from datetime import timedelta

import pytest
from metastudio.errors import IncompleteError

from tests.support.reader import MakeReader
from tests.support.tenant import NOW, START, Habits

DAY = timedelta(days=1)


@pytest.mark.parametrize("filters", [("since",), ("until",), ()])
@pytest.mark.parametrize("older", [True, False])
def test_an_endpoint_that_ignores_a_create_time_filter_is_found_out(
    make_reader: MakeReader, filters: tuple[str, ...], older: bool
) -> None:
    reader = make_reader(habits=Habits(filters=filters))
    for number in range(3_000):
        reader.tenant.add(START + (3_000 if older else 0) * DAY + number * timedelta(minutes=7), state="SUCCEED")
    with pytest.raises(IncompleteError, match="must be empty"):
        reader.sync()
    assert reader.tenant.requests < 50


def test_a_window_answered_with_jobs_outside_of_it_is_refused_though_it_is_small(make_reader: MakeReader) -> None:
    reader = make_reader(habits=Habits(filters=()), sorting="refused")
    for number in range(500):
        reader.tenant.add(NOW - (500 - number) * DAY, state="SUCCEED")
    with pytest.raises(IncompleteError, match="must be empty"):
        reader.sync()
