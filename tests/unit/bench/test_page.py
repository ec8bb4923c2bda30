"""The page reports each target as met, missed or not measured, and names failures."""

import sys

import pytest

from bench.measurements import Measurements
from bench.page import write_page
from bench.results import ResultStore
from bench.scenarios import SCENARIOS
from bench.sizes import FULL
from bench.targets import find_targets


def record(peer, step, cpu=1.0, wall=1.0, failed=False, **others):
    rows = {"stale": 0, "missing": 0, "extra": 0, "doubled": 0, "signed_urls": 0, "rows": 1}
    cost = {"cpu": cpu, "wall": wall, "memory": 2e8, "requests": 1, "throttled": 0, "server_cpu": 0.1}
    return {"peer": peer, "step": step, "exit": int(failed), **cost, **rows, **others}


def make_results(*, stale=0, cpu=3.5, wall=8.0, requests=2_100, paced=104.0, changes=1.0, first_idle=1.0, idle=1.0,
                 tenants=2.3, memory=1.1, postgres=1.2, pages=4_000):  # fmt: skip
    return {
        "sync": [
            [
                record("metastudio", "initial 0 ms", requests=220),
                record("metastudio", "changes", changes, stale=stale),
                record("dlt", "changes", 1.0),
            ]
        ],
        "large": [
            [
                record("metastudio", "initial 0 ms", cpu, 5.0, requests=requests),
                record("baseline-arrow", "initial 0 ms", 2.5, 3.0),
                record("dlt", "initial 0 ms", 40.0, 50.0),
                record("metastudio", "initial 50 ms", cpu, wall),
                record("baseline-arrow", "initial 50 ms", 2.5, 7.0),
            ]
        ],
        "ceiling": [[{"step": "ceiling 4", "peer": "bare", "exit": 0, "pages_per_second": pages}]],
        "quota": [
            [
                record("metastudio", "quota small", wall=10.8, requests=200),
                record("metastudio", "quota large", wall=paced, requests=2_000),
            ]
        ],
        "growth": [
            [record("metastudio", "backfill 100000"), record("metastudio", "backfill 1000000", memory=2e8 * memory)]
        ],
        "tenants": [[record("metastudio", "idle 20", wall=2.3), record("metastudio", "idle again 20", wall=tenants)]],
        "startup": [
            [
                record("python", "import dlt, first idle", 0.7, 0.8),
                record("metastudio", "first idle", first_idle, 1.2),
                record("python", "import dlt, idle", 0.7, 0.8),
                record("metastudio", "idle", idle, 1.2),
            ]
        ],
        "postgres": [
            [
                record("metastudio", "initial 0 ms", 4.0),
                record("metastudio-postgres", "initial 0 ms", 4.0 * postgres),
            ]
        ],
    }


def find_verdicts(results):
    return {target.name: target.is_met for target in find_targets(Measurements(results), FULL)}


def test_good_figures_meet_every_target():
    assert set(find_verdicts(make_results()).values()) == {True}


@pytest.mark.parametrize(
    ("worse", "missed"),
    [
        ({"stale": 1}, ["stale or missing"]),
        ({"cpu": 5.1}, ["over the Arrow baseline's", "dlt's default REST source"]),
        ({"wall": 10.0}, ["50 ms, no quota"]),
        ({"requests": 2_173}, ["200,000 jobs: requests"]),
        ({"paced": 106.0}, ["200,000 jobs, 50 ms, 20 requests/s"]),
        ({"changes": 1.1}, ["Sync of 550 changes"]),
        ({"first_idle": 1.1}, ["the first one after changes: CPU"]),
        ({"idle": 1.1}, ["a later one: CPU"]),
        ({"tenants": 2.5}, ["a later one, 20 tenants"]),
        ({"memory": 1.3}, ["peak memory"]),
        ({"postgres": 1.4}, ["into PostgreSQL"]),
        ({"pages": 800}, ["not the bottleneck"]),
    ],
)
def test_a_worse_figure_misses_its_targets_and_no_other(worse, missed):
    names = [name for name, is_met in find_verdicts(make_results(**worse)).items() if not is_met]
    assert len(names) == len(missed)
    assert all(part in name for part, name in zip(missed, names, strict=True))


def test_what_was_not_measured_is_neither_met_nor_missed():
    assert set(find_verdicts({}).values()) == {None}


def fill(store, results):
    for scenario, rounds in results.items():
        store.begin(scenario)
        for records in rounds:
            store.add(scenario, records)


def test_the_page_shows_verdicts_failures_and_absent_peers(tmp_path):
    store = ResultStore(tmp_path / "results")
    results = make_results(stale=3)
    results["large"][0].append(record("dlt-parquet", "initial 0 ms", failed=True))
    fill(store, results)
    store.write_absent({"airbyte": "cannot be installed"})
    write_page(store, FULL, tmp_path / "benchmark.md")
    page = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    assert "| Late updates and new jobs: stale or missing rows | ≤ 0 | 3 | **not met** |" in page
    assert "1 of 1 runs failed" in page
    assert "not measured: cannot be installed" in page
    assert str(tmp_path) not in page


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, path in {"BENCH": tmp_path, "RESULTS": tmp_path, "PAGE": tmp_path / "docs" / "benchmark.md"}.items():
        monkeypatch.setattr(f"bench.__main__.{name}", path)
    monkeypatch.setattr(sys, "argv", ["bench", "page"])
    return tmp_path


def test_the_page_in_docs_is_not_replaced_by_one_that_lacks_a_scenario(folder):
    from bench.__main__ import main  # imports what draws charts

    with pytest.raises(SystemExit, match="Nothing has been measured yet"):
        main()
    results = make_results()
    assert results.keys() == SCENARIOS.keys()
    last = results.popitem()
    fill(ResultStore(folder), results)
    main()
    assert [path.parent.name for path in folder.glob("*/benchmark.md")] == ["partial"]
    fill(ResultStore(folder), dict([last]))
    main()
    assert (folder / "docs" / "benchmark.md").exists()


def test_rounds_of_other_code_are_measured_again(tmp_path, monkeypatch):
    store = ResultStore(tmp_path)
    fill(store, {"sync": [[record("metastudio", "idle")]]})
    assert store.count_rounds("sync") == 1
    monkeypatch.setattr("bench.results.compute_fingerprint", lambda: "other")
    assert store.count_rounds("sync") == 0
