"""Dagster definitions: raw tables, reporting models, checks, schedules and backfills.

`dagster dev -m metastudio.orchestration` loads `defs`. The definitions follow dlt's settings and
need no credentials until a run starts. Each asset calls the function that the command line calls.
"""

from __future__ import annotations

import sys

from metastudio.errors import MetaStudioError

_IS_COMMAND = sys.argv[:1] == ["-m"]
"""Whether `python -m` imports this package, to run a module of it."""

try:
    from metastudio.orchestration.definitions import make_definitions
except ModuleNotFoundError as error:
    if not (_IS_COMMAND and str(error.name).startswith("dagster")):
        raise
    sys.stderr.write("Error: Dagster is not installed. Install metastudio with the extra dagster: see README.\n")
    sys.exit(2)

__all__ = ["defs", "make_definitions"]

try:
    defs = make_definitions()
except MetaStudioError as error:
    if not _IS_COMMAND:
        raise
    sys.stderr.write(f"Error: {error}\n")
    sys.exit(error.exit_code)
