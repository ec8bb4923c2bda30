"""A job becomes a row: what is kept, what becomes null and is reported, and what is removed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metastudio.records.parser import RowParser
from metastudio.timestamps import parse_time

from tests.support.example import EXAMPLE

AT = datetime(2026, 1, 1, tzinfo=UTC)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_the_vendors_example_becomes_its_row():
    row, problems = RowParser().parse(EXAMPLE)

    assert problems is None
    assert row._asdict() == {
        "job_id": "26f06524-4f75-4b3a-a853-b649a21aaf66",
        "state": "SUCCEED",
        "job_type": None,
        "start_time": datetime(2022, 1, 18, 16, 29, 36, tzinfo=UTC),
        "end_time": datetime(2022, 1, 18, 16, 30, 36, tzinfo=UTC),
        "duration": 60.0,
        "output_asset_config__asset_id": "942e65a5fd219a2e01fb08d881cfadb9",
        "output_asset_config__asset_name": "One Day",
        "output_asset_config__cover_url": "https://host/0d69/942e/20d3.png",
        "output_asset_config__preview_video_url": None,
        "error_info__error_code": None,
        "error_info__error_msg": None,
        "create_time": datetime(2022, 11, 30, 6, 59, 56, tzinfo=UTC),
        "lastupdate_time": datetime(2022, 11, 30, 7, 0, 9, tzinfo=UTC),
        "updated": datetime(2022, 11, 30, 7, 0, 9, tzinfo=UTC),
        "extra": None,
    }


@pytest.mark.parametrize("job", [None, "text", 7, [], {}, {"job_id": ""}, {"job_id": 5}, {"job_id": None}])
def test_a_record_without_a_job_id_is_not_a_row(job):
    row, problems = RowParser().parse(job)

    assert row is None
    assert problems in {"the record is not an object", "the record has no job_id"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lastupdate_time", "not-a-time"),
        ("lastupdate_time", 1669791609),
        ("lastupdate_time", "2022-13-45T00:00:00Z"),
        ("create_time", "2022-11-30"),
        ("start_time", "0001-01-01T00:00:00+14:00"),
        ("duration", "60"),
        ("duration", True),
        ("duration", 10**400),
        ("state", 3),
        ("job_type", ["2D"]),
        ("output_asset_config", "none"),
        ("error_info", [1]),
    ],
)
def test_a_field_of_the_wrong_type_becomes_null_and_is_reported(field, value):
    row, problems = RowParser().parse({**EXAMPLE, field: value})

    assert problems == f"not as documented: {field}"
    assert all(kept is None for name, kept in row._asdict().items() if name == field or name.startswith(f"{field}__"))


@pytest.mark.parametrize("blank", ["", " ", None])
@pytest.mark.parametrize("field", ["lastupdate_time", "create_time", "start_time", "end_time"])
def test_a_blank_time_is_null_and_not_a_problem(field, blank):
    row, problems = RowParser().parse({**EXAMPLE, field: blank})

    assert problems is None
    assert getattr(row, field) is None


def test_an_empty_text_is_null_as_postgresql_loads_it():
    asset = dict.fromkeys(("asset_id", "asset_name", "cover_url", "preview_video_url"), "")
    job = {**EXAMPLE, "job_type": "", "output_asset_config": asset, "error_info": {"error_msg": "\0"}, "new": ""}

    row, problems = RowParser().parse(job)

    assert problems is None
    assert "" not in row
    assert row.extra is None


def test_an_empty_state_is_reported():
    assert RowParser().parse({**EXAMPLE, "state": ""})[1] == "not as documented: state"


@pytest.mark.parametrize("fields", [{}, {"lastupdate_time": None}, {"lastupdate_time": ""}])
def test_a_row_without_an_update_time_is_ordered_by_its_creation(fields):
    job = {name: value for name, value in EXAMPLE.items() if name != "lastupdate_time"} | fields

    assert RowParser().parse(job)[0].updated == datetime(2022, 11, 30, 6, 59, 56, tzinfo=UTC)


def test_a_row_with_an_invalid_update_time_has_no_place_in_the_order():
    assert RowParser().parse({**EXAMPLE, "lastupdate_time": "soon"})[0].updated is None


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2022-11-30T06:59:56Z", datetime(2022, 11, 30, 6, 59, 56, tzinfo=UTC)),
        ("2022-11-30T06:59:56.123456Z", datetime(2022, 11, 30, 6, 59, 56, 123456, tzinfo=UTC)),
        ("2022-11-30T14:59:56+08:00", datetime(2022, 11, 30, 6, 59, 56, tzinfo=UTC)),
        ("2022-11-30t06:59:56z", datetime(2022, 11, 30, 6, 59, 56, tzinfo=UTC)),
        ("2022-11-30T14:59:56+0800", datetime(2022, 11, 30, 6, 59, 56, tzinfo=UTC)),
        ("2022-11-30T06:59Z", datetime(2022, 11, 30, 6, 59, tzinfo=UTC)),
        ("2022-11-30 06:59:56", datetime(2022, 11, 30, 6, 59, 56, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_utc(text, time):
    assert parse_time(text) == time
    assert parse_time(text).utcoffset().total_seconds() == 0


def test_undocumented_fields_are_kept_and_objects_are_flattened_by_one_level():
    job = {**EXAMPLE, "priority": 3, "labels": {"team": "a", "deep": {"x": [1]}}, "error_info": {"hint": "h"}}

    row, problems = RowParser().parse(job)

    assert problems is None
    assert row.extra == {"priority": 3, "labels__team": "a", "labels__deep": {"x": [1]}, "error_info__hint": "h"}


@given(json_values)
def test_no_broken_record_stops_the_parser(job):
    parser = RowParser()
    row, problems = parser.parse(job)
    if problems:
        parser.make_rejected(job, problems, None, AT)
    assert row is None or row.job_id


@given(st.dictionaries(st.sampled_from(sorted(EXAMPLE)), json_values))
def test_no_broken_field_costs_a_job_its_row(fields):
    row, _ = RowParser().parse({**fields, "job_id": "a"})
    assert row.job_id == "a"


def test_no_signed_query_is_left_anywhere():
    signed = "see https://h/a?AccessKeyId=K&Signature=S and http://h/b?Signature=S."
    job = {**EXAMPLE, "error_info": {"error_msg": signed}, "new": [{"url": signed}], "lastupdate_time": signed}

    parser = RowParser()
    row, problems = parser.parse(job)
    rejected = parser.make_rejected(job, problems, "r", AT)

    assert "Signature" not in repr(row)
    assert "Signature" not in rejected.record
    assert row.error_info__error_msg.startswith("see https://h/a and http://h/b")


@pytest.mark.parametrize(
    "url",
    [
        "https://h/O'Brien.png?{}",
        "https://h/my video.mp4?{}",
        "obs://h/a.mp4?{}",
        "/a.mp4?x=1&{}",
        '{{"url": "https:\\/\\/h\\/a.png?{}"}}',
        "https%3A%2F%2Fh%2Fa.png%3FAccessKeyId%3DK%26Signature%3DS",
        "https%253A%252F%252Fh%252Fa.png%253FAccessKeyId%253DK%2526Signature%253DS",
        "obs.h/a.png\\u003fAccessKeyId\\u003dK\\u0026Signature\\u003dS",
    ],
)
def test_no_signed_query_is_left_whatever_precedes_it(url):
    signed = url.format("AccessKeyId=K&Expires=1&Signature=S")
    job = {**EXAMPLE, "error_info": {"error_msg": signed}, "new": signed, signed: 1, "lastupdate_time": signed}

    parser = RowParser()
    row, problems = parser.parse(job)

    assert "Signature" not in repr(row)
    assert "Signature" not in parser.make_rejected(job, problems, "r", AT).record


def test_a_rejected_record_with_new_signatures_is_the_same_record():
    one, other = ({"cover": f"https://h/a?Expires={number}&Signature={number}"} for number in (1, 2))
    parser = RowParser()

    assert (
        parser.make_rejected(one, "x", None, AT).record_hash == parser.make_rejected(other, "x", None, AT).record_hash
    )
