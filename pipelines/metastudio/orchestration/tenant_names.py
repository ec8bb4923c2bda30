"""The names of a tenant's assets, jobs and pool. All other definitions are made from them."""

from __future__ import annotations

from dataclasses import dataclass

from metastudio.commands.tenants import list_options
from metastudio.config.settings import Settings, find_setting, resolve_settings
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES

API_GROUP = "metastudio_api"
MAINTENANCE_GROUP = "metastudio_maintenance"
RAW_GROUP = "metastudio_raw"
STAGING_GROUP = "metastudio_staging"
REPORTING_GROUP = "metastudio_reporting"
"""Groups of assets. Dagster shows each group as a box, from the API to the report."""


@dataclass(frozen=True, slots=True)
class TenantNames:
    """Names of one tenant's definitions. A single tenant has no name, and none appears in them."""

    options: Options
    settings: Settings

    @property
    def tenant(self) -> str | None:
        """Return the tenant's name."""
        return self.options.tenant

    @property
    def prefix(self) -> list[str]:
        """Return the first parts of the tenant's asset keys."""
        return ["metastudio", *([self.tenant] if self.tenant else [])]

    @property
    def pool(self) -> str:
        """Return the pool of the runs. On DuckDB all tenants share one: a file has one writer."""
        return self.name("metastudio") if self.options.destination != "duckdb" else "metastudio"

    def name(self, base: str) -> str:
        """Return the name of a job or schedule of the tenant."""
        return f"{base}_{self.tenant}" if self.tenant else base

    def key(self, name: str) -> list[str]:
        """Return the key of an asset of the tenant."""
        return [*self.prefix, name]

    @property
    def table_keys(self) -> list[list[str]]:
        """Return the keys of the raw tables."""
        return [self.key(table.name) for table in TABLES]


def make_tenant_names(options: Options | None = None) -> list[TenantNames]:
    """Return the names of each tenant of a pipeline.

    Args:
        options: the pipeline, its destination and dataset; by default dlt's settings in the section
            `pipelines.metastudio`.

    Raises:
        ConfigurationError: a setting is invalid, or two tenants would load the same jobs.
    """
    given = options or Options(
        destination=find_setting("pipelines.metastudio.destination_type") or "duckdb",
        dataset=find_setting("pipelines.metastudio.dataset_name") or "metastudio",
    )
    return [TenantNames(each, resolve_settings(each.tenant)) for each in list_options(given)]
