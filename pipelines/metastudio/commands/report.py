"""Reads the report, after building the models that it needs."""

from __future__ import annotations

from metastudio.commands.models import rebuild_models
from metastudio.error_mapping import to_metastudio_error
from metastudio.pipeline.factory import open_existing, open_pipeline
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options
from metastudio.reporting.model_version import Models
from metastudio.reporting.report import Report, read_report


def run_report(options: Options, *, charts: bool = False) -> Report:
    """Read the report of one tenant; models that are missing or outdated are built first.

    Args:
        charts: whether to read the series that only charts show.

    Raises:
        MetaStudioError: nothing was synced yet, or the models could not be built.
    """
    try:
        destination, _ = open_existing(options, read_only=True)
        models = Models(destination)
        if not models.is_current():
            with lock_pipeline(options):
                rebuild_models(open_pipeline(options))
        return read_report(models, destination.project_id, charts=charts)
    except Exception as error:
        raise to_metastudio_error(error) from None
