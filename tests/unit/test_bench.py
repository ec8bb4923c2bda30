"""The benchmark tells right rows from wrong ones, pairs what belongs together, and calls no bar cleared that was not."""

import duckdb
import pytest

from bench.bars import judge_bars
from bench.figures import Figures
from bench.judge import is_right, judge
from bench.parts import FULL
from bench.report import write
from bench.results import Store

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
NOTHING_WRONG = {"rows": 4, "missing": 0, "stale": 0, "extra": 0, "doubled": 0, "signed_urls": 0}


@pytest.fixture
def judged(tmp_path):
    def judged(rows, kind="TEXT"):
        with duckdb.connect(tmp_path / "jobs.duckdb") as connection:
            connection.execute("SET TimeZone = 'Asia/Shanghai'")
            connection.execute(f"CREATE TABLE jobs (job_id TEXT, state TEXT, lastupdate_time {kind}, url TEXT)")
            connection.executemany("INSERT INTO jobs VALUES (?, ?, ?, ?)", rows)
        (tmp_path / "shown.csv").write_text(SHOWN)
        return judge(tmp_path / "jobs.duckdb", "main.jobs", "url", tmp_path / "shown.csv")

    return judged


@pytest.mark.parametrize("kind", ["TEXT", "TIMESTAMPTZ"])
def test_equal_rows_are_right_however_the_table_keeps_its_times(judged, kind):
    found = judged(RIGHT, kind)
    assert found == NOTHING_WRONG
    assert is_right(found)


def test_every_kind_of_wrong_row_is_counted_as_what_it_is(judged):
    rows = [
        ("a", "FAILED", "2026-01-01T00:00:01Z", "https://x/a.png?AccessKeyId=1"),
        ("b", "FAILED", "2026-01-01T00:00:09Z", None),
        RIGHT[3],
        RIGHT[3],
        ("e", "SUCCEED", "2026-01-01T00:00:01Z", None),
    ]
    found = judged(rows)
    assert found == {"rows": 5, "missing": 1, "stale": 2, "extra": 1, "doubled": 1, "signed_urls": 1}
    assert not is_right(found)


def run(peer, step, cpu, failed=False, **others):
    return {"peer": peer, "step": step, "cpu": cpu, "exit": int(failed), **others}


def test_ratios_pair_the_runs_of_one_round_and_leave_failed_ones_out():
    figures = Figures(
        {
            "large": [
                [run("ours", "s", 2.0), run("dlt", "s", 20.0)],
                [run("dlt", "s", 60.0), run("ours", "s", 3.0)],
                [run("ours", "s", 1.0), run("dlt", "s", 5.0)],
                [run("ours", "s", 9.0), run("dlt", "s", 1.0, failed=True)],
            ]
        }
    )
    ratio = figures.ratio("large", ("s", "dlt"), ("s", "ours"), "cpu")
    assert (ratio.median, ratio.least, ratio.most) == (10.0, 5.0, 20.0)
    assert str(ratio) == "10.0 (5.00–20.0)"
    assert figures.median("large", "s", "dlt", "cpu") == 20.0
    assert figures.failures("large", "s", "dlt") == 1
    assert figures.ratio("large", ("s", "singer"), ("s", "ours"), "cpu") is None


def test_several_pairs_of_one_round_keep_to_their_partners():
    pairs = [run("import", "i", 1.0), run("ours", "s", 1.5), run("import", "i", 3.0), run("ours", "s", 3.1)]
    assert Figures({"startup": [pairs]}).difference("startup", ("s", "ours"), ("i", "import"), "cpu") == pytest.approx(
        0.3
    )


def make_results(*, stale=0, ours=4.0, more_memory=1.1, idle=1.2, pages=4_000):
    rows = {"stale": stale, "missing": 0, "extra": 0, "doubled": 0, "signed_urls": 0, "rows": 1}
    measured = {"requests": 1, "throttled": 0, "memory": 2e8, "server_cpu": 0.1}

    def one(peer, step, cpu, wall, **others):
        return run(peer, step, cpu, wall=wall, **{**measured, **rows, **others})

    return {
        "sync": [[one("ours", "changes", 1.0, 1.0)]],
        "large": [
            [
                one("ours", "initial 0 ms", ours, 5.0),
                one("floor-arrow", "initial 0 ms", 2.5, 3.0),
                one("dlt", "initial 0 ms", 40.0, 50.0),
                one("ours", "initial 50 ms", ours, 8.0),
                one("floor-arrow", "initial 50 ms", 2.5, 7.0),
            ]
        ],
        "ceiling": [[{"step": "ceiling 4", "peer": "bare", "exit": 0, "pages_per_second": pages}]],
        "quota": [[one("ours", "quota large", 5.0, 104.0, requests=2_000)]],
        "growth": [
            [
                one("ours", "backfill 100000", 5.0, 5.0),
                one("ours", "backfill 1000000", 50.0, 50.0, memory=2e8 * more_memory),
            ]
        ],
        "startup": [[one("import", "import dlt", 0.7, 0.8), one("ours", "idle", 1.0, idle)]],
    }


def verdicts(results):
    return [bar.met for bar in judge_bars(Figures(results), FULL)]


def test_good_figures_clear_every_bar():
    assert verdicts(make_results()) == [True] * 9


@pytest.mark.parametrize(
    ("worse", "places"),
    [
        ({"stale": 1}, [0]),
        ({"ours": 5.1}, [1, 2]),
        ({"more_memory": 1.3}, [5]),
        ({"idle": 1.4}, [7]),
        ({"pages": 0.5}, [8]),
    ],
)
def test_a_worse_figure_misses_its_bar_and_no_other(worse, places):
    assert [place for place, met in enumerate(verdicts(make_results(**worse))) if not met] == places


def test_what_was_not_measured_is_neither_met_nor_missed():
    assert verdicts({}) == [None] * 9


def test_the_page_tells_verdicts_failures_and_who_is_absent(tmp_path):
    store = Store(tmp_path / "results")
    results = make_results(stale=3)
    results["large"][0].append(run("dlt-parquet", "initial 0 ms", 1.0, failed=True))
    for part, rounds in results.items():
        store.begin(part)
        for records in rounds:
            store.add(part, records)
    store.note_absent({"airbyte": "does not install"})
    write(store, FULL, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| Late updates and new jobs: rows stale or missing | 0 | 3 | **not met** |" in page
    assert "1 of 1 runs failed" in page
    assert "not measured: does not install" in page
    assert str(tmp_path) not in page


def test_rounds_of_other_code_are_not_gone_on_with(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.begin("sync")
    store.add("sync", [run("ours", "s", 1.0)])
    assert len(store.rounds("sync")) == 1
    monkeypatch.setattr("bench.results.fingerprint", lambda: "other")
    assert store.rounds("sync") == []
