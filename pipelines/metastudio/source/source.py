"""The dlt source: `pipeline.run(metastudio())` loads the jobs of a tenant, incrementally.

Used alone, the source does one step per run, as one load package: the whole backfill first, then
the changes. `metastudio sync` loads the same resources chunk by chunk.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import dlt
from dlt.extract import DltResource

from metastudio.config.tenant import Tenant, resolve_tenant
from metastudio.config.unknown_settings import warn_of_unknown_settings
from metastudio.destination.attempts import Attempt
from metastudio.destination.dlt_internals.running import find_active_pipeline, find_changed_dispositions, is_refreshed
from metastudio.destination.dlt_internals.settings import pin_settings
from metastudio.destination.dlt_internals.state import read_committed_mark, read_local_mark
from metastudio.destination.dlt_internals.tables import restore_missing_tables
from metastudio.destination.jobs import Destination
from metastudio.errors import ConfigurationError
from metastudio.extraction.state import State
from metastudio.extraction.types import Chunk
from metastudio.source.resources import make_empty_resources, make_resources
from metastudio.source.state import SOURCE, Judged, check_state, find_gaps_error, judge_state
from metastudio.source.stream import read_step

log = logging.getLogger("metastudio")


@dlt.source(name=SOURCE, section=SOURCE)
def metastudio(tenant: str | None = None, **settings: Any) -> Iterable[DltResource]:
    """Load the video production jobs of one tenant.

    Args:
        tenant: a name from the setting `tenants`; None if there is only one tenant.
        settings: settings of the section `sources.metastudio` (`project_id`, `region`, …), which
            come before what is configured.

    Raises:
        ConfigurationError: a setting or the credentials are missing or wrong, or the DuckDB file
            has the name of the dataset.
        MetaStudioError: reading failed. Nothing was loaded; the next run continues from the last
            committed state.
    """
    warn_of_unknown_settings()
    resolved = resolve_tenant(tenant, **settings)
    if (active := find_active_pipeline()) is not None:
        Destination(active).check_file()  # here, too, because `pipeline.run` creates the file before it reads
    destination = Destination(dlt.current.pipeline, resolved.project_id, resolved.app_user_id)
    return make_resources(resolved, uuid.uuid4().hex, lambda: _read_chunks(resolved, destination), destination)


def _read_chunks(tenant: Tenant, destination: Destination) -> Iterator[Chunk]:
    """Read the next step from the state of the running pipeline."""
    _require_merge()
    destination.check_connection()
    state = cast(State, dict(dlt.current.source_state()))
    check_state(state, tenant)
    with destination.keep_connection():
        state, reread = _find_start(state, destination, tenant)
        for chunk in read_step(tenant, state, destination, reread=reread):
            yield chunk
            state = chunk.state
    if (error := find_gaps_error(state, tenant.max_missing)) is not None:
        log.warning("%s", error)  # raised here, the error would keep dlt from loading all the rest


def _find_start(state: State, destination: Destination, tenant: Tenant) -> Judged:
    """Return the state to read from, which is the local one unless the destination lost something.

    Raises:
        ConfigurationError: the destination is older than the state.
    """
    pipeline = dlt.current.pipeline()
    if state and read_committed_mark(destination)[0] < read_local_mark(pipeline)[0]:
        raise ConfigurationError(
            "The destination is older than the pipeline's local state: it was restored, or a load was dropped.",
            hint="Call pipeline.drop() once: the next run continues from what the destination has.",
        )
    restored = restore_missing_tables(pipeline) if state else set()
    return judge_state(state, destination, tenant, restored)


def _require_merge() -> None:
    """Refuse settings that would empty the tables, and fix those that the guarantee needs.

    Raises:
        ConfigurationError: the run has a refresh or another write disposition.
    """
    changed = [f"write_disposition of {name}" for name in find_changed_dispositions()]
    if changed := [*changed, *(["refresh"] if is_refreshed() else [])]:
        raise ConfigurationError(
            f"The source loads only changes, so another {' and another '.join(changed)} would lose jobs.",
            hint="Leave it out. To read everything again, run metastudio backfill, or drop the dataset first.",
        )
    pin_settings(dlt.current.pipeline())


@dlt.source(name=SOURCE, section=SOURCE)
def make_source(
    tenant: Tenant,
    run_id: str,
    chunks: Iterable[Chunk],
    destination: Destination,
    first_window: int,
    attempts: Sequence[Attempt],
    *,
    are_new: bool,
) -> Iterable[DltResource]:
    """Make the source over chunks that the caller read; other arguments as in `make_resources`."""
    return make_resources(tenant, run_id, lambda: chunks, destination, first_window, attempts, are_new=are_new)


@dlt.source(name=SOURCE, section=SOURCE)
def describe_source() -> Iterable[DltResource]:
    """Make a source without data, for orchestrators and catalogs. It needs no settings."""
    return make_empty_resources()
