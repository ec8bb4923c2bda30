"""A table equals what the tenant showed, or each kind of difference is counted."""

import duckdb
import pytest

from bench.compare import compare_rows, has_right_rows

SHOWN = """project_id,job_id,state,lastupdate_time
p,a,SUCCEED,2026-01-01T00:00:01Z
p,b,FAILED,2026-01-01T00:00:02Z
p,c,WAITING,2026-01-01T00:00:03Z
p,d,SUCCEED,2026-01-01T00:00:04Z
"""
RIGHT = [
    ("a", "SUCCEED", "2026-01-01T00:00:01Z", "https://x/a.png"),
    ("b", "FAILED", "2026-01-01T00:00:02Z", None),
    ("c", "WAITING", "2026-01-01T00:00:03Z", None),
    ("d", "SUCCEED", "2026-01-01T00:00:04Z", "https://x/d.png"),
]
NO_DIFFERENCE = {"rows": 4, "missing": 0, "stale": 0, "extra": 0, "doubled": 0, "signed_urls": 0}


@pytest.fixture
def compare(tmp_path):
    def compare(rows, kind="TEXT"):
        with duckdb.connect(tmp_path / "jobs.duckdb") as connection:
            connection.execute("SET TimeZone = 'Asia/Shanghai'")
            connection.execute(f"CREATE TABLE jobs (job_id TEXT, state TEXT, lastupdate_time {kind}, url TEXT)")
            connection.executemany("INSERT INTO jobs VALUES (?, ?, ?, ?)", rows)
        (tmp_path / "shown.csv").write_text(SHOWN)
        return compare_rows(tmp_path / "jobs.duckdb", "main.jobs", "url", tmp_path / "shown.csv")

    return compare


@pytest.mark.parametrize("kind", ["TEXT", "TIMESTAMPTZ"])
def test_equal_rows_are_right_whatever_type_their_times_have(compare, kind):
    found = compare(RIGHT, kind)
    assert found == NO_DIFFERENCE
    assert has_right_rows(found)


def test_each_kind_of_wrong_row_is_counted(compare):
    rows = [
        ("a", "FAILED", "2026-01-01T00:00:01Z", "https://x/a.png?AccessKeyId=1"),
        ("b", "FAILED", "2026-01-01T00:00:09Z", None),
        RIGHT[3],
        RIGHT[3],
        ("e", "SUCCEED", "2026-01-01T00:00:01Z", None),
    ]
    found = compare(rows)
    assert found == {"rows": 5, "missing": 1, "stale": 2, "extra": 1, "doubled": 1, "signed_urls": 1}
    assert not has_right_rows(found)
