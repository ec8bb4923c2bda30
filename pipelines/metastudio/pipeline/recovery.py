"""Reconciles the local state with the destination before a run.

They differ after kills and crashes, after a copy was restored, and after runs into another
destination. The destination is right: its tables and its state were committed together. Local
packages that belong to the destination are loaded. The rest is dropped and read again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from dlt.destinations.exceptions import DatabaseException
from dlt.pipeline.exceptions import PipelineStepFailed

from metastudio.destination.dlt_internals.state import read_base_mark, read_committed_mark, read_local_mark
from metastudio.destination.dlt_internals.tables import lacks_tables, restore_missing_tables
from metastudio.destination.dlt_internals.working_dir import repair_working_dir
from metastudio.destination.jobs import Destination
from metastudio.destination.replica_identity import write_replica_identity
from metastudio.error_mapping import is_known_error, is_out_of_memory
from metastudio.errors import ConfigurationError
from metastudio.records.schema import TABLES

log = logging.getLogger("metastudio")


def reconcile_with_destination(destination: Destination, load_pending: Callable[[], None]) -> None:
    """Replace the local state by the destination's, and load what a killed run left pending.

    A package is dropped if it was extracted for another destination, or for this one before an
    older copy was restored: its state would claim more than is there. It is also dropped if the
    destination refuses it, for example a new field that two tenants load with different types.
    """
    pipeline = destination.pipeline
    repair_working_dir(pipeline)
    committed = read_committed_mark(destination)
    pending = pipeline.has_pending_data
    if not pending and not pipeline.first_run and committed == read_local_mark(pipeline):
        return
    if pending and committed not in (read_local_mark(pipeline), read_base_mark(pipeline)):
        log.warning(
            "The pending package of a killed run belongs to another destination or an older copy: reading it again."
        )
        pipeline.drop()
        pending = False
    pipeline.sync_destination()  # takes the destination's state unless the local one is newer
    if pending:
        restore_tables(destination)
        try:
            load_pending()
        except PipelineStepFailed as error:
            if is_known_error(error) and not is_out_of_memory(error):  # smaller chunks may fit
                raise
            log.warning("What an earlier run left pending cannot be loaded: reading it again.")
            _restart_from_destination(destination)
    if read_committed_mark(destination)[0] < read_local_mark(pipeline)[0]:
        log.warning(
            "The destination was restored to an older state than the local one: continuing from the destination."
        )
        _restart_from_destination(destination)


def restore_tables(destination: Destination) -> set[str]:
    """Create tables and columns that somebody dropped, and return the names of the tables.

    Raises:
        ConfigurationError: a column that cannot be empty was dropped.
    """
    with destination.share_connection():
        restored = _restore_tables(destination)
        write_replica_identity(destination)
    return restored


def _restore_tables(destination: Destination) -> set[str]:
    pipeline = destination.pipeline
    if not pipeline.default_schema_name or not lacks_tables(destination):
        return set()
    try:
        restored = restore_missing_tables(pipeline)
    except DatabaseException as error:
        if not (broken := _find_broken_tables(destination)):
            raise
        lacking = "; ".join(f"{table} lacks {', '.join(columns)}" for table, columns in broken.items())
        raise ConfigurationError(
            f"Columns that cannot be empty were dropped, and cannot be added to existing rows: {lacking}.",
            hint="Run metastudio audit: it keeps the table under another name, creates a new one and reads everything.",
        ) from error
    if restored:
        names = ", ".join(sorted(restored))
        log.warning("Tables or columns were dropped in the destination, and are created again: %s.", names)
    return restored


def set_aside_broken_tables(destination: Destination) -> None:
    """Rename tables that lack a column which cannot be empty, because they cannot be repaired.

    They are kept, because they may hold jobs that the API has forgotten.
    """
    for table, lacking in _find_broken_tables(destination).items():
        name = f"{table}_{datetime.now(UTC):%Y%m%d%H%M%S}"
        log.warning("The table %s lacks %s: it is kept as %s.", table, ", ".join(lacking), name)
        destination.rename_table(table, name)


def _find_broken_tables(destination: Destination) -> dict[str, list[str]]:
    """Return the tables that lack columns which cannot be empty, with the names of these."""
    columns = destination.list_columns()
    held = columns[0] if columns else set()
    broken = {}
    for table in TABLES:
        lacking = [each.name for each in table.columns if not each.nullable and (table.name, each.name) not in held]
        if lacking and table.name in {name for name, _ in held}:
            broken[table.name] = lacking
    return broken


def _restart_from_destination(destination: Destination) -> None:
    destination.pipeline.drop()
    destination.pipeline.sync_destination()
