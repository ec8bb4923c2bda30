"""The options that choose a pipeline, and this package's defaults for dlt's configuration."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from typing import Any

from metastudio.config.settings import find_setting
from metastudio.config.tenant import check_name, list_tenants
from metastudio.destination.dlt_internals.settings import set_default_settings

PIPELINE = "metastudio"
"""The name of the pipeline if none is given."""

_MEMORY_MB = 80
_MEMORY_FACTOR = 4
_DUCKDB_CONFIG = "destination.duckdb.credentials.global_config"

TELEMETRY = "RUNTIME__DLTHUB_TELEMETRY"
"""The variable that turns off dlt's telemetry, which starts before any other setting is read."""


def make_defaults(memory_mb: int = _MEMORY_MB) -> dict[str, Any]:
    """Return this package's defaults for dlt. Variables and files override them."""
    return {
        "destination": {"duckdb": {"credentials": {"global_config": _make_duckdb_config(memory_mb)}}},
        "load": {
            "truncate_staging_dataset": True,  # 24 MB per 100,000 rows stay behind otherwise
            "delete_completed_jobs": True,
        },
        "normalize": {"data_writer": {"disable_compression": True}},  # gzip took a quarter of the CPU into PostgreSQL
    }


def _make_duckdb_config(memory_mb: int) -> dict[str, Any]:
    return {"memory_limit": f"{memory_mb}MB", "threads": 1}  # by default, DuckDB takes all of the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which pipeline, into which destination and dataset, and for which of several tenants."""

    pipeline: str = PIPELINE
    destination: str = "duckdb"
    dataset: str = "metastudio"
    tenant: str | None = None

    @property
    def name(self) -> str:
        """Return the name of the dlt pipeline. Each tenant has its own state, lock and staging."""
        return f"{self.pipeline}_{self.tenant}" if self.tenant else self.pipeline

    @property
    def staging_suffix(self) -> str:
        """Return the pipeline's part in the name of its staging dataset.

        A name that dlt would change gets a suffix, because two changed names could be the same.
        """
        if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", self.name):
            return self.name
        return f"{self.name}_{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    @property
    def duckdb_file(self) -> str:
        """Return the default DuckDB file, which is in the working directory."""
        return "videos.duckdb" if self.pipeline == PIPELINE else f"{self.pipeline}.duckdb"


def list_chosen(options: Options) -> list[Options]:
    """Return the options of the chosen tenant, or of all; no credentials are needed for that.

    Raises:
        ConfigurationError: a name is not valid, or there is no such tenant.
    """
    check_name(options.tenant)
    names = () if options.tenant else list_tenants()
    return [replace(options, tenant=name) for name in names] or [options]


def set_defaults() -> None:
    """Turn off dlt's telemetry, unless the user's environment turns it on."""
    os.environ.setdefault(TELEMETRY, "false")


def raise_memory_limit() -> bool:
    """Let DuckDB use four times as much memory for the rest of this process.

    Return False if the user set the limit, or if it is beyond the machine's memory already.
    """
    machine_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
    limit = _MEMORY_MB
    while limit < machine_mb:
        is_ours = find_setting(_DUCKDB_CONFIG) == _make_duckdb_config(limit)
        limit *= _MEMORY_FACTOR
        if is_ours:
            set_default_settings(make_defaults(limit), replace=True)
            return True
    return False
