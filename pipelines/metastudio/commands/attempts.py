"""Records how each run of a command that loads ended, failed ones too."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from metastudio.commands.result import LoadResult
from metastudio.config.tenant import Tenant
from metastudio.destination.attempts import Attempt
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import BusyError, find_exit_code
from metastudio.pipeline.attempt_log import AttemptLog, begin_attempt
from metastudio.pipeline.factory import open_existing
from metastudio.pipeline.loader import LOADING, ChunkLoader
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options


class AttemptRecorder:
    """Records a run in the state directory and, if it can be reached, in the destination."""

    def __init__(self, result: LoadResult, options: Options) -> None:
        self.options = options
        self._is_opened = False
        self._result = result
        self._log = AttemptLog(options)
        self._attempt = begin_attempt(result.run_id, result.command, options)
        self._started = time.monotonic()

    def begin(self, tenant: Tenant, destination: Destination) -> Sequence[Attempt]:
        """Record that the run begins. Return earlier attempts that the destination lacks."""
        self._is_opened = True
        self._log.set_destination(destination)
        pending = self._log.list_pending()
        self._attempt = self._attempt._replace(project_id=tenant.project_id, app_user_id=tenant.app_user_id)
        self._log.put(self._attempt)
        return pending

    def end(self, loader: ChunkLoader) -> None:
        """Record how the run ended, by its result, and write what the destination lacks."""
        self.note_end()
        if loader.are_attempts_loaded:
            self._log.mark_written(loader.pending_attempts)
        self._write(loader.destination)

    def note_end(self, exit_code: int | None = None) -> None:
        """Record in the state directory how the run ended: by its result, or by a signal."""
        error, summary = self._result.error, self._result.summary
        summary.seconds = round(time.monotonic() - self._started, 3)
        self._attempt = self._attempt._replace(
            mode=summary.mode,
            exit_code=self._result.exit_code if exit_code is None else exit_code,
            error_code=error.code if error else None,
            error_message="The run was interrupted." if exit_code else error.message if error else None,
            requests=summary.requests,
            rows_loaded=summary.rows_loaded,
            seconds=summary.seconds,
            finished_at=datetime.now(UTC),
        )
        self._log.put(self._attempt)

    def _write(self, destination: Destination) -> None:
        with LOADING:
            self._log.write_pending(destination)

    def finish(self) -> None:
        """Record how the run ended, unless that is recorded already.

        A run that ended before it opened the destination is recorded there, too, if possible.
        """
        result = self._result
        result.summary.seconds = round(time.monotonic() - self._started, 3)
        if self._attempt.finished_at is not None and self._attempt.exit_code == result.exit_code:
            return
        self.note_end()
        if not self._is_opened and not isinstance(result.error, BusyError):
            self._write_unopened()

    def _write_unopened(self) -> None:
        """Record a run that ended before it opened the destination, if it was ever synced to."""
        with suppress(Exception), lock_pipeline(self.options):
            destination, _ = open_existing(self.options)
            self._log.set_destination(destination)
            self._write(destination)


@contextmanager
def record_attempt(result: LoadResult, options: Options) -> Iterator[AttemptRecorder]:
    """Record in the result and in the attempts how long the block took and how it ended."""
    recorder = AttemptRecorder(result, options)
    try:
        try:
            yield recorder
        except Exception as error:
            result.error = to_metastudio_error(error)
    except BaseException as interrupt:
        recorder.note_end(find_exit_code(interrupt))
        raise
    recorder.finish()
