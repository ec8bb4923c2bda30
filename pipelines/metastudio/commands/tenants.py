"""The commands for several tenants, a few at a time.

A failing or hanging tenant does not block the others.

With a single tenant, each command does the same as in `load`, and returns the same result.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from logging import LogRecord

from dlt.destinations.exceptions import DestinationConnectionError

from metastudio.commands.load import maintain, run_audit, run_backfill, run_sync
from metastudio.commands.models import build_outdated
from metastudio.commands.progress import LogProgress
from metastudio.commands.publish import publish_changes
from metastudio.commands.result import CommandResult, LoadResult, MultiTenantResult
from metastudio.config.settings import resolve_settings
from metastudio.config.tenant import find_tenant_keys, resolve_tenant
from metastudio.destination.jobs import Destination
from metastudio.errors import BusyError, ConfigurationError, IncompleteError, MetaStudioError
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options, list_chosen

THREADS = "metastudio-tenant"
"""Prefix of the names of the threads that work for tenants."""

log = logging.getLogger("metastudio")

_current: ContextVar[str | None] = ContextVar("tenant", default=None)


def list_options(options: Options) -> list[Options]:
    """Return the options of each tenant that a command applies to: the chosen one, or all.

    Raises:
        ConfigurationError: a name is not valid, or two tenants would have the same jobs.
    """
    chosen = list_chosen(options)
    check_apart()
    return chosen


def run_in_turn(command: str, options: Options, run: Callable[[Options], CommandResult]) -> CommandResult:
    """Run a quick command for the chosen tenants, one after the other.

    Raises:
        ConfigurationError: as `list_options`.
    """
    chosen = list_options(options)
    if chosen == [options]:
        return run(options)
    by_tenant = {str(one.tenant): run(one) for one in chosen}
    return MultiTenantResult(command=command, pipeline=options.name, by_tenant=by_tenant)


def sync_tenants(options: Options, listener: LogProgress) -> LoadResult | MultiTenantResult:
    """Sync the chosen tenants. What they share is maintained once, at the end."""
    return _run_tenants("sync", options, listener, run_sync, maintains=True)


def backfill_tenants(
    options: Options, listener: LogProgress, since: str, until: str | None
) -> LoadResult | MultiTenantResult:
    """Read a range of creation times again, for the chosen tenants."""
    return _run_tenants("backfill", options, listener, partial(run_backfill, since=since, until=until))


def audit_tenants(
    options: Options, listener: LogProgress, *, repair: bool, allow_deletions: bool
) -> LoadResult | MultiTenantResult:
    """Compare the destination with the API, for the chosen tenants."""
    run = partial(run_audit, repair=repair, allow_deletions=allow_deletions)
    return _run_tenants("audit", options, listener, run)


def _run_tenants(
    command: str, options: Options, listener: LogProgress, run: Callable[..., LoadResult], *, maintains: bool = False
) -> LoadResult | MultiTenantResult:
    """Run a command for the chosen tenants. Maintain on request, and publish, what they share."""
    chosen = list_options(options)
    if chosen == [options]:
        return run(options, listener)
    result = _run_for_each(command, options, chosen, listener, partial(run, maintenance=False))
    loaded = [one for one in chosen if result.by_tenant[str(one.tenant)].exit_code in (0, IncompleteError.exit_code)]
    if loaded and maintains:
        _maintain_shared(loaded[0])
    publish_changes(options, result)
    return result


def _run_for_each(
    command: str,
    options: Options,
    chosen: list[Options],
    listener: LogProgress,
    run: Callable[[Options, LogProgress], LoadResult],
) -> MultiTenantResult:
    """Run a command for tenants in threads. Each has its own state, lock and pace."""
    started = time.monotonic()

    def run_for(one: Options) -> LoadResult:
        _current.set(one.tenant)
        return run(one, listener.of(str(one.tenant)))

    log.addFilter(name_tenant)
    executor = ThreadPoolExecutor(resolve_settings().tenants_at_once, thread_name_prefix=THREADS)
    try:
        with _keep_file_open(chosen[0]):
            results = list(executor.map(run_for, chosen))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    by_tenant = {str(one.tenant): result for one, result in zip(chosen, results, strict=True)}
    seconds = round(time.monotonic() - started, 3)
    return MultiTenantResult(command=command, pipeline=options.name, by_tenant=by_tenant, seconds=seconds)


def _maintain_shared(options: Options) -> None:
    try:
        with lock_pipeline(options):
            destination = Destination(open_pipeline(options))
            with destination.keep_connection():
                is_outdated = maintain(destination, models=resolve_tenant(options.tenant).build_models)
            if is_outdated:
                build_outdated(destination.pipeline)
    except BusyError:
        log.info("Descriptions and reporting models are left to the run that is under way.")


@contextmanager
def _keep_file_open(options: Options) -> Iterator[None]:
    """Keep a DuckDB file open: while a thread closes it for the last time, others cannot open it.

    If the file cannot be opened at all, each tenant reports so.
    """
    with ExitStack() as stack:
        with suppress(DestinationConnectionError, MetaStudioError):
            stack.enter_context(Destination(open_pipeline(options)).keep_connection())
        yield


def check_apart() -> None:
    """Check that no two tenants can have the same job: an audit of one would mark it as deleted.

    A tenant without a project is skipped: its own run reports that.

    Raises:
        ConfigurationError: two tenants have the same project without different app users.
    """
    by_project: dict[str, dict[str, str | None]] = {}
    for name, (project_id, app_user_id) in find_tenant_keys().items():
        others = by_project.setdefault(project_id, {})
        for other, that in others.items():
            if None in (app_user_id, that) or app_user_id == that:
                raise ConfigurationError(
                    f"The tenants {other} and {name} ask for the same project.",
                    hint="Remove one of them, or set a different app_user_id for each.",
                )
        others[name] = app_user_id


def name_tenant(record: LogRecord) -> bool:
    """Put the name of the thread's tenant before a line of the log."""
    if (name := _current.get()) is not None:
        record.msg = f"{name}: {record.msg}"
    return True
