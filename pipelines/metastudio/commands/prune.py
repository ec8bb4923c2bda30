"""The command `prune`: deletes old lines of the ledger, of the attempts and of rejected records."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, timedelta

from metastudio.commands.result import CommandResult
from metastudio.commands.tenants import run_in_turn
from metastudio.destination.lock import hold_lock
from metastudio.destination.pruning import Pruner
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
    return run_in_turn("prune", options, lambda one: _prune(one, days, rejected=rejected, dry_run=dry_run))


def _prune(options: Options, days: int, *, rejected: bool, dry_run: bool) -> CommandResult:
    result = CommandResult(command="prune", pipeline=options.name)
    try:
        destination, _ = open_existing(options, read_only=dry_run, keep_state=False)
        if not destination.capabilities.takes_inserts:
            raise ConfigurationError(
                "prune works on DuckDB and PostgreSQL only.", hint="Delete old rows with the tools of the destination."
            )
        with ExitStack() as locks:
            if not dry_run:
                locks.enter_context(lock_pipeline(options))
                locks.enter_context(hold_lock(destination, "pipeline"))
            pruner = Pruner(destination, (result.at - timedelta(days=days)).astimezone(UTC), rejected=rejected)
            result.details = {"dry_run": dry_run, **pruner.run(dry_run=dry_run)._asdict()}
    except Exception as error:
        result.error = to_metastudio_error(error)
    return result
