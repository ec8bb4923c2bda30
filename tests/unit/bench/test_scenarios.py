"""The scenarios measure everything that the targets and the page ask for."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from metastudio_simulator import Simulator

from bench import bare_client
from bench.measurements import Measurements
from bench.page import write_page
from bench.peers import PEERS
from bench.results import ResultStore
from bench.scenarios import SCENARIOS
from bench.sizes import QUICK
from bench.targets import find_targets
from tests.support.simulated import NOW


class InstantRunner:
    """Returns a record at once instead of running the peer, which takes minutes."""

    folder = None

    def __init__(self, name, jobs, tenants=1, *, postgres=None):
        self.loaded = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def change(self, method, **arguments):
        pass

    def reset(self, peer):
        self.loaded.discard(peer.name)

    def measure(self, peer, step, *, quota=None):
        assert peer.name not in self.loaded or "initial" not in step, "not the first run of the peer"
        self.loaded.add(peer.name)
        return {"step": step, "peer": peer.name, "requests": 1, "throttled": 0, "server_cpu": 0.1, "stale": 0,
                "missing": 0, "signed_urls": 0, **self.measure_command((), peer)}  # fmt: skip

    def measure_command(self, command, peer):
        return {"wall": 1.0, "cpu": 1.0, "memory": 1_000_000, "exit": 0}


class InstantSimulation(nullcontext):
    """Starts no simulator."""

    def __enter__(self):
        return SimpleNamespace(tenants=[SimpleNamespace(url="", project_id="", token="")])


CEILING = b'{"pages_per_second": 4000.0}'
"""What the client prints that ignores the content of its pages."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runner")
    state = folder / "metastudio" / "dlt" / "pipelines" / "metastudio" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(InstantRunner, "folder", folder)
        monkeypatch.setattr("bench.scenarios.Runner", InstantRunner)
        monkeypatch.setattr("bench.scenarios.PostgresServer", nullcontext)
        monkeypatch.setattr("bench.scenarios.Simulation", InstantSimulation)
        monkeypatch.setattr("bench.scenarios.subprocess.run", lambda *_, **__: SimpleNamespace(stdout=CEILING))
        return {name: list(scenario(QUICK, range(2), list(PEERS))) for name, scenario in SCENARIOS.items()}


def test_every_target_and_every_cell_of_the_page_is_measured(results, tmp_path):
    assert {len(rounds) for rounds in results.values()} == {2}
    targets = find_targets(Measurements(results), QUICK)
    assert [target.name for target in targets if target.measured is None] == []
    store = ResultStore(tmp_path / "results")
    for name, rounds in results.items():
        store.begin(name)
        for records in rounds:
            store.add(name, records)
    write_page(store, QUICK, tmp_path / "benchmark.md")
    page = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    dashes = [line for line in page.splitlines() if "| – |" in line]
    assert all(line.startswith(("| dlt REST source", "| bare client")) for line in dashes), dashes


def test_the_order_of_the_peers_rotates_with_the_rounds(results):
    first, second = ([record["peer"] for record in records[: len(PEERS)]] for records in results["sync"])
    assert second == first[1:] + first[:1]


def test_the_client_that_ignores_content_prints_the_figures(monkeypatch, capsys):
    with Simulator(jobs=200, days=90, seed=7, now=NOW) as sim:
        arguments = ("bare_client.py", sim.url, sim.project_id, sim.token(), "200", "4", "2")
        monkeypatch.setattr("sys.argv", [*arguments])
        bare_client.main()

    figures = json.loads(capsys.readouterr().out)
    assert (figures["requests"], sim.stats.requests) == (4, 4)
    assert figures["pages_per_second"] > 0
