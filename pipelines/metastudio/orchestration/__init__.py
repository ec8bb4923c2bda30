"""Dagster definitions: raw tables, reporting models, checks, schedules and backfills.

`dagster dev -m metastudio.orchestration` loads `defs`. The definitions follow dlt's settings and
need no credentials until a run starts. Each asset calls the function that the command line calls.
"""

from __future__ import annotations

from metastudio.orchestration.definitions import make_definitions

__all__ = ["defs", "make_definitions"]

defs = make_definitions()
