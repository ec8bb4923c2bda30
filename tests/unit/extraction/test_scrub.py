"""The past, read again for changes that no scan can see."""

from __future__ import annotations

from datetime import timedelta

from tests.support.reader import MakeReader
from tests.support.tenant import NOW

DAY = timedelta(days=1)


def test_a_change_that_moves_no_update_time_is_loaded_within_the_days_of_the_scrub(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(600):
        reader.tenant.add(NOW - (600 - number) * DAY, state="SUCCEED")
    reader.sync()
    changed = reader.tenant.jobs[100]
    changed.state, changed.row = "FAILED", None
    for _ in range(31):
        reader.tenant.now += DAY
        reader.sync()
    assert reader.destination.rows[str(changed.job_id)].state == "FAILED"
