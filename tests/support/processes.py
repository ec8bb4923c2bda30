"""Processes of their own for syncs that are killed, paused or synchronized.

Each is forked from a server that has imported what a sync and the tests need.
"""

from __future__ import annotations

import multiprocessing

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        *("metastudio.commands.load", "metastudio.cli.output", "metastudio_simulator", "pyarrow", "pytest"),
        *("dlt.destinations.impl.duckdb.duck", "dlt.destinations.impl.postgres.postgres"),
        "dlt.destinations.impl.filesystem.filesystem",  # what is not installed is left out
    ]
)
