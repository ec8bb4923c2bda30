"""The state of the source between runs, and the tenant that it belongs to."""

from __future__ import annotations

from typing import cast

import dlt

from metastudio.config.tenant import Tenant
from metastudio.destination.dlt_internals import read_committed_source_state
from metastudio.errors import ConfigurationError, IncompleteError
from metastudio.extraction.state import State, count_missing
from metastudio.formatting import format_count
from metastudio.records.schema import SCHEMA_VERSION

SOURCE = "metastudio"
"""The name of the source, under which dlt keeps its state."""


def read_state(pipeline: dlt.Pipeline) -> State:
    """Return the local state."""
    return cast(State, dict(pipeline.state.get("sources", {}).get(SOURCE, {})))


def read_committed_state(pipeline: dlt.Pipeline) -> State:
    """Return the state that was committed last in the destination."""
    return cast(State, read_committed_source_state(pipeline, SOURCE))


def check_state(state: State, tenant: Tenant) -> None:
    """Check that a state belongs to this tenant and was not written by a newer release.

    Raises:
        ConfigurationError: the state belongs to another tenant or a newer release.
    """
    if state.get("schema_version", 0) > SCHEMA_VERSION:
        raise ConfigurationError(
            "The destination was written by a newer release of metastudio.", hint="Upgrade metastudio on this machine."
        )
    recorded = state.get("identity", tenant.identity)
    changed = [name for name, value in tenant.identity.items() if recorded.get(name) != value]
    if changed:
        raise ConfigurationError(
            f"This pipeline was synced with another {' and another '.join(changed)}.",
            hint="Put the setting back, or sync the other jobs with --pipeline NAME and --dataset NAME of their own.",
        )


def find_gaps_error(state: State, max_missing: int) -> IncompleteError | None:
    """Return the error to raise if more jobs are missing than `max_missing`, or None."""
    missing = count_missing(state)
    if missing <= max_missing:
        return None
    gaps, first = state["gaps"], state["gaps"][0]
    return IncompleteError(
        f"{format_count(missing, 'job')} missing in {format_count(len(gaps), 'gap')};"
        f" the first gap: created {first['since']} to {first['until']}, {first['reason']}.",
        hint="Everything else is loaded. metastudio status lists the gaps. Later syncs ask for them again by themselves;"
        " if the missing jobs are known, set max_missing to accept them.",
    )
