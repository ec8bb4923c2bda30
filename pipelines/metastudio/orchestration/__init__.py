"""Dagster definitions: raw tables, reporting models, checks, schedules and backfills.

`dagster dev -m metastudio.orchestration` loads `defs`. The definitions follow dlt's settings and
need no credentials until a run starts. Each asset calls the function that the command line calls.
"""

from __future__ import annotations

import sys

try:
    from metastudio.orchestration.definitions import make_definitions
except ModuleNotFoundError as error:
    if not str(error.name).startswith("dagster") or sys.argv[:1] != ["-m"]:  # else `python -m` began to import this
        raise
    sys.stderr.write("Error: Dagster is not installed. Install metastudio with the extra dagster: see README.\n")
    sys.exit(2)

__all__ = ["defs", "make_definitions"]

defs = make_definitions()
