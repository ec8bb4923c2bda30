"""How a run ends, in Dagster's words: what is retried, skipped or fails by its exit code, and what is shown of one that succeeded."""

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
"""How often, and after how long, a run of exit code 4 is tried again; each try is patient by itself (`retry_seconds`)."""

EXIT_CODE_TAG = "metastudio/exit_code"
ALERT_TAG = "metastudio/alert"
"""Tags of a run that failed, by which sensors and people find it; the second one where somebody has to look."""

Context = AssetExecutionContext | AssetCheckExecutionContext


class DagsterProgress(LogProgress):
    """Logs one line a chunk to the run's events."""

    def __init__(self, context: AssetExecutionContext) -> None:
        self._log = context.log

    def on_chunk_loaded(self, summary: Summary, chunk: Chunk) -> None:
        self._log.info(f"{chunk.mode}: {self.describe(summary, chunk)}")

    def quota_percent(self, summary: Summary) -> float:
        """Give the requests made, in percent of those that the quota would have allowed in the same time."""
        return 100 * summary.requests / (max(summary.seconds, 0.001) * self._tenant.requests_per_second)


def raise_for_error(context: Context, error: MetaStudioError | None) -> bool:
    """Tell whether the work is done; False where it is to be skipped.

    Raises:
        RetryRequested: the API or the destination could not be reached; a later try may.
        Failure: anything else, or no try is left. Its metadata says what to do, the run's tags whether somebody has to look.
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
    """Say what failed as metadata; what is not known is left out."""
    known = {
        "exit_code": error.exit_code,
        "alert": alert,
        "message": error.message,
        "hint": error.hint,
        "code": error.code,
        "request_id": error.request_id,
    }
    return {name: value for name, value in known.items() if value not in (None, "")}


def describe_run(summary: Summary, watcher: DagsterProgress) -> Mapping[str, Any]:
    """Say what a run took, as metadata: numbers, so that Dagster draws them over time."""
    watermark = summary.watermark and MetadataValue.timestamp(datetime.fromisoformat(summary.watermark))
    return {
        "mode": summary.mode or "nothing to do",
        "rows_read": summary.rows_read,
        "rows_loaded": summary.rows_loaded,
        "requests": summary.requests,
        "retries": summary.retries,
        "throttled": summary.throttled,
        "quota_percent": round(watcher.quota_percent(summary), 2),
        "seconds": summary.seconds,
        "rejected": summary.rejected,
        **({"watermark": watermark} if watermark else {}),
    }
