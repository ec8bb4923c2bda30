"""The raw tables as assets: one a table of dlt's source, all brought up to date by one run of `metastudio sync`, behind the API."""

# Without `from __future__ import annotations`: Dagster looks at the type of an asset's context.

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

_TABLES = {table.name: table for table in TABLES}


def make_api(lane: TenantNames) -> AssetSpec:
    """Make the asset that stands for the API, which nobody here materialises."""
    return AssetSpec(
        lane.key("api"),
        description="The video production jobs as the API lists them: `GET /v1/{project_id}/digital-human-videos`"
        + (f", tenant {lane.tenant}." if lane.tenant else "."),
        group_name=API_GROUP,
        kinds={"api"},
    )


@dataclass
class Translator(DagsterDltTranslator):
    """Names and describes the raw tables of a lane."""

    lane: TenantNames

    def get_asset_spec(self, data: DltResourceTranslatorData) -> AssetSpec:
        """Describe one table from its declaration."""
        table = _TABLES[data.resource.name]
        metadata = {
            "dagster/table_name": f"{self.lane.options.dataset}.{table.name}",
            "dagster/column_schema": describe_columns(table),
        }
        return (
            super()
            .get_asset_spec(data)
            .replace_attributes(
                key=self.lane.key(table.name),
                deps=[self.lane.key("api")],
                description=f"{table.description}.",
                group_name=RAW_GROUP,
            )
            .merge_attributes(metadata=metadata)
        )


def describe_columns(table: Table) -> TableSchema:
    """Give the declared columns as Dagster shows them."""
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


def make_raw_tables(lane: TenantNames) -> AssetsDefinition:
    """Make the assets of a lane's raw tables."""

    @dlt_assets(
        dlt_source=describe_source(),
        dlt_pipeline=open_pipeline(lane.options),
        name=lane.name("sync"),
        dagster_dlt_translator=Translator(lane),
        pool=lane.pool,
    )
    def sync(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        """Bring the raw tables up to date: everything on the first run, what changed on later ones."""
        watcher = DagsterProgress(context)
        outcome = run_sync(lane.options, watcher, models=False)
        if raise_for_error(context, outcome.error):
            counts, run = count_rows(lane.options), describe_run(outcome.summary, watcher)
            for key in sorted(context.selected_asset_keys):
                row_count = counts[key.path[-1]]
                yield MaterializeResult(asset_key=key, metadata={"dagster/row_count": row_count, **run})

    return sync


def count_rows(options: Options) -> dict[str, int]:
    """Count the project's rows in each raw table."""
    destination, _ = open_existing(options)
    return {table.name: destination.count_rows(table.name) for table in TABLES}
