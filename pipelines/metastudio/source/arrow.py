"""Makes the Arrow tables of a chunk. Unknown fields get columns of their own.

The first value seen decides the type of an unknown field: text, double for any number, bool, or
JSON text for nested values. A value that does not fit the type of its column goes to a second
column, named as dlt names variants (`field__v_text`). Fields that cannot have a column are kept as
JSON in `more_fields`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from metastudio.destination.attempts import Attempt, make_columns
from metastudio.destination.ledger import make_ledger
from metastudio.extraction.types import Chunk
from metastudio.records.parser import Rejected, Row, write_json
from metastudio.records.schema import (
    ATTEMPTS_TABLE,
    REJECTED,
    REJECTED_TABLE,
    STATES,
    STATES_TABLE,
    VIDEOS,
    VIDEOS_TABLE,
    WINDOWS,
    WINDOWS_TABLE,
    Table,
    TenantKey,
)

_ROW_FIELDS = [name for name in Row._fields if name not in ("updated", "extra")]
_ARROW = {"text": pa.string(), "json": pa.string(), "double": pa.float64(), "bool": pa.bool_()}
DLT_TYPE = b"dlt_type"
"""Metadata key of an undeclared field: its dlt type, which its Arrow type leaves open."""
OVERFLOW_COLUMN = "more_fields"
"""JSON column for unknown fields without their own: invalid name, name clash, too many."""
MOST_COLUMNS = 500
"""Bound on the columns of the jobs' table. PostgreSQL takes 1,600, fewer in wide rows."""
DECLARED = frozenset(VIDEOS_TABLE.names)
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def make_tables(
    chunk: Chunk,
    origin: TenantKey,
    *,
    run_id: str,
    first_window: int,
    column_types: Mapping[str, str],
    normalize: Callable[[str], str],
) -> dict[str, pa.Table]:
    """Make the four tables of a chunk.

    Args:
        first_window: the number of the chunk's first window within the run.
        column_types: the dlt types of the columns of `digital_human_videos` in the destination.
        normalize: turns a field's name into a column's, no longer than the destination allows.
    """
    return {
        VIDEOS: make_videos(chunk.rows, origin, column_types, normalize),
        STATES: _make_states(chunk.seen, origin.project_id),
        WINDOWS: _make_table(WINDOWS_TABLE, make_ledger(chunk.windows, origin, run_id, first_window)),
        REJECTED: _make_rejected(chunk.rejected, origin),
    }


def make_videos(
    rows: Sequence[Row], origin: TenantKey, column_types: Mapping[str, str], normalize: Callable[[str], str]
) -> pa.Table:
    """Make the table of jobs. Each row is a live job in its current version."""
    columns: dict[str, Any] = dict(zip(Row._fields, zip(*rows, strict=True), strict=True)) if rows else {}
    data = {name: columns.get(name, ()) for name in _ROW_FIELDS}
    size = len(rows)
    data |= {"deleted_at": [None] * size, **{name: [value] * size for name, value in origin._asdict().items()}}
    table = _make_table(VIDEOS_TABLE, data)
    extras = columns.get("extra", ())
    if any(extras):
        for field, array in _make_extra_columns(extras, column_types, normalize).items():
            table = table.append_column(field, array)
    return table


def add_loaded(videos: pa.Table, rows: Sequence[Mapping[str, Any]], column_types: Mapping[str, str]) -> pa.Table:
    """Add rows that were read from the destination to a table."""
    names = [name for name in (rows[0] if rows else ()) if name in DECLARED or column_types.get(name) in _ARROW]
    schema = pa.schema([_make_field(name, column_types) for name in names])
    data = [pa.array([to_loadable(row[field.name]) for row in rows], type=field.type) for field in schema]
    return pa.concat_tables([videos, pa.Table.from_arrays(data, schema=schema)], promote_options="default")


