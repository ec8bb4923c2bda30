"""Dagster's view of it: the raw tables, the reporting models behind them, their checks, schedules and backfills.

`dagster dev -m metastudio.orchestration` loads `defs`, which follows dlt's ordinary settings and needs no credentials until something runs.
Nothing of the extraction is done here: each asset calls one of the functions that the command line calls.
"""

from __future__ import annotations

from metastudio.orchestration.definitions import make_definitions

__all__ = ["defs", "make_definitions"]

defs = make_definitions()
