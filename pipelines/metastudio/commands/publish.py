"""Publishes a copy of the DuckDB file after a command that loads."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from metastudio.commands.result import CommandResult
from metastudio.config.settings import find_setting, resolve_settings
from metastudio.destination.jobs import Destination
from metastudio.destination.published_copy import publish_file
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import IncompleteError
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options

log = logging.getLogger("metastudio")


def publish_changes(options: Options, result: CommandResult) -> None:
    """Put a copy of the DuckDB file into `publish_dir` if something changed since the last copy.

    A failure is logged, and becomes the error of a result that has none.
    """
    if find_setting("sources.metastudio.publish_dir") is None:
        return
    if result.exit_code not in (0, IncompleteError.exit_code) and not result.get_details().get("load_ids"):
        return
    try:
        settings = resolve_settings()
        destination = Destination(open_pipeline(options), lock_seconds=settings.lock_seconds)
        if not destination.capabilities.is_duckdb_file:
            log.warning("publish_dir is not used: the destination %s is not a DuckDB file.", options.destination)
        elif copy := publish_file(destination, Path(os.path.expanduser(str(settings.publish_dir)))):
            log.info("A copy for readers is published: %s.", copy)
    except Exception as error:
        mapped = to_metastudio_error(error)
        log.warning("The sync is done, but no copy for readers is published: %s", mapped)
        result.error = result.error or mapped
