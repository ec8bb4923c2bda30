"""The reporting models as assets behind the raw tables, and their dbt tests as asset checks.

The models are views and always as fresh as the tables. dbt takes seconds, so it runs only if the
models are missing or outdated, or if their tests are requested.
"""

# Without `from __future__ import annotations`: Dagster inspects the annotation of `context`.

from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dlt
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

from metastudio.commands.models import find_names, make_test_error, rebuild_models
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import to_metastudio_error
from metastudio.orchestration.results import raise_for_error
from metastudio.orchestration.tenant_names import REPORTING_GROUP, STAGING_GROUP, TenantNames
from metastudio.pipeline.factory import open_first, open_pipeline
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.dbt_profile import find_adapter
from metastudio.reporting.dbt_runner import TestResults, write_manifest
from metastudio.reporting.model_version import Models, make_dataset_name, make_fingerprint


class Translator(DagsterDbtTranslator):
    """Names the models, and connects them to the raw tables of all tenants."""

    def __init__(self, tenants: Sequence[TenantNames]) -> None:
        super().__init__()
        self._tenants = tenants
        self._schema = make_dataset_name(tenants[0].options.dataset)

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        """Return the key of a model, or of a source for the first tenant."""
        name = dbt_resource_props["name"]
        if dbt_resource_props["resource_type"] == "source":
            return AssetKey(self._tenants[0].key(name))
        return AssetKey(["metastudio_reporting", name])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the group of a model; staging models have their own."""
        return STAGING_GROUP if "staging" in dbt_resource_props["fqn"] else REPORTING_GROUP

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the description of a model without its SQL."""
        return str(dbt_resource_props.get("description", ""))

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> AssetSpec:
        """Return the asset of a model. It depends on the raw tables of all tenants."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if unique_id.startswith("source"):
            return spec
        deps = []
        for dep in spec.deps:
            *prefix, name = dep.asset_key.path
            is_raw = prefix == self._tenants[0].prefix
            deps += [AssetKey(names.key(name)) for names in self._tenants] if is_raw else [dep.asset_key]
        table_name = {"dagster/table_name": f"{self._schema}.{spec.key.path[-1]}"}
        return spec.replace_attributes(deps=deps).merge_attributes(metadata=table_name)


def make_models(tenants: Sequence[TenantNames]) -> AssetsDefinition:
    """Return the assets of the reporting models, which are shared by all tenants."""
    first = tenants[0].options
    adapter = find_adapter(open_pipeline(first))
    assert adapter is not None
    pools = {names.pool for names in tenants}

    @dbt_assets(
        manifest=find_manifest(adapter, first.dataset),
        exclude="models_version",  # metastudio recognizes its own build by it; not meant for people
        name="models",
        dagster_dbt_translator=Translator(tenants),
        pool=pools.pop() if len(pools) == 1 else None,  # otherwise all tenants would wait for one
    )
    def models(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        """Build the models if they are outdated, and run the selected tests."""
        checks = _find_checks(context)
        try:
            _, options = open_first([names.options for names in tenants])
            built, tests = update_models(options, test=bool(checks))
        except Exception as error:
            raise_for_error(context, to_metastudio_error(error))
            return
        for key in TopologicalSorter(context.assets_def.asset_deps).static_order():
            if key in context.selected_asset_keys:
                yield MaterializeResult(asset_key=key, metadata={"built": built, "version": make_fingerprint()})
        yield from _report(tests, checks)
        raise_for_error(context, make_test_error(tests))

    return models


def find_manifest(adapter: str, dataset: str) -> Path:
    """Return dbt's manifest of the models, written once per version to dlt's data directory.

    Raises:
        MetaStudioError: dbt could not parse the project.
    """
    folder = Path(dlt.current.run_context().data_dir) / "metastudio"
    path = folder / f"manifest-{adapter}-{dataset}-{make_fingerprint()}-dbt-{version('dbt-core')}.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(adapter, dataset, path)
    return path


def update_models(options: Options, *, test: bool) -> tuple[bool, TestResults]:
    """Build the models if they are outdated or if tests are requested.

    Returns whether the models were built, and the results of the tests.

    Raises:
        MetaStudioError: another run is going on, or the build failed.
    """
    pipeline = open_pipeline(options)
    if Models(Destination(pipeline)).is_current(find_names()) and not test:
        return False, TestResults()
    with lock_pipeline(options):
        return True, rebuild_models(pipeline, test=test)


def _find_checks(context: AssetExecutionContext) -> dict[str, AssetCheckKey]:
    """Return the selected checks by the dbt IDs of their tests."""
    return {
        str(spec.metadata["dagster_dbt/unique_id"]): spec.key
        for spec in context.assets_def.check_specs
        if spec.key in context.selected_asset_check_keys
    }


def _report(tests: TestResults, checks: Mapping[str, AssetCheckKey]) -> Iterator[AssetCheckResult]:
    for result in tests.results:
        if key := checks.get(result.test_id):
            yield AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=result.status == "pass",
                severity=AssetCheckSeverity.WARN if result.status == "warn" else AssetCheckSeverity.ERROR,
                description=result.message,
            )
