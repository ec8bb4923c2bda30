"""The first run, and what a run that ends early leaves to the next one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from tests.support.reader import Killed, MakeReader
from tests.support.tenant import NOW

DAY = timedelta(days=1)


def test_a_killed_backfill_continues_where_it_stopped(make_reader: MakeReader) -> None:
    reader, other = make_reader(), make_reader()
    for each in (reader, other):
        each.settings = replace(each.settings, max_rows_per_window=200, chunk_rows=400)
        for number in range(3_000):
            each.tenant.add(NOW - (3_000 - number) * DAY, state="SUCCEED")
    undisturbed = other.count(other.sync)
    with suppress(Killed):
        reader.sync(kill=("after", 4))
    assert len(reader.destination.live) >= 2_000
    assert reader.count(reader.sync) <= undisturbed // 2
    assert len(reader.destination.live) == 3_000
