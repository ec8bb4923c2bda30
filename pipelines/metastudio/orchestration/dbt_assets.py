"""The reporting models as assets behind the raw tables, their dbt tests as asset checks.

They are views, always as fresh as the tables: dbt, which takes seconds, runs only where they are missing or of another version, or where
their tests are wanted.
"""

# Without `from __future__ import annotations`: Dagster looks at the type of an asset's context.

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from graphlib import TopologicalSorter
from typing import Any

from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    MaterializeResult,
)
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets

from metastudio.commands.models import is_current, renew_models
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError, IncompleteError
from metastudio.orchestration.manifest import find_manifest
from metastudio.orchestration.results import raise_for_error
from metastudio.orchestration.tenant_names import REPORTING_GROUP, STAGING_GROUP, TenantNames
from metastudio.pipeline.factory import open_existing, open_pipeline
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.dbt_profile import find_adapter
from metastudio.reporting.dbt_runner import TestResults
from metastudio.reporting.model_version import Models, make_dataset_name, make_fingerprint


class Translator(DagsterDbtTranslator):
    """Names the models, and hangs them on the raw tables of all lanes."""

    def __init__(self, lanes: Sequence[TenantNames]) -> None:
        super().__init__()
        self._lanes = lanes
        self._schema = make_dataset_name(lanes[0].options.dataset)

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        """Give a model's key; a source's is the first lane's."""
        name = dbt_resource_props["name"]
        if dbt_resource_props["resource_type"] == "source":
            return AssetKey(self._lanes[0].key(name))
        return AssetKey(["metastudio_reporting", name])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Keep what only prepares the data apart from what people read."""
        return STAGING_GROUP if "staging" in dbt_resource_props["fqn"] else REPORTING_GROUP

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Give the model's description, without its SQL."""
        return str(dbt_resource_props.get("description", ""))

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> AssetSpec:
        """Describe a model; one that reads a raw table reads those of all lanes."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if unique_id.startswith("source"):
            return spec
        deps = []
        for dep in spec.deps:
            *prefix, name = dep.asset_key.path
            is_raw = prefix == self._lanes[0].prefix
            deps += [AssetKey(lane.key(name)) for lane in self._lanes] if is_raw else [dep.asset_key]
        table_name = {"dagster/table_name": f"{self._schema}.{spec.key.path[-1]}"}
        return spec.replace_attributes(deps=deps).merge_attributes(metadata=table_name)


def make_models(lanes: Sequence[TenantNames]) -> AssetsDefinition:
    """Make the assets of the reporting models, one dataset for all lanes."""
    options = lanes[0].options
    adapter = find_adapter(open_pipeline(options))
    assert adapter is not None

    @dbt_assets(
        manifest=find_manifest(adapter, options.dataset),
        exclude="models_version",  # how metastudio knows its own build; nothing for people
        name="models",
        dagster_dbt_translator=Translator(lanes),
        pool=lanes[0].pool if len({lane.pool for lane in lanes}) == 1 else None,  # else all tenants would wait for one
    )
    def models(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        """Build the models where they are outdated, or their tests are wanted; say that they are current otherwise."""
        checks = _find_checks(context)
        try:
            built, tested = bring_up_to_date(find_synced(lanes), test=bool(checks))
        except Exception as error:
            raise_for_error(context, to_metastudio_error(error))
            return
        for key in TopologicalSorter(context.assets_def.asset_deps).static_order():
            if key in context.selected_asset_keys:
                yield MaterializeResult(asset_key=key, metadata={"built": built, "version": make_fingerprint()})
        yield from _report(tested, checks)
        if tested.failed:
            found = f"{len(tested.failed)} tests of the reporting models failed: {'; '.join(tested.failed)}."
            raise_for_error(context, IncompleteError(found, hint="Run metastudio audit, and report what remains."))

    return models


def find_synced(lanes: Sequence[TenantNames]) -> Options:
    """Give the options of the first tenant that was synced: the raw tables are there then.

    Raises:
        ConfigurationError: none was.
    """
    for lane in lanes[:-1]:
        with suppress(ConfigurationError):
            open_existing(lane.options)
            return lane.options
    open_existing(lanes[-1].options)
    return lanes[-1].options


def bring_up_to_date(options: Options, *, test: bool) -> tuple[bool, TestResults]:
    """Build the models where they are outdated or tests are wanted; tell whether they were built, and what the tests found.

    Raises:
        MetaStudioError: another run is under way, or they could not be built.
    """
    pipeline = open_pipeline(options)
    if is_current(Models(Destination(pipeline))) and not test:
        return False, TestResults()
    with lock_pipeline(options):
        return True, renew_models(pipeline, test=test)


def _find_checks(context: AssetExecutionContext) -> dict[str, AssetCheckKey]:
    """Give the checks that are wanted by dbt's IDs of their tests."""
    return {
        str(spec.metadata["dagster_dbt/unique_id"]): spec.key
        for spec in context.assets_def.check_specs
        if spec.key in context.selected_asset_check_keys
    }


def _report(tested: TestResults, checks: Mapping[str, AssetCheckKey]) -> Iterator[AssetCheckResult]:
    for result in tested.results:
        if key := checks.get(result.test_id):
            yield AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=result.status == "pass",
                severity=AssetCheckSeverity.WARN if result.status == "warn" else AssetCheckSeverity.ERROR,
                description=result.message,
            )
