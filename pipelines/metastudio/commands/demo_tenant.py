"""The simulated tenant of the demos: its size, and the settings that sync from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metastudio_simulator import Simulator

STATE = Path(".demo")
JOBS = 5_000
QUOTA = 20
SEED = 400
"""Different from the default of `metastudio simulate`, so that the two projects are never mixed."""


@contextmanager
def serve_tenant(*, database: Path, data_dir: Path, living: bool = False) -> Iterator[Simulator]:
    """Serve the tenant, and set the environment variables that sync from it into a DuckDB file."""
    with Simulator(jobs=JOBS, days=400, seed=SEED, living=living) as sim:
        sim.behavior.quota_per_second = QUOTA
        for name in [name for name in os.environ if name.startswith(("SOURCES__METASTUDIO__", "DESTINATION__"))]:
            del os.environ[name]
        os.environ |= {
            "SOURCES__METASTUDIO__ENDPOINT": sim.url,
            "SOURCES__METASTUDIO__PROJECT_ID": sim.project_id,
            "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY": sim.access_key,
            "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY": sim.secret_key,
            "DESTINATION__DUCKDB__CREDENTIALS": str(database),
            "DLT_DATA_DIR": str(data_dir.resolve()),
        }
        yield sim
