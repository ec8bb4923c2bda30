"""Reconciles the local state with the destination before a run.

They differ after kills and crashes, after a copy was restored, and after runs into another
destination. The destination is right: its tables and its state were committed together. Local
packages that belong to the destination are loaded. The rest is dropped and read again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.pipeline.exceptions import PipelineStepFailed

from metastudio.destination.dlt_internals import (
    lacks_tables,
    read_base_mark,
    read_committed_mark,
    read_local_mark,
    repair_working_dir,
    restore_missing_tables,
)
from metastudio.destination.jobs import Destination
from metastudio.destination.replica_identity import write_replica_identity
from metastudio.error_mapping import is_known_error, is_out_of_memory
from metastudio.errors import ConfigurationError

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
        log.warning("The destination is older than the local state, so it was set back: going on from what it holds.")
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
    except DatabaseTerminalException as error:
        if is_known_error(error):
            raise
        raise ConfigurationError(
            "A column that cannot be empty is missing in a table of the dataset, and cannot be added.",
            hint="Drop that table: the next sync makes it again and reads everything.",
        ) from error
    if restored:
        names = ", ".join(sorted(restored))
        log.warning("Tables or columns were dropped in the destination, and are made again: %s.", names)
    return restored


def _restart_from_destination(destination: Destination) -> None:
    destination.pipeline.drop()
    destination.pipeline.sync_destination()
