"""One lane for each tenant: its pipeline, and how its assets, jobs and pool are called. Everything else of Dagster is made from these."""

from __future__ import annotations

from dataclasses import dataclass

import dlt

from ..pipeline import Options
from ..schema import TABLES

API_GROUP = "metastudio_api"
BACKFILL_GROUP = "metastudio_backfill"
RAW_GROUP = "metastudio_raw"
STAGING_GROUP = "metastudio_staging"
REPORTING_GROUP = "metastudio_reporting"
"""Groups of assets, which Dagster shows as one box each: from the API to the report."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What one tenant's definitions are made from; `tenant` is None where there is a single, unnamed one."""

    tenant: str | None
    options: Options

    @property
    def prefix(self) -> list[str]:
        """What the keys of the tenant's assets begin with."""
        return ["metastudio", *([self.tenant] if self.tenant else [])]

    @property
    def pool(self) -> str:
        """The pool of the tenant's runs; of all tenants' on DuckDB, whose file has one writer."""
        return self.name("metastudio") if self.options.destination != "duckdb" else "metastudio"

    def name(self, what: str) -> str:
        """Name something of the tenant's: a job, a schedule."""
        return f"{what}_{self.tenant}" if self.tenant else what

    def key(self, name: str) -> list[str]:
        """Give the key of one of the tenant's assets."""
        return [*self.prefix, name]

    @property
    def table_keys(self) -> list[list[str]]:
        """The keys of the raw tables."""
        return [self.key(table.name) for table in TABLES]


def tenants() -> tuple[str | None, ...]:
    """Give the tenants that are configured: None for the single, unnamed one."""
    return (None,)


def make_lanes(options: Options | None = None) -> list[Lane]:
    """Make the lanes of a pipeline.

    Args:
        options: the pipeline, its destination and dataset; what dlt's section `pipelines.metastudio` says without.
    """
    given = options or Options(
        destination=dlt.config.get("pipelines.metastudio.destination_type") or "duckdb",
        dataset=dlt.config.get("pipelines.metastudio.dataset_name") or "metastudio",
    )
    return [Lane(tenant, given) for tenant in tenants()]
