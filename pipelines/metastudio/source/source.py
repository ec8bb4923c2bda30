"""The dlt source: `pipeline.run(metastudio())` loads the jobs of a tenant, incrementally.

Used on its own it does one step a run: the whole backfill the first time, the changes after, each as one load package. `metastudio sync`
loads the same resources chunk by chunk. Knows nothing of HTTP; what is read and when is the extraction's to decide.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, cast

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from metastudio.config.tenant import Tenant, resolve_tenant
from metastudio.config.unknown_settings import warn_of_unknown_settings
from metastudio.destination.duckdb_catalog import allow_same_names
from metastudio.destination.jobs import Destination
from metastudio.errors import ConfigurationError
from metastudio.extraction.types import Chunk, State
from metastudio.records.schema import SCHEMA_VERSION, TABLES, VIDEOS, Table
from metastudio.source.arrow import DLT_TYPE, make_tables, mark_deleted
from metastudio.source.state import SOURCE, check_state
from metastudio.source.stream import read_step

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


def _read_chunks(tenant: Tenant, destination: Destination) -> Iterator[tuple[int, Chunk]]:
    """Read the next step from the state of the pipeline that is running."""
    state = cast(State, dict(dlt.current.source_state()))
    check_state(state, tenant)
    if state and destination.state_mark()[0] < dlt.current.pipeline().state["_state_version"]:
        raise ConfigurationError(
            "The destination is older than the pipeline's local state: it was set back, or a load was dropped.",
            hint="Call pipeline.drop() once: the next run goes on from what the destination holds.",
        )
    first_window = 1
    for chunk in read_step(tenant, state, destination):
        yield first_window, chunk
        first_window += len(chunk.windows)


@dlt.source(name=SOURCE, section=SOURCE)
def make_source(
    tenant: Tenant, run_id: str, chunks: Callable[[], Iterable[tuple[int, Chunk]]], destination: Destination
) -> Iterable[DltResource]:
    """Make the source over a stream of chunks that somebody else reads, each with the number of its first window in the run."""
    return _make_resources(tenant, run_id, chunks, destination)


@dlt.source(name=SOURCE, section=SOURCE)
def describe_source() -> Iterable[DltResource]:
    """Make the source with nothing to read: what orchestrators and catalogues show of it, without settings or credentials."""

    @dlt.resource(name="chunks", selected=False)
    def read() -> Iterator[dict[str, pa.Table]]:
        yield from ()

    yield read
    for table in TABLES:
        yield _make_resource(table, read, lambda: None)


def _make_resources(
    tenant: Tenant, run_id: str, chunks: Callable[[], Iterable[tuple[int, Chunk]]], destination: Destination
) -> Iterable[DltResource]:
    """Make the four resources over one stream of chunks, and the pipe they share, which keeps the state."""

    @dlt.resource(name="chunks", selected=False)
    def read() -> Iterator[dict[str, pa.Table]]:
        for first_window, chunk in chunks():
            state = dlt.current.source_state()
            first = state.get("schema_version") != SCHEMA_VERSION
            schema = dlt.current.source_schema()
            videos = schema.tables.get(VIDEOS, {}).get("columns", {})
            column_types = {name: str(column.get("data_type") or "text") for name, column in videos.items()}
            if chunk.vanished or any(row.extra for row in chunk.rows):
                column_types |= destination.column_types()  # the schema may tell what the destination then refused
            tables = make_tables(
                chunk,
                tenant.origin,
                run_id=run_id,
                first_window=first_window,
                column_types=column_types,
                normalize=schema.naming.normalize_path,
            )
            if chunk.vanished:
                held = destination.rows(chunk.vanished)
                tables[VIDEOS] = mark_deleted(tables[VIDEOS], held, chunk.vanished, column_types)
            yield {name: table for name, table in tables.items() if first or table.num_rows}
            state.update({**chunk.state, "identity": tenant.identity, "schema_version": SCHEMA_VERSION})

    yield read
    for table in TABLES:
        yield _make_resource(table, read, lambda: destination.table_format)


def _make_resource(
    table: Table, chunks: DltResource, find_table_format: Callable[[], Literal["delta"] | None]
) -> DltResource:
    def load(tables: dict[str, pa.Table]) -> Iterator[pa.Table]:
        if table.name not in tables:
            return
        data = tables[table.name]
        undeclared: dict[str, Any] = {
            field.name: {"name": field.name, "data_type": field.metadata[DLT_TYPE].decode()}
            for field in data.schema
            if field.metadata and DLT_TYPE in field.metadata
        }
        table_format = find_table_format()
        if undeclared or table_format:
            hints = dlt.mark.make_hints(columns=undeclared or None, table_format=table_format)
            data = dlt.mark.with_hints(data, hints)
        yield data

    return dlt.transformer(
        load,
        data_from=chunks,
        name=table.name,
        primary_key=table.primary_key,
        write_disposition="merge",  # never declared as free of repeats: a kill can leave a file twice in the staging table
        columns=table.hints(),
    )