def _make_field(name: str, column_types: Mapping[str, str]) -> pa.Field:
    """Return the Arrow field of a column in the destination, whether it is declared or not."""
    if name in DECLARED:
        return VIDEOS_TABLE.arrow_schema().field(name)
    data_type = column_types[name]
    return pa.field(name, _ARROW[data_type], metadata={DLT_TYPE: data_type})


def to_loadable(value: Any) -> Any:
    """Return a value from the destination as it can be loaded: parsed JSON becomes text again."""
    return write_json(value) if isinstance(value, (dict, list)) else value


def _make_table(table: Table, data: Mapping[str, Sequence[Any]]) -> pa.Table:
    schema = table.arrow_schema()
    return pa.Table.from_arrays([pa.array(data[field.name], type=field.type) for field in schema], schema=schema)


def _make_states(seen: Sequence[Row], project_id: str) -> pa.Table:
    """Make the history: each state and time once, except versions without a time."""
    data: dict[str, Sequence[Any]] = {
        "project_id": [project_id] * len(seen),
        "job_id": [row.job_id for row in seen],
        "state": [row.state for row in seen],
        "lastupdate_time": [row.lastupdate_time or row.create_time for row in seen],
    }
    return _make_table(STATES_TABLE, data).drop_null().group_by(STATES_TABLE.names).aggregate([])


def make_attempts(attempts: Sequence[Attempt]) -> pa.Table:
    """Make the table of attempts."""
    return _make_table(ATTEMPTS_TABLE, make_columns(attempts))


def _make_rejected(rejected: Sequence[Rejected], origin: TenantKey) -> pa.Table:
    records = list({item.record_hash: item for item in rejected}.values())
    data: dict[str, Sequence[Any]] = {
        name: [getattr(origin, name)] * len(records) for name in ("project_id", "app_user_id")
    }
    for column in Rejected._fields:
        data[column] = [getattr(record, column) for record in records]
    return _make_table(REJECTED_TABLE, data)


def _make_extra_columns(
    extras: Sequence[dict[str, Any] | None], column_types: Mapping[str, str], normalize: Callable[[str], str]
) -> dict[pa.Field, pa.Array]:
    """Make a column for each unknown field, and a second one for values of another type."""
    types = dict(column_types)
    columns: dict[str, list[Any]] = {}

    def put(index: int, name: str, data_type: str, value: Any) -> None:
        types.setdefault(name, data_type)
        columns.setdefault(name, [None] * len(extras))[index] = value

    for index, extra in enumerate(extras):
        more: dict[str, Any] = {}
        taken: set[str] = set()
        for raw_name, raw_value in (extra or {}).items():
            name = normalize(raw_name) if raw_name.isascii() else ""
            name = f"api__{name}" if name in DECLARED else name
            if name in ("", OVERFLOW_COLUMN, *taken) or (name not in types and len(types) >= MOST_COLUMNS):
                more[raw_name] = raw_value
                continue
            taken.add(name)
            data_type, value = _type_value(raw_value)
            while types.get(name, data_type) != data_type:
                name, data_type, value = normalize(f"{name}__v_text"), "text", _as_text(raw_value)
            put(index, name, data_type, value)
        if more:
            put(index, OVERFLOW_COLUMN, "json", _as_text(more))
    return {
        pa.field(name, _ARROW[types[name]], metadata={DLT_TYPE: types[name]}): pa.array(
            values, type=_ARROW[types[name]]
        )
        for name, values in columns.items()
    }


def _type_value(value: Any) -> tuple[str, Any]:
    """Return the dlt type of the column for a JSON value, and the value in that column."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, (int, float)):
        return "double", float(value)
    if isinstance(value, str):
        return "text", _as_text(value) or None
    return "json", _as_text(value)


def _as_text(value: Any) -> str:
    """Return a value as text, without NUL, which PostgreSQL cannot store."""
    return value.replace("\0", "") if isinstance(value, str) else _ESCAPED_NUL.sub(r"\1", write_json(value))
