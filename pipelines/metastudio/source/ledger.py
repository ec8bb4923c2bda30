"""The lines of the ledger: what each window of a run asked for, and whether it was read whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metastudio.extraction.types import LedgerEntry
from metastudio.records.schema import WINDOWS_TABLE, TenantKey


def make_ledger(
    windows: Sequence[LedgerEntry], origin: TenantKey, run_id: str, first_window: int
) -> dict[str, Sequence[Any]]:
    """Make the columns of `extraction_windows`, a line for each window; they are numbered within the run from `first_window` on."""
    size = len(windows)
    columns: dict[str, Sequence[Any]] = {
        "run_id": [run_id] * size,
        "window": range(first_window, first_window + size),
        "project_id": [origin.project_id] * size,
        "app_user_id": [origin.app_user_id] * size,
    }
    for name in WINDOWS_TABLE.names:
        if name not in columns:
            columns[name] = [getattr(record, name) for record in windows]
    return columns
