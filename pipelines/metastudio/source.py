"""The dlt source: `pipeline.run(metastudio())` loads the jobs of a tenant, incrementally.

Used on its own it does one step a run: the whole backfill the first time, the changes after, each as one load package. `metastudio sync`
loads the same resources chunk by chunk. Knows nothing of HTTP; what is read and when is the extraction's to decide.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from .destination import Destination
from .duckdb_catalog import allow_same_names
from .errors import ConfigurationError
from .extraction.protocol import Chunk, State
from .reader import read_step
from .schema import SCHEMA_VERSION, TABLES, VIDEOS, Table
from .settings import Tenant, resolve_tenant, warn_of_unknown_settings
from .tables import DLT_TYPE, Origin, make_tables, mark_deleted

SOURCE = "metastudio"

allow_same_names()


@dlt.source(name=SOURCE, section=SOURCE)
def metastudio(tenant: str | None = None, **settings: Any) -> Iterable[DltResource]:
    """Load the video production jobs of one tenant.

    Args:
        tenant: which of the setting `tenants`; none of them where there is only one.
        settings: any of the section `sources.metastudio`, before what is configured (`project_id`, `region`, `start_date`, …).

    Raises:
        ConfigurationError: a setting or the credentials are missing or wrong.
        MetaStudioError: what went wrong while reading; nothing was loaded, the next run goes on from the last committed state.
    """
    warn_of_unknown_settings()
    resolved = resolve_tenant(tenant, **settings)
    destination = Destination(dlt.current.pipeline, resolved.project_id, resolved.app_user_id)
    return _make_resources(resolved, uuid.uuid4().hex, lambda: _read_chunks(resolved, destination), destination)


def _read_chunks(tenant: Tenant, destination: Destination) -> Iterator[Chunk]:
    """Read the next step from the state of the pipeline that is running."""
    state = cast(State, dict(dlt.current.source_state()))
    check_state(state, tenant)
    yield from read_step(tenant, state, destination)


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


@dlt.source(name=SOURCE, section=SOURCE)
def make_source(
    tenant: Tenant, run_id: str, chunks: Callable[[], Iterable[Chunk]], destination: Destination
) -> Iterable[DltResource]:
    """Make the source over a stream of chunks that somebody else reads."""
    return _make_resources(tenant, run_id, chunks, destination)


@dlt.source(name=SOURCE, section=SOURCE)
def describe_source() -> Iterable[DltResource]:
    """Make the source with nothing to read: what orchestrators and catalogues show of it, without settings or credentials."""

    @dlt.resource(name="chunks", selected=False)
    def read() -> Iterator[dict[str, pa.Table]]:
        yield from ()

    yield read
    for table in TABLES:
        yield _make_resource(table, read)


def _make_resources(
    tenant: Tenant, run_id: str, chunks: Callable[[], Iterable[Chunk]], destination: Destination
) -> Iterable[DltResource]:
    """Make the four resources over one stream of chunks, and the pipe they share, which keeps the state."""
    windows = 0

    @dlt.resource(name="chunks", selected=False)
    def read() -> Iterator[dict[str, pa.Table]]:
        nonlocal windows
        for chunk in chunks():
            state = dlt.current.source_state()
            first = state.get("schema_version") != SCHEMA_VERSION
            videos = dlt.current.source_schema().tables.get(VIDEOS, {}).get("columns", {})
            tables = make_tables(
                chunk,
                Origin(tenant.project_id, tenant.region, tenant.app_user_id),
                run_id=run_id,
                first_window=windows + 1,
                column_types={name: column.get("data_type") or "text" for name, column in videos.items()},
            )
            if chunk.vanished:
                tables[VIDEOS] = mark_deleted(tables[VIDEOS], destination.rows(chunk.vanished), chunk.vanished)
            windows += len(chunk.windows)
            yield {name: table for name, table in tables.items() if first or table.num_rows}
            state.update({**chunk.state, "identity": tenant.identity, "schema_version": SCHEMA_VERSION})

    yield read
    for table in TABLES:
        yield _make_resource(table, read)


def _make_resource(table: Table, chunks: DltResource) -> DltResource:
    def load(tables: dict[str, pa.Table]) -> Iterator[pa.Table]:
        if table.name not in tables:
            return
        data = tables[table.name]
        undeclared: dict[str, Any] = {
            field.name: {"name": field.name, "data_type": field.metadata[DLT_TYPE].decode()}
            for field in data.schema
            if field.metadata and DLT_TYPE in field.metadata
        }
        yield dlt.mark.with_hints(data, dlt.mark.make_hints(columns=undeclared)) if undeclared else data

    return dlt.transformer(
        load,
        data_from=chunks,
        name=table.name,
        primary_key=table.primary_key,
        write_disposition="merge",
        columns=table.hints(),
    )
