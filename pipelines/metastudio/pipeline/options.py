"""Which pipeline is meant, and what this package sets of dlt's own configuration."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass

PIPELINE = "metastudio"
"""The name of the pipeline where none is given."""

_DUCKDB_CONFIG = "DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG"
_MEMORY_MB = 80
_MEMORY_FACTOR = 4

DEFAULTS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    _DUCKDB_CONFIG: json.dumps({"memory_limit": f"{_MEMORY_MB}MB", "threads": 1}),  # DuckDB takes all it finds
    "LOAD__TRUNCATE_STAGING_DATASET": "true",  # 24 MB per 100,000 rows stay behind otherwise
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}
"""What this package sets of dlt's own configuration, where the user's environment does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which pipeline, into which destination and dataset, and for which of several tenants."""

    pipeline: str = PIPELINE
    destination: str = "duckdb"
    dataset: str = "metastudio"
    tenant: str | None = None

    @property
    def name(self) -> str:
        """The name of the dlt pipeline; each tenant has its own, with state, lock and staging."""
        return f"{self.pipeline}_{self.tenant}" if self.tenant else self.pipeline

    @property
    def staging_suffix(self) -> str:
        """The pipeline's part in the name of its staging dataset.

        A name that dlt would change to that of another pipeline gets a suffix of its own.
        """
        if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", self.name):
            return self.name
        return f"{self.name}_{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    @property
    def duckdb_file(self) -> str:
        """The DuckDB file where no other is configured, in the working directory."""
        return "videos.duckdb" if self.pipeline == PIPELINE else f"{self.pipeline}.duckdb"


def set_defaults() -> None:
    """Set the defaults, before dlt reads its configuration: its telemetry starts then."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def raise_memory_limit() -> bool:
    """Let DuckDB use four times as much memory for the rest of this process.

    Return False where the user set the limit, or where it is beyond the machine's memory already.
    """
    config = json.loads(DEFAULTS[_DUCKDB_CONFIG])
    machine_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
    limit = _MEMORY_MB
    while limit < machine_mb:
        config["memory_limit"] = f"{limit}MB"
        limit *= _MEMORY_FACTOR
        if os.environ.get(_DUCKDB_CONFIG) == json.dumps(config):
            os.environ[_DUCKDB_CONFIG] = json.dumps({**config, "memory_limit": f"{limit}MB"})
            return True
    return False
