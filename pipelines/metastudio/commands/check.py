"""The command `check`: checks item by item whether a sync would work. It leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

from metastudio.commands.api_checks import ApiChecks, CheckResult
from metastudio.commands.result import CommandResult
from metastudio.commands.tenants import list_options
from metastudio.config.tenant import Tenant, resolve_tenant
from metastudio.destination.duckdb_file import find_file
from metastudio.destination.jobs import Destination
from metastudio.destination.lock import hold_lock
from metastudio.destination.trial import try_destination
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import BusyError, MetaStudioError
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.dbt_profile import find_adapter
from metastudio.reporting.model_version import make_dataset_name
from metastudio.source.fetch import open_client

CheckListener = Callable[[str | None, CheckResult], None]
"""A function that is called with each item at once, and with the tenant's name if it has one."""


@dataclass(slots=True)
class _Checked:
    """The results of one tenant. `tenant` is None if its settings are not valid."""

    name: str | None
    results: list[CheckResult]
    tenant: Tenant | None = None

    @property
    def is_isolated(self) -> bool:
        return any(result.name == "isolation" and result.is_limit for result in self.results)


def run_check(options: Options, listener: CheckListener) -> CommandResult:
    """Check settings and API for the chosen tenants. The result's error is the first failure.

    Raises:
        ConfigurationError: a tenant's name is not valid, or two tenants would have the same jobs.
    """
    checked: list[_Checked] = []
    for one in list_options(options):
        checked.append(_Checked(one.tenant, []))
        for result in _check_tenant(checked[-1], one):
            checked[-1].results.append(result)
            listener(one.tenant, result)
    for result in _find_same_tenants(checked):
        checked.append(_Checked(None, [result]))
        listener(None, result)
    items = [_as_json(result, each.name) for each in checked for result in each.results]
    error = next((result.error for each in checked for result in each.results if result.error), None)
    return CommandResult(command="check", pipeline=options.name, details={"items": items}, error=error)


def _as_json(result: CheckResult, tenant: str | None) -> dict[str, str]:
    item = {"name": result.name, "verdict": result.verdict, "text": result.text}
    return {**item, "tenant": tenant} if tenant else item


def _check_tenant(checked: _Checked, options: Options) -> Iterator[CheckResult]:
    """Yield the results one by one. Checks that depend on a failed one are skipped."""
    try:
        checked.tenant = tenant = resolve_tenant(checked.name)
    except MetaStudioError as error:
        yield CheckResult("configuration", str(error), error)
        return
    yield CheckResult("configuration", f"project {tenant.project_id} in {tenant.region}, {tenant.base_url}")
    yield check_destination(options, tenant)
    with asyncio.Runner() as runner:
        results = _check_api(tenant)
        while (result := runner.run(anext(results, None))) is not None:
            yield result


def _list_schemas(destination: Destination, tenant: Tenant) -> list[str]:
    """Return the schemas that a sync writes to."""
    client = destination.pipeline.sql_client()
    has_models = tenant.build_models and find_adapter(destination.pipeline) is not None
    names = [str(client.dataset_name), str(client.staging_dataset_name)]
    return [*names, *([make_dataset_name(names[0])] if has_models else [])]


def check_destination(options: Options, tenant: Tenant) -> CheckResult:
    """Try whether a sync could write to the destination."""
    place = f"{options.destination}, dataset {options.dataset}"
    try:
        destination = Destination(open_pipeline(options, keep_state=False), tenant.project_id, tenant.app_user_id)
        if destination.capabilities.is_duckdb_file:
            place = find_file(destination.pipeline.sql_client())
        with hold_lock(destination, "pipeline"):
            tried = try_destination(destination, _list_schemas(destination, tenant))
        return CheckResult("destination", f"{place}: {tried}")
    except Exception as error:
        mapped = to_metastudio_error(error)
    if isinstance(mapped, BusyError):
        return CheckResult("destination", f"{place}: {mapped.message}", is_limit=True)
    return CheckResult("destination", f"{place}: {mapped}", mapped)


async def _check_api(tenant: Tenant) -> AsyncIterator[CheckResult]:
    async with open_client(tenant) as client:
        async for result in ApiChecks(client, tenant).run():
            yield result


def _find_same_tenants(checked: Sequence[_Checked]) -> Iterator[CheckResult]:
    """Yield a warning for tenants that differ only in app_user_id: isolation overrides it."""
    same: dict[object, list[str]] = {}
    for each in checked:
        if each.name and each.tenant and each.is_isolated:
            tenant = each.tenant
            same.setdefault((tenant.base_url, tenant.project_id, tenant.credentials), []).append(each.name)
    for names in same.values():
        if len(names) > 1:
            yield CheckResult(
                "tenants",
                f"{' and '.join(names)} differ only in app_user_id, which IAM-user isolation overrides: each would have the"
                " same jobs. Set for each the credentials of its own IAM user, or remove all but one.",
                is_limit=True,
            )
