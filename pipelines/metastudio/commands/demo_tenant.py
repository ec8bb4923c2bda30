"""The simulated tenant of the demos: its size, and the settings that sync from it."""

from __future__ import annotations

import os
from pathlib import Path

STATE = Path(".demo")
JOBS = 5_000
QUOTA = 20
SEED = 400
"""Different from the default of `metastudio simulate`, so that the two projects are never mixed."""


def configure(
    *, endpoint: str, project_id: str, access_key: str, secret_key: str, database: Path, data_dir: Path
) -> None:
    """Set the environment variables that sync from a simulator into a DuckDB file."""
    for name in [name for name in os.environ if name.startswith(("SOURCES__METASTUDIO__", "DESTINATION__"))]:
        del os.environ[name]
    os.environ |= {
        "SOURCES__METASTUDIO__ENDPOINT": endpoint,
        "SOURCES__METASTUDIO__PROJECT_ID": project_id,
        "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY": access_key,
        "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY": secret_key,
        "DESTINATION__DUCKDB__CREDENTIALS": str(database),
        "DLT_DATA_DIR": str(data_dir.resolve()),
    }
