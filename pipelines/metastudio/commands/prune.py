"""The command `prune`: deletes old lines of the ledger, of the attempts and of rejected records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from metastudio.commands.result import CommandResult, MultiTenantResult
from metastudio.commands.tenants import list_options
from metastudio.destination.lock import hold_lock
from metastudio.destination.pruning import Pruned, Pruner
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError
from metastudio.pipeline.factory import open_existing
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options


def run_prune(options: Options, days: int, *, rejected: bool = False, dry_run: bool = False) -> CommandResult:
    """Delete what is older than some days and what no proof needs, for the chosen tenants.

    Raises:
        ConfigurationError: a name of a tenant is not valid.
    """
    chosen = list_options(options)
    by_tenant = {str(one.tenant): _prune(one, days, rejected=rejected, dry_run=dry_run) for one in chosen}
    if chosen == [options]:
        return by_tenant[str(options.tenant)]
    return MultiTenantResult(command="prune", pipeline=options.name, by_tenant=by_tenant)


def _prune(options: Options, days: int, *, rejected: bool, dry_run: bool) -> CommandResult:
    result = CommandResult(command="prune", pipeline=options.name)
    try:
        with lock_pipeline(options):
            found = _prune_held(options, result.at - timedelta(days=days), rejected=rejected, dry_run=dry_run)
        result.details = {"dry_run": dry_run, **found._asdict()}
    except Exception as error:
        result.error = to_metastudio_error(error)
    return result


def _prune_held(options: Options, before: datetime, *, rejected: bool, dry_run: bool) -> Pruned:
    destination, _ = open_existing(options)
    if not destination.capabilities.takes_inserts:
        raise ConfigurationError(
            "prune works on DuckDB and PostgreSQL only.", hint="Delete old rows with the tools of the destination."
        )
    with hold_lock(destination, "pipeline"):
        return Pruner(destination, before.astimezone(UTC), rejected=rejected).run(dry_run=dry_run)
