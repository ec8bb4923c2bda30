"""What an audit counts as a difference."""

from __future__ import annotations

from datetime import timedelta

from tests.support.reader import MakeReader
from tests.support.tenant import NOW

DAY = timedelta(days=1)


def test_records_without_an_id_are_no_difference_to_an_audit(make_reader: MakeReader) -> None:
    reader = make_reader()
    for number in range(400):
        named = number % 150
        reader.tenant.add(NOW - (400 - number) * DAY, state="SUCCEED", **({} if named else {"job_id": None}))
    reader.sync()
    audit = reader.audit()
    assert (len(audit.findings.without_id), audit.findings.differences) == (3, 0)
    assert len(reader.destination.live) == 397
