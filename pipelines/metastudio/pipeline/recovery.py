"""Brings the local state and the destination's together before a run.

They differ after kills and crashes, after a copy was restored, and after runs into another
destination. The destination is right: its tables and its state were committed together. What is only
here is loaded where it belongs, or is read again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from dlt.pipeline.exceptions import PipelineStepFailed

from metastudio.destination.dlt_internals import (
    read_base_mark,
    read_committed_mark,
    read_local_mark,
    repair_working_dir,
)
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import is_known_error

log = logging.getLogger("metastudio")


def reconcile_with_destination(destination: Destination, load_pending: Callable[[], None]) -> None:
    """Make the local state that of the destination, and load what a killed run left pending.

    Dropped is what was extracted for another destination, or for this one before it was set back to
    an older copy: its state would claim more than is there. Dropped, too, is what the destination
    refuses, such as a field that two tenants brought for the first time at once, with different types.
    """
    pipeline = destination.pipeline
    repair_working_dir(pipeline)
    committed = read_committed_mark(destination)
    pending = pipeline.has_pending_data
    if not pending and not pipeline.first_run and committed == read_local_mark(pipeline):
        return
    if pending and committed not in (read_local_mark(pipeline), read_base_mark(pipeline)):
        log.warning("What a killed run left pending was not meant for this destination as it is: reading it again.")
        pipeline.drop()
        pending = False
    pipeline.sync_destination()  # takes the destination's state unless the local one is newer
    if pending:
        try:
            load_pending()
        except PipelineStepFailed as error:
            if is_known_error(error):
                raise
            log.warning("What an earlier run left pending cannot be loaded: reading it again.")
            _restart_from_destination(destination)
    if read_committed_mark(destination)[0] < read_local_mark(pipeline)[0]:
        log.warning("The destination is older than the local state, so it was set back: going on from what it holds.")
        _restart_from_destination(destination)


def _restart_from_destination(destination: Destination) -> None:
    destination.pipeline.drop()
    destination.pipeline.sync_destination()
