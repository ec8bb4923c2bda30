"""The dlt resources of the five tables. One stream of chunks feeds them and sets the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from metastudio.config.tenant import Tenant
from metastudio.destination.attempts import Attempt
from metastudio.destination.jobs import Destination
from metastudio.extraction.types import Chunk
from metastudio.records.schema import ATTEMPTS, SCHEMA_VERSION, STATES, TABLES, VIDEOS, Table
from metastudio.source.arrow import DLT_TYPE, add_loaded, make_attempts, make_tables

TableFormat = Literal["delta"] | None
Disposition = Literal["append", "merge"]


def make_resources(
    tenant: Tenant,
    run_id: str,
    chunks: Callable[[], Iterable[Chunk]],
    destination: Destination,
    first_window: int = 1,
    attempts: Sequence[Attempt] = (),
    *,
    are_new: bool = False,
) -> Iterable[DltResource]:
    """Make the resources of the five tables over one stream of chunks.

    Args:
        first_window: the number, within the run, of the first window of the first chunk.
        attempts: earlier attempts to load with the first chunk.
        are_new: whether none of the jobs is in the tables yet, so that there is nothing to merge.
    """

    @dlt.resource(name="chunks", selected=False)
    def read() -> Iterator[dict[str, pa.Table]]:
        window = first_window
        for chunk in chunks():
            state = dlt.current.source_state()
            is_first = state.get("schema_version") != SCHEMA_VERSION
            tables = _make_tables(chunk, tenant, run_id, window, destination)
            tables[ATTEMPTS] = make_attempts(attempts if window == first_window else ())
            yield {name: table for name, table in tables.items() if is_first or table.num_rows}
            state.clear()
            state.update({**chunk.state, "identity": tenant.identity, "schema_version": SCHEMA_VERSION})
            window += len(chunk.windows)

    yield from _make_table_resources(read, lambda: destination.capabilities.table_format, are_new=are_new)


def make_empty_resources() -> Iterable[DltResource]:
    """Make the resources of the five tables with nothing to read."""

    @dlt.resource(name="chunks", selected=False)
    def read() -> Iterator[dict[str, pa.Table]]:
        yield from ()

    yield from _make_table_resources(read, lambda: None)


def _make_tables(
    chunk: Chunk, tenant: Tenant, run_id: str, first_window: int, destination: Destination
) -> dict[str, pa.Table]:
    """Make the tables of a chunk. The rows of vanished jobs come from the destination."""
    schema = dlt.current.source_schema()
    columns = schema.tables.get(VIDEOS, {}).get("columns", {})
    column_types = {name: str(column.get("data_type") or "text") for name, column in columns.items()}
    foreign: AbstractSet[str] = frozenset()
    if chunk.vanished or chunk.doubled or any(row.extra for row in chunk.rows):
        types, foreign = destination.columns(schema)
        column_types |= types  # the schema may have columns that the destination refused
    tables = make_tables(
        chunk,
        tenant.origin,
        run_id=run_id,
        first_window=first_window,
        column_types=column_types,
        normalize=lambda name: _make_column_name(name, schema.naming.normalize_path, foreign),
    )
    if chunk.vanished:
        loaded = destination.rows([job_id for job_id, _ in chunk.vanished])
        times = dict(chunk.vanished)
        rows = [{**row, "deleted_at": times[row["job_id"]]} for row in loaded]
        tables[VIDEOS] = add_loaded(tables[VIDEOS], rows, column_types)
    if chunk.doubled:
        tables[VIDEOS] = add_loaded(tables[VIDEOS], destination.newest_rows(chunk.doubled), column_types)
    return tables


def _make_column_name(field: str, normalize: Callable[[str], str], foreign: AbstractSet[str]) -> str:
    """Return the name of the column for a field. It is never a column that somebody else added."""
    name = normalize(field)
    return normalize(f"api__{name}") if name in foreign else name


def _make_table_resources(
    chunks: DltResource, find_table_format: Callable[[], TableFormat], *, are_new: bool = False
) -> Iterator[DltResource]:
    yield chunks
    for table in TABLES:
        disposition: Disposition = "append" if are_new and table.name in (VIDEOS, STATES) else "merge"
        yield _make_table_resource(table, chunks, find_table_format, disposition)


def _make_table_resource(
    table: Table, chunks: DltResource, find_table_format: Callable[[], TableFormat], disposition: Disposition
) -> DltResource:
    def load(tables: dict[str, pa.Table]) -> Iterator[pa.Table]:
        if table.name not in tables:
            return
        data = tables[table.name]
        undeclared = _find_undeclared(data.schema)
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
        write_disposition=disposition,  # merged rows are never declared unique, because a kill can stage a file twice
        columns=table.hints(),
    )


def _find_undeclared(schema: pa.Schema) -> dict[str, Any]:
    """Return dlt's hints for the columns that are not declared, by name."""
    return {
        field.name: {"name": field.name, "data_type": field.metadata[DLT_TYPE].decode()}
        for field in schema
        if field.metadata and DLT_TYPE in field.metadata
    }
