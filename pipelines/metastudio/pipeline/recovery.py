"""Brings the local state and the destination's together before a run: after kills, crashes, restored copies and other destinations.

The destination is right: its tables and its state were committed together. What is only here is loaded where it belongs, or read again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import dlt
from dlt.common.storages import LoadStorage, NormalizeStorage, PackageStorage
from dlt.pipeline.exceptions import PipelineStepFailed

from metastudio.destination.jobs import Destination
from metastudio.error_mapping import is_known_error

log = logging.getLogger("metastudio")

_BASE = "extracted_over"
"""Key of dlt's local state: the mark of the destination's state that the newest package was extracted over."""


def reconcile_with_destination(
    pipeline: dlt.Pipeline, destination: Destination, load_pending: Callable[[], None]
) -> None:
    """Make the local state that of the destination, and load what a killed run left pending.

    What was extracted for another destination, or for this one before it was set back to an older copy, would bring a state along that
    claims more than is there: it is dropped. So is what the destination refuses, such as a field that two tenants, synced at once,
    brought for the first time and with different types.
    """
    repair_working_dir(pipeline)
    held = destination.state_mark()
    pending = pipeline.has_pending_data
    if not pending and not pipeline.first_run and held == _local_mark(pipeline):
        return
    if pending and held not in (_local_mark(pipeline), _find_base(pipeline)):
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
            _go_on_from_the_destination(pipeline)
    if destination.state_mark()[0] < _local_mark(pipeline)[0]:
        log.warning("The destination is older than the local state, so it was set back: going on from what it holds.")
        _go_on_from_the_destination(pipeline)


def record_base_state(pipeline: dlt.Pipeline, destination: Destination) -> None:
    """Remember, before a package is extracted, which state of the destination it goes with."""
    pipeline.set_local_state_val(_BASE, destination.state_mark())


def _find_base(pipeline: dlt.Pipeline) -> tuple[int, str]:
    """Give the mark that was remembered last; one that no destination has where none was."""
    version, version_hash = cast(Any, pipeline.state["_local"]).get(_BASE, (-1, ""))
    return version, version_hash


def _local_mark(pipeline: dlt.Pipeline) -> tuple[int, str]:
    """Give version and hash of the local state: two that grew apart can have the same version."""
    state = pipeline.state
    return int(state["_state_version"]), str(state.get("_version_hash", ""))


def _go_on_from_the_destination(pipeline: dlt.Pipeline) -> None:
    pipeline.drop()
    pipeline.sync_destination()


def repair_working_dir(pipeline: dlt.Pipeline) -> None:
    """Finish what a kill interrupted between two steps of dlt's that it never gets past by itself.

    A storage without the folder that is made last was just being made, and is empty. A normalised package is whole, since dlt renames
    it into place: it need not stay extracted. One that is marked as completed is in the destination with all that belongs to it: it
    need not stay among those to load.
    """
    folder = Path(pipeline.working_dir)
    normalized, loaded = folder / "load" / LoadStorage.NORMALIZED_FOLDER, folder / "load" / LoadStorage.LOADED_FOLDER
    if not loaded.exists():
        shutil.rmtree(loaded.parent, ignore_errors=True)
    extracted = pipeline.list_extracted_load_packages()
    for load_id in pipeline.list_normalized_load_packages():
        if load_id in extracted:
            shutil.rmtree(folder / "normalize" / NormalizeStorage.EXTRACTED_FOLDER / load_id)
        elif (normalized / load_id / PackageStorage.PACKAGE_COMPLETED_FILE_NAME).exists():
            (normalized / load_id).rename(loaded / load_id)
