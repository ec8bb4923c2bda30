"""The past, read again for changes that no scan can see."""

from __future__ import annotations

from datetime import timedelta

import pytest
from metastudio.errors import UnavailableError
from metastudio.extraction.types import Page, Query

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


def test_what_was_read_before_an_outage_is_loaded(make_reader: MakeReader, monkeypatch) -> None:
    reader = make_reader()
    for number in range(2_000):
        reader.tenant.add(NOW - (2_000 - number) * DAY, state="SUCCEED")
    reader.sync()
    changed = reader.tenant.jobs[-100]
    changed.state, changed.row = "FAILED", None
    answer, is_down = reader.tenant.fetch, False

    async def fetch(query: Query) -> Page:
        nonlocal is_down
        is_down |= NOW - 2_500 * DAY < query.since < NOW - 1_500 * DAY
        if is_down:
            raise UnavailableError("down")
        return await answer(query)

    monkeypatch.setattr(reader.tenant, "fetch", fetch)
    reader.tenant.now += 30 * DAY
    with pytest.raises(UnavailableError):
        reader.sync()
    assert reader.destination.rows[str(changed.job_id)].state == "FAILED"
