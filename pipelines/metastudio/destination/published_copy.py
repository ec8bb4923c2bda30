"""A copy of the whole DuckDB file for readers. Reading the file itself would block a sync."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.connection import Client, TenantTables
from metastudio.destination.duckdb_file import find_file
from metastudio.errors import ConfigurationError, UnavailableError

_ATTACHED = "metastudio_published_copy"


def publish_file(tables: TenantTables, folder: Path) -> Path | None:
    """Put a copy of the DuckDB file into a folder, unless the copy there has the same loads.

    The file stays open meanwhile, so that nobody else writes to it. The new copy replaces the old
    one by a rename: readers see one of the two, and those that have opened the old one keep it.

    Returns:
        The path of the new copy, or None.

    Raises:
        ConfigurationError: the folder is the file's own.
        UnavailableError: the copy could not be written. The old one is unchanged.
    """
    with tables.connect() as client:
        file = Path(find_file(client))
        copy = folder / file.name
        if copy.resolve() == file.resolve():
            raise ConfigurationError(
                "publish_dir is the folder of the DuckDB file itself.", hint="Set publish_dir to another folder."
            )
        if _has_same_loads(client, copy):
            return None
        client.execute_sql("CHECKPOINT")
        try:
            _replace(file, copy)
        except OSError as error:
            raise UnavailableError(
                f"The copy in publish_dir could not be written: {error.strerror}.",
                hint="Everything is loaded, and the old copy is unchanged. The next sync tries again.",
            ) from error
    return copy


def _replace(file: Path, copy: Path) -> None:
    copy.parent.mkdir(exist_ok=True)
    draft = copy.with_name(f".{copy.name}.draft")
    # not in this process: closing the file here would release DuckDB's lock on it
    copied = subprocess.run(["cp", "--", str(file), str(draft)], capture_output=True, text=True, check=False)
    if copied.returncode:
        draft.unlink(missing_ok=True)
        raise OSError(None, copied.stderr.strip().rpartition(": ")[2] or "cp failed")
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    copy.with_name(f"{copy.name}.wal").unlink(missing_ok=True)  # left by a reader that wrote to the old copy
    draft.replace(copy)


def _has_same_loads(client: Client, copy: Path) -> bool:
    """Return whether a copy was made after the last load, and after the models were built last."""
    if not copy.exists():
        return False
    try:
        client.execute_sql(f"ATTACH {client.capabilities.escape_literal(str(copy))} AS {_ATTACHED} (READ_ONLY)")
    except DatabaseException:
        return False  # damaged, or not ours: it is replaced
    try:
        return _read_marks(client, f"{_ATTACHED}.") == _read_marks(client, "")
    finally:
        client.execute_sql(f"DETACH {_ATTACHED}")


def _read_marks(client: Client, prefix: str) -> list[Any]:
    dataset, reporting = (
        client.capabilities.escape_identifier(f"{client.dataset_name}{end}") for end in ("", "_reporting")
    )
    marks: list[Any] = []
    for sql in (
        f"SELECT count(*), max(load_id) FROM {prefix}{dataset}._dlt_loads",
        f"SELECT * FROM {prefix}{reporting}.models_version",
    ):
        try:
            marks.append(client.execute_sql(sql))
        except DatabaseException:
            marks.append(None)
    return marks
