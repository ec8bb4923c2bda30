"""The raw tables as assets. One run of `metastudio sync` updates all of them from the API."""

# Without `from __future__ import annotations`: Dagster inspects the annotation of `context`.

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    MaterializeResult,
    TableColumn,
    TableColumnConstraints,
    TableSchema,
)
from dagster_dlt import DagsterDltTranslator, dlt_assets
from dagster_dlt.translator import DltResourceTranslatorData

from metastudio.commands.load import run_sync
from metastudio.orchestration.results import DagsterProgress, describe_run, raise_for_error
from metastudio.orchestration.tenant_names import API_GROUP, RAW_GROUP, TenantNames
from metastudio.pipeline.factory import open_existing, open_pipeline
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES, Table
from metastudio.source.source import describe_source

_TABLES_BY_NAME = {table.name: table for table in TABLES}


def make_api(names: TenantNames) -> AssetSpec:
    """Return the asset for the API, which no run materializes."""
    return AssetSpec(
        names.key("api"),
        description="The video production jobs as the API lists them: `GET /v1/{project_id}/digital-human-videos`"
        + (f", tenant {names.tenant}." if names.tenant else "."),
        group_name=API_GROUP,
        kinds={"api"},
    )


@dataclass
class Translator(DagsterDltTranslator):
    """Names and describes the raw tables of a tenant."""

    names: TenantNames

    def get_asset_spec(self, data: DltResourceTranslatorData) -> AssetSpec:
        """Return the asset of a raw table, described as the table is declared."""
        table = _TABLES_BY_NAME[data.resource.name]
        metadata = {
            "dagster/table_name": f"{self.names.options.dataset}.{table.name}",
            "dagster/column_schema": describe_columns(table),
        }
        return (
            super()
            .get_asset_spec(data)
            .replace_attributes(
                key=self.names.key(table.name),
                deps=[self.names.key("api")],
                description=f"{table.description}.",
                group_name=RAW_GROUP,
            )
            .merge_attributes(metadata=metadata)
        )


def describe_columns(table: Table) -> TableSchema:
    """Return the declared columns of a table for Dagster."""
    return TableSchema(
        columns=[
            TableColumn(
                column.name,
                column.data_type,
                description=column.description,
                constraints=TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.columns
        ]
    )


def make_raw_tables(names: TenantNames) -> AssetsDefinition:
    """Return the assets of a tenant's raw tables."""

    @dlt_assets(
        dlt_source=describe_source(),
        dlt_pipeline=open_pipeline(names.options),
        name=names.name("sync"),
        dagster_dlt_translator=Translator(names),
        pool=names.pool,
    )
    def sync(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        """Update the raw tables: load all jobs on the first run, and changes on later ones."""
        progress = DagsterProgress(context)
        result = run_sync(names.options, progress, models=False)
        if raise_for_error(context, result.error):
            row_counts, run = count_rows(names.options), describe_run(result.summary, progress)
            for key in sorted(context.selected_asset_keys):
                metadata = {"dagster/row_count": row_counts[key.path[-1]], **run}
                yield MaterializeResult(asset_key=key, metadata=metadata)

    return sync


def count_rows(options: Options) -> dict[str, int]:
    """Return the number of the tenant's rows in each raw table."""
    destination, _ = open_existing(options)
    return {table.name: destination.count_rows(table.name) for table in TABLES}
