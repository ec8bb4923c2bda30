"""The command `status`. It does not ask the API and writes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from metastudio.commands.result import CommandResult, MultiTenantResult
from metastudio.commands.tenants import list_options
from metastudio.destination.dlt_internals import count_pending
from metastudio.error_mapping import to_metastudio_error
from metastudio.extraction.state import State, count_missing
from metastudio.pipeline.factory import open_existing
from metastudio.pipeline.options import Options
from metastudio.records.schema import SCHEMA_VERSION, TABLES


def run_status(options: Options) -> CommandResult:
    """Return the status of a pipeline, or of the pipelines of all tenants.

    Raises:
        ConfigurationError: a name of a tenant is not valid.
    """
    chosen = list_options(options)
    if chosen == [options]:
        return read_status(options)
    by_tenant = {str(one.tenant): read_status(one) for one in chosen}
    return MultiTenantResult(command="status", pipeline=options.name, by_tenant=by_tenant)


def read_status(options: Options) -> CommandResult:
    """Return the status of one tenant's pipeline, from its state, ledger and tables."""
    result = CommandResult(command="status", pipeline=options.name)
    try:
        destination, state = open_existing(options, of_any_release=True, read_only=True)
        is_upgraded = state.get("schema_version") == SCHEMA_VERSION  # else the ledger lacks columns
        result.details = {
            "destination": options.destination,
            "dataset": options.dataset,
            "project_id": destination.project_id,
            **describe_state(state),
            "tables": {table.name: destination.count_rows(table.name) for table in TABLES},
            "open_jobs": len(destination.open_jobs(datetime(9999, 1, 1, tzinfo=UTC))),
            "pending_packages": count_pending(options.name),
            "last_runs": destination.last_runs(5) if is_upgraded else [],
        }
    except Exception as error:
        result.error = to_metastudio_error(error)
    return result


def describe_state(state: State) -> dict[str, Any]:
    """Return the watermark, the open gaps and the learned limits in a state."""
    return {
        "watermark": state.get("watermark", "none: the backfill is not finished"),
        "update_time_sorting": state.get("update_time_sorting", "kept to" if "watermark" in state else "not asked yet"),
        "schema_version": state.get("schema_version", SCHEMA_VERSION),
        "gaps": [{**gap, "missing": count_missing({"gaps": [gap]})} for gap in state.get("gaps", [])],
        "missing": count_missing(state),
        "limits": state.get("limits", {}),
    }
