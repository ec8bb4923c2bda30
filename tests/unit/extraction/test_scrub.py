"""The past, read again for changes that no scan can see."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.reader import MakeReader
from tests.support.tenant import NOW

DAY = timedelta(days=1)


@pytest.mark.parametrize("place", [0, 100, 590])
@pytest.mark.parametrize("every", [DAY, 5 * DAY, 30 * DAY])
def test_a_change_that_moves_no_update_time_is_loaded_within_the_days_of_the_scrub(
    make_reader: MakeReader, place: int, every: timedelta
) -> None:
    reader = make_reader()
    for number in range(2_000):
        reader.tenant.add(NOW - (2_000 - number) * DAY, state="SUCCEED")
    reader.sync()
    changed = reader.tenant.jobs[place]
    changed.state, changed.row = "FAILED", None
    for _ in range(30 * DAY // every):
        reader.tenant.now += every
        reader.sync()
    assert reader.destination.rows[str(changed.job_id)].state == "FAILED"
