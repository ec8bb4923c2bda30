"""One lane for each tenant: its pipeline, and how its assets, jobs and pool are called. Everything else of Dagster is made from these."""

from __future__ import annotations

from dataclasses import dataclass

from metastudio.commands.tenants import list_options
from metastudio.config.settings import Settings, find_setting, resolve_settings
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES

API_GROUP = "metastudio_api"
MAINTENANCE_GROUP = "metastudio_mending"
RAW_GROUP = "metastudio_raw"
STAGING_GROUP = "metastudio_staging"
REPORTING_GROUP = "metastudio_reporting"
"""Groups of assets, which Dagster shows as one box each: from the API to the report."""


@dataclass(frozen=True, slots=True)
class TenantNames:
    """What one tenant's definitions are made from; a single one needs no name, and then none is named after it."""

    options: Options
    settings: Settings

    @property
    def tenant(self) -> str | None:
        """The tenant's name."""
        return self.options.tenant

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


def make_lanes(options: Options | None = None) -> list[TenantNames]:
    """Make the lanes of a pipeline.

    Args:
        options: the pipeline, its destination and dataset; what dlt's section `pipelines.metastudio` says without.

    Raises:
        ConfigurationError: a setting is of the wrong type or out of bounds, or two tenants would hold the same jobs.
    """
    given = options or Options(
        destination=find_setting("pipelines.metastudio.destination_type") or "duckdb",
        dataset=find_setting("pipelines.metastudio.dataset_name") or "metastudio",
    )
    return [TenantNames(each, resolve_settings(each.tenant)) for each in list_options(given)]
