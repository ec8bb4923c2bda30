"""What a pipeline remembers of its source between runs, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import dlt
from dlt.common.destination.client import WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from metastudio.config.tenant import Tenant
from metastudio.errors import ConfigurationError
from metastudio.extraction.types import State
from metastudio.records.schema import SCHEMA_VERSION

SOURCE = "metastudio"
"""The source's name, under which dlt keeps its state."""


def read_state(pipeline: dlt.Pipeline) -> State:
    """Give what a pipeline remembers of its source."""
    return _take(pipeline.state)


def read_committed_state(pipeline: dlt.Pipeline) -> State:
    """Give what the destination says that a pipeline remembers of its source: that of its tables, whatever ran here last."""
    with pipeline.destination_client() as client:
        if not isinstance(client, WithStateSync):
            return read_state(pipeline)
        try:
            held = load_pipeline_state_from_destination(pipeline.pipeline_name, client)
        except DestinationUndefinedEntity:
            held = None
    return _take(held or {})


def _take(state: Mapping[str, Any]) -> State:
    return cast(State, dict(state.get("sources", {}).get(SOURCE, {})))


def check_state(state: State, tenant: Tenant) -> None:
    """Check that a state is this tenant's, and not of a newer release.

    Raises:
        ConfigurationError: it is not; the tables would hold two different things.
    """
    if state.get("schema_version", 0) > SCHEMA_VERSION:
        raise ConfigurationError(
            "The destination was written by a newer release of metastudio.", hint="Upgrade: pip install -U metastudio."
        )
    held = state.get("identity", tenant.identity)
    changed = [name for name, value in tenant.identity.items() if held.get(name) != value]
    if changed:
        raise ConfigurationError(
            f"This pipeline was synced with another {' and another '.join(changed)}.",
            hint="Put the setting back, or sync the other jobs with --pipeline NAME and --dataset NAME of their own.",
        )
