"""Results of commands in Dagster: metadata of a success; retry, skip or failure by exit code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dagster import AssetCheckExecutionContext, AssetExecutionContext, Failure, MetadataValue, RetryRequested

from metastudio.commands.progress import LogProgress
from metastudio.errors import BusyError, IncompleteError, MetaStudioError, UnavailableError
from metastudio.extraction.types import Chunk
from metastudio.pipeline.summary import Summary

RETRIES = 3
RETRY_SECONDS = 60.0
"""Number and delay of retries for exit code 4. Within each try, requests are retried, too."""

EXIT_CODE_TAG = "metastudio/exit_code"
ALERT_TAG = "metastudio/alert"
"""Tags of failed runs for sensors and people; the second one means that a person must act."""

Context = AssetExecutionContext | AssetCheckExecutionContext


class DagsterProgress(LogProgress):
    """Logs a line per chunk to the events of the run."""

    def __init__(self, context: AssetExecutionContext) -> None:
        self._log = context.log

    def on_chunk_loaded(self, summary: Summary, chunk: Chunk) -> None:
        self._log.info(f"{chunk.mode}: {self.describe(summary, chunk)}")

    def quota_percent(self, summary: Summary) -> float:
        """Return the requests sent as a percentage of those that the quota allowed meanwhile."""
        return 100 * summary.requests / (max(summary.seconds, 0.001) * self._tenant.requests_per_second)


def raise_for_error(context: Context, error: MetaStudioError | None) -> bool:
    """Return True if there is no error, and False if the run is to be skipped.

    Raises:
        RetryRequested: the API or the destination was unavailable; a later try may succeed.
        Failure: any other error, or no retry is left. The metadata holds the error, and the tags of
            the run say whether a person must act.
    """
    if error is None:
        return True
    if isinstance(error, BusyError):
        context.log.info(f"Skipped: {error}")
        return False
    retry_number = context.op_execution_context.retry_number
    if isinstance(error, UnavailableError) and retry_number < RETRIES:
        context.log.warning(f"{error} Trying again in {RETRY_SECONDS:.0f} s ({retry_number + 1} of {RETRIES}).")
        raise RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_SECONDS)
    alert = isinstance(error, IncompleteError) or type(error) is MetaStudioError
    tags = {EXIT_CODE_TAG: str(error.exit_code), **({ALERT_TAG: "true"} if alert else {})}
    context.instance.add_run_tags(context.run.run_id, tags)
    raise Failure(str(error), metadata=describe_error(error, alert=alert), allow_retries=False)


def describe_error(error: MetaStudioError, *, alert: bool) -> dict[str, Any]:
    """Return an error as metadata, without unknown fields."""
    known = {"exit_code": error.exit_code, "alert": alert, **error.as_dict()}
    return {name: value for name, value in known.items() if value not in (None, "")}


def describe_run(summary: Summary, progress: DagsterProgress) -> Mapping[str, Any]:
    """Return the figures of a run as metadata; Dagster plots numbers over time."""
    watermark = summary.watermark and MetadataValue.timestamp(datetime.fromisoformat(summary.watermark))
    return {
        "mode": summary.mode or "nothing to do",
        "rows_read": summary.rows_read,
        "rows_loaded": summary.rows_loaded,
        "requests": summary.requests,
        "retries": summary.retries,
        "throttled": summary.throttled,
        "quota_percent": round(progress.quota_percent(summary), 2),
        "seconds": summary.seconds,
        "rejected": summary.rejected,
        "gaps": summary.gaps,
        "missing": summary.missing,
        **({"watermark": watermark} if watermark else {}),
    }
