"""The guarantee through real HTTP and dlt into a real DuckDB file, for random tenants."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import duckdb
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from metastudio.commands.load import run_audit, run_sync
from metastudio.commands.progress import LogProgress
from metastudio.pipeline.options import Options
from metastudio_simulator import Simulator

from tests.support.rows import held_rows, shown_rows

changes = st.fixed_dictionaries(
    {"create": st.integers(0, 40), "update": st.integers(0, 60), "vanish": st.integers(0, 5)}
)
between = st.sampled_from([None, {"vanish": 1}, {"update": 1}, {"create": 1}, {"update": 3, "vanish": 1}])
faults = st.sampled_from([{}, {"503": 0.1}, {"reset": 0.1}, {"truncated": 0.1}])
days = st.lists(st.tuples(changes, between, faults, st.integers(1, 100_000)), min_size=1, max_size=3)


@contextmanager
def place(sim: Simulator):
    """Return an environment that syncs from the simulator into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "SOURCES__METASTUDIO__ENDPOINT": sim.url,
            "SOURCES__METASTUDIO__PROJECT_ID": sim.project_id,
            "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY": sim.access_key,
            "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY": sim.secret_key,
            "SOURCES__METASTUDIO__REQUESTS_PER_SECOND": "1000",
            "SOURCES__METASTUDIO__MAX_ROWS_PER_WINDOW": "150",
            "SOURCES__METASTUDIO__CHUNK_ROWS": "300",
            "SOURCES__METASTUDIO__RESCAN_DAYS": "90",  # all of it: without the order, late changes to older jobs are not seen
            "SOURCES__METASTUDIO__BUILD_MODELS": "false",
            "DESTINATION__DUCKDB__CREDENTIALS": f"{folder}/videos.duckdb",
            "DLT_DATA_DIR": f"{folder}/state",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
        with mock.patch.dict(os.environ, environment):
            yield Path(folder) / "videos.duckdb"


def ask(path: Path):
    def query(sql: str):
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql(sql).fetchall()

    return query


@settings(
    max_examples=2,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # a failing example is reported at once: shrinking it takes minutes
)
@given(
    jobs=st.integers(0, 500),
    seed=st.integers(0, 1_000),
    sorting=st.sampled_from(["honored", "honored", "ignored", "refused"]),
    page_cap=st.sampled_from([None, None, 37]),
    job_ids=st.sampled_from(["honored", "ignored"]),
    life=days,
)
def test_after_a_rest_a_sync_and_an_audit_the_tables_equal_the_tenant(jobs, seed, sorting, page_cap, job_ids, life):
    with Simulator(jobs=jobs, days=60, seed=seed, now="2026-01-15T12:00:00Z") as sim, place(sim) as path:
        sim.behavior.update_time_sorting = sorting
        sim.behavior.page_cap = page_cap
        sim.behavior.job_ids = job_ids
        for change, between_requests, fault, seconds in life:
            sim.behavior.between_requests = between_requests
            sim.behavior.faults = fault
            outcome = run_sync(Options(), LogProgress())
            assert outcome.error is None or outcome.error.exit_code == 5, str(outcome.error)
            sim.clock.advance(seconds)
            sim.tenant.change_some(**change)
        sim.behavior.between_requests = None
        sim.behavior.faults = {}
        sim.clock.advance(3_600)

        for outcome in (run_sync(Options(), LogProgress()), run_audit(Options(), LogProgress(), repair=True)):
            assert outcome.error is None, str(outcome.error)

        assert held_rows(ask(path)) == shown_rows(sim)
