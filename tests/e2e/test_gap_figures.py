"""All outputs show the same figures of open gaps until these close, on DuckDB and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from metastudio.config.tenant import resolve_settings
from metastudio.destination.jobs import Destination
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio_simulator import Simulator

from tests.support.simulated import NOW
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)


@dataclass(frozen=True)
class Place:
    """A tenant of 300 jobs and an empty destination for them."""

    warehouse: Warehouse
    run: object

    @property
    def sim(self) -> Simulator:
        return self.warehouse.sim

    def call(self, command, *arguments):
        options = self.warehouse.options
        where = ("--pipeline", options.pipeline, "--dataset", options.dataset, "--destination", options.destination)
        return self.run(command, *where, *arguments)

    def read_figures(self, ended):
        """Return the number of gaps and of missing jobs by each output that shows them."""
        from metastudio.orchestration.checks import check_completeness, find_health

        status, report = self.call("status", "--json").json, self.call("report", "--json").json["health"]
        tables = Destination(open_pipeline(self.warehouse.options), self.sim.project_id)
        line = tables.query('SELECT open_gaps, missing FROM {windows} ORDER BY finished_at DESC, "window" DESC LIMIT 1')
        check = check_completeness(find_health(self.warehouse.options)).metadata
        ledger = tables.completeness()
        model = self.warehouse.models.query_dicts("SELECT * FROM {sync_health}")[0]
        assert (ledger.synced_at, ledger.complete_at) == (model["last_sync_at"], model["last_complete_sync_at"])
        assert ledger.incomplete_windows == model["incomplete_windows"] == 0
        return {
            "summary": (ended.json["gaps"], ended.json["missing"]),
            "status": (len(status["gaps"]), status["missing"]),
            "last line": line[0],
            "ledger": (ledger.gaps, ledger.missing),
            "model": (model["gaps"], model["missing"]),
            "report": (report["gaps"], report["missing"]),
            "check": (check["gaps"].value, check["missing"].value),
        }


@pytest.fixture(params=["duckdb", "postgres"])
def place(request, tmp_path: Path, run, monkeypatch):
    is_duckdb = request.param == "duckdb"
    options = Options(pipeline="gaps", dataset="metastudio" if is_duckdb else "company", destination=request.param)
    credentials = str(tmp_path / "videos.duckdb") if is_duckdb else request.getfixturevalue("postgres_url")
    with Simulator(jobs=300, days=90, seed=7, now=NOW) as sim:
        warehouse = Warehouse(sim, options, tmp_path, credentials)
        warehouse.configure(monkeypatch)
        yield Place(warehouse, run)


def test_each_place_tells_the_same_gaps_until_they_are_closed(place, monkeypatch):
    from metastudio.orchestration.checks import check_completeness, check_freshness, find_health

    place.sim.behavior.hidden_jobs = 3
    first = place.call("sync", "--json")
    assert first.code == 5, first.err
    found = place.read_figures(first)
    gaps, missing = found["status"]
    assert (gaps > 0, missing) == (True, 3)
    assert set(found.values()) == {(gaps, missing)}, found
    sentence = f"Not complete: {gaps} gap{'s' * (gaps > 1)}, 3 jobs missing: metastudio status lists them."
    health = find_health(place.warehouse.options)
    check = check_completeness(health)
    assert (check.passed, check.severity.value, check.description) == (False, "ERROR", sentence)
    assert f"✗ {sentence}" in place.call("report").out
    assert check_freshness(health, 10.0**9).passed

    monkeypatch.setenv("SOURCES__METASTUDIO__MAX_MISSING", "3")
    idle = place.call("sync", "--json")
    assert (idle.code, set(place.read_figures(idle).values())) == (0, {(gaps, 3)})
    accepted = check_completeness(find_health(place.warehouse.options), resolve_settings(None).max_missing)
    assert (accepted.passed, accepted.severity.value) == (False, "WARN")

    place.sim.behavior.hidden_jobs = 0
    place.sim.clock.advance(86_400)
    mended = place.call("sync", "--json")
    assert (mended.code, set(place.read_figures(mended).values())) == (0, {(0, 0)})
    health = find_health(place.warehouse.options)
    assert check_completeness(health).passed
    assert health["last_complete_sync_at"] == health["last_sync_at"]
