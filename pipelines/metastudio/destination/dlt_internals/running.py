"""The pipeline and the extraction that dlt is running in this context."""

from __future__ import annotations

import dlt
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext


def find_active_pipeline() -> dlt.Pipeline | None:
    """Return the pipeline that was made last in this context and can load, or None."""
    context = Container()[PipelineContext]
    pipeline = context.pipeline() if context.is_active() else None
    return pipeline if isinstance(pipeline, dlt.Pipeline) and pipeline.destination else None


def find_changed_dispositions() -> list[str]:
    """Return the resources of the running source whose rows would not be merged."""
    resources = dlt.current.source().resources.selected.items()
    return [name for name, resource in resources if resource.write_disposition != "merge"]


def is_refreshed() -> bool:
    """Return whether the running extraction empties or drops tables before it loads."""
    return bool(dlt.current.load_package_state()["state"].get("refresh"))
