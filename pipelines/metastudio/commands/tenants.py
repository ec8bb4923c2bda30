"""Does a command for each of several tenants, a few at a time: one that fails or hangs holds up no other, and each ends with an exit code
of its own. A command for one tenant stays what it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from logging import LogRecord

from dlt.destinations.exceptions import DestinationConnectionError

from metastudio.commands.load import CommandResult, MultiTenantResult, run_maintenance, run_sync
from metastudio.commands.progress import LogProgress
from metastudio.config.settings import Tenant, list_tenants, resolve_tenant, resolve_tenants_at_once
from metastudio.destination.jobs import Destination
from metastudio.errors import BusyError, ConfigurationError, MetaStudioError
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options

THREADS = "metastudio-tenant"
"""What the threads that work for tenants are named after."""

log = logging.getLogger("metastudio")

_current: ContextVar[str | None] = ContextVar("tenant", default=None)


def list_options(options: Options) -> list[Options]:
    """Give the options of each tenant that a command is for: the chosen one, or all, or the only one, which has no name.

    Raises:
        ConfigurationError: the names are no names, or two tenants would hold the same jobs.
    """
    names = list_tenants()
    check_apart(names)
    return [replace(options, tenant=name) for name in names] if names and not options.tenant else [options]


def sync_tenants(options: Options, watcher: LogProgress) -> CommandResult | MultiTenantResult:
    """Bring the destination up to date for the tenants that the options are for; what they share is looked after once, at the end."""
    outcome = run_tenants("sync", options, watcher, lambda one, its: run_sync(one, its, upkeep=one is options))
    if isinstance(outcome, MultiTenantResult):
        done = next((name for name, its in outcome.by_tenant.items() if its.error is None), None)
        if done is not None:
            _keep_up(replace(options, tenant=done))
    return outcome


def _keep_up(options: Options) -> None:
    try:
        with lock_pipeline(options):
            destination = Destination(open_pipeline(options))
            with destination.keep_connection():
                build = run_maintenance(destination, models=resolve_tenant(options.tenant).build_models)
            if build is not None:
                build()
    except BusyError:
        log.info("Descriptions and reporting models are left to the run that is under way.")


def run_tenants(
    command: str, options: Options, watcher: LogProgress, work: Callable[[Options, LogProgress], CommandResult]
) -> CommandResult | MultiTenantResult:
    """Do a command for the tenants that the options are for, several in threads; each keeps state, lock and pace of its own.

    Raises:
        ConfigurationError: the names are no names, or two tenants would hold the same jobs.
    """
    chosen = list_options(options)
    if chosen == [options]:
        return work(options, watcher)
    started = time.monotonic()

    def work_for(one: Options) -> CommandResult:
        _current.set(one.tenant)
        return work(one, watcher.of(str(one.tenant)))

    log.addFilter(name_tenant)
    executor = ThreadPoolExecutor(resolve_tenants_at_once(), thread_name_prefix=THREADS)
    try:
        with _hold_open(chosen[0]):
            outcomes = list(executor.map(work_for, chosen))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    by_tenant = {str(one.tenant): outcome for one, outcome in zip(chosen, outcomes, strict=True)}
    return MultiTenantResult(command, by_tenant, round(time.monotonic() - started, 3))


@contextmanager
def _hold_open(options: Options) -> Iterator[None]:
    """Hold a DuckDB file open: one that a thread closes for the last time, while another opens it, cannot be opened.

    Where it cannot be opened at all, each tenant says so.
    """
    with ExitStack() as stack:
        with suppress(DestinationConnectionError, MetaStudioError):
            stack.enter_context(Destination(open_pipeline(options)).keep_connection())
        yield


def check_apart(names: Iterable[str]) -> None:
    """Check that no two tenants can hold the same job: an audit of the one would mark the other's as deleted.

    A tenant whose settings are wrong is passed over: it is told of where it is worked for.

    Raises:
        ConfigurationError: two tenants ask for the same project, and not for different app users.
    """
    held: dict[str, list[tuple[str, Tenant]]] = {}
    for name in names:
        try:
            tenant = resolve_tenant(name)
        except MetaStudioError:
            continue
        for other, that in held.setdefault(tenant.project_id, []):
            if None in (tenant.app_user_id, that.app_user_id) or tenant.app_user_id == that.app_user_id:
                raise ConfigurationError(
                    f"The tenants {other} and {name} ask for the same project.",
                    hint="Leave one out, or give each an app_user_id of its own.",
                )
        held[tenant.project_id].append((name, tenant))


def name_tenant(record: LogRecord) -> bool:
    """Put the tenant that is worked for before a line of the log."""
    if (name := _current.get()) is not None:
        record.msg = f"{name}: {record.msg}"
    return True
