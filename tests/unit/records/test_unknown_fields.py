"""Each unknown field gets a column. A field that cannot have one is kept as JSON."""

from __future__ import annotations

import json

import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention
from metastudio.records.parser import RowParser
from metastudio.records.schema import TenantKey
from metastudio.source.arrow import MOST_COLUMNS, OVERFLOW_COLUMN, make_videos

NORMALIZE = NamingConvention(max_length=63).normalize_path


def make(*fields, column_types=None):
    rows = [RowParser().parse({"job_id": f"job-{number}", **extra})[0] for number, extra in enumerate(fields)]
    return make_videos(rows, TenantKey("project", "region", None), column_types or {}, NORMALIZE)


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({"标签": 1, "名称": "a"}, {"标签": 1, "名称": "a"}),
        ({"labels": {"团队": "a", "team": "b"}}, {"labels__团队": "a"}),
        ({"": 1.5}, {"": 1.5}),
        ({"team_a": 1, "teamA": 2}, {"teamA": 2}),
        ({OVERFLOW_COLUMN: 1}, {OVERFLOW_COLUMN: 1}),
    ],
)
def test_fields_that_cannot_have_a_column_are_kept_under_their_own_names(fields, more):
    table = make(fields, {"priority": 3})

    assert [text and json.loads(text) for text in table[OVERFLOW_COLUMN].to_pylist()] == [more, None]
    assert table["priority"].to_pylist() == [None, 3.0]


def test_an_object_with_more_keys_than_a_table_has_columns_is_kept():
    labels = {f"id_{number}": number for number in range(3_000)}

    table = make({"labels": labels})

    kept = {name.removeprefix("labels__"): table[name][0].as_py() for name in table.column_names if "labels" in name}
    rest = {
        name.removeprefix("labels__"): value for name, value in json.loads(table[OVERFLOW_COLUMN][0].as_py()).items()
    }
    assert len(table.column_names) <= MOST_COLUMNS + 20
    assert kept | rest == labels
    assert not kept.keys() & rest.keys()


def test_a_value_of_another_type_goes_to_a_column_of_its_own():
    table = make({"priority": 3}, {"priority": "high"}, column_types={"priority": "double"})

    assert table["priority"].to_pylist() == [3.0, None]
    assert table["priority__v_text"].to_pylist() == [None, "high"]
