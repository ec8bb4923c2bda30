"""A pipeline's state: the local one, and the one that was committed in the destination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import dlt
from dlt.common.destination.client import WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from metastudio.destination.connection import TenantTables

StateMark = tuple[int, str]
"""Version and hash of a pipeline's state: two diverging states can have the same version."""

_BASE = "extracted_over"
"""Key in the local state: the state of the destination that the newest package builds on."""


def read_local_mark(pipeline: dlt.Pipeline) -> StateMark:
    """Return the mark of the local state."""
    state = pipeline.state
    return int(state["_state_version"]), str(state.get("_version_hash", ""))


def read_committed_mark(tables: TenantTables) -> StateMark:
    """Return the mark of the state that was committed in the destination last, or (0, "").

    Like dlt, this function ignores the state of a load that was killed before its end.
    """
    rows = tables.query(
        "SELECT version, version_hash FROM {pipeline_state} JOIN {loads} ON load_id = _dlt_load_id"
        " WHERE pipeline_name = %s AND status = 0 ORDER BY load_id DESC LIMIT 1",
        tables.pipeline.pipeline_name,
    )
    return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")


def record_base_state(tables: TenantTables) -> None:
    """Record which state of the destination a package builds on, before it is extracted."""
    tables.pipeline.set_local_state_val(_BASE, read_committed_mark(tables))


def read_base_mark(pipeline: dlt.Pipeline) -> StateMark:
    """Return the mark that was recorded last, or one that no destination has."""
    version, version_hash = cast(Any, pipeline.state["_local"]).get(_BASE, (-1, ""))
    return version, version_hash


def read_committed_source_state(pipeline: dlt.Pipeline, source: str) -> dict[str, Any]:
    """Return the state of a source that was committed last in the destination."""
    state: Mapping[str, Any] | None = pipeline.state
    with pipeline.destination_client() as client:
        if isinstance(client, WithStateSync):
            try:
                state = load_pipeline_state_from_destination(pipeline.pipeline_name, client)
            except DestinationUndefinedEntity:
                state = None
    return dict((state or {}).get("sources", {}).get(source, {}))
