"""Loads chunks with their state, and summarizes the run.

A chunk is one load package: its rows are committed together with the state that follows from them.
A killed run leaves at most one package behind. The next run loads that package before it asks the
API for anything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dlt.common.destination.exceptions import SchemaUpdateError
from dlt.destinations.exceptions import DatabaseException, DatabaseTransientException
from dlt.pipeline.exceptions import PipelineStepFailed

from metastudio.config.tenant import Tenant
from metastudio.destination.attempts import Attempt
from metastudio.destination.dlt_internals.places import refresh_duckdb_credentials
from metastudio.destination.dlt_internals.running import defer_signals
from metastudio.destination.dlt_internals.state import record_base_state
from metastudio.destination.dlt_internals.tables import restore_missing_tables
from metastudio.destination.dlt_internals.working_dir import merge_pending
from metastudio.destination.foreign_tables import require_own_tables
from metastudio.destination.jobs import Destination
from metastudio.destination.ledger import make_ledger
from metastudio.destination.lock import RequireLock
from metastudio.destination.migrations import migrate_app_user
from metastudio.destination.replica_identity import write_replica_identity
from metastudio.error_mapping import find_sqlstate, is_out_of_memory, is_out_of_space, iter_causes
from metastudio.errors import ConfigurationError, IncompleteError
from metastudio.extraction.state import State
from metastudio.extraction.types import Chunk
from metastudio.pipeline.factory import open_or_restore
from metastudio.pipeline.options import Options, raise_memory_limit
from metastudio.pipeline.recovery import reconcile_with_destination, restore_tables, set_aside_broken_tables
from metastudio.pipeline.summary import Summary
from metastudio.records.schema import SCHEMA_VERSION, STATES, VIDEOS, WINDOWS
from metastudio.source.state import check_state, find_gaps_error, judge_state, read_state
from metastudio.source.stream import Reader, Steps

log = logging.getLogger("metastudio")

ATTEMPTS = 5
"""Pipelines can collide when they create the dataset, a table or a column. One succeeds."""
COLLISIONS = (SchemaUpdateError, DatabaseTransientException, FileExistsError)  # the last: a dataset's folder
COLLIDING_STATES = ("23", "40", "42", "XX")
"""Classes of SQLSTATE that a collision has; others, such as that of a time-out, are final."""

LOADING = threading.Lock()
"""Serializes loading: tenants in one process would create the same tables at the same time."""


class ProgressListener(Protocol):
    """Shows the progress of a run."""

    def start(self, tenant: Tenant, reader: Reader) -> None: ...

    def on_chunk_loaded(self, summary: Summary, chunk: Chunk) -> None: ...


class ChunkLoader:
    """One run of a command that loads: resumes what is pending, then loads chunk after chunk.

    Attributes:
        pending_attempts: earlier attempts that the next load package brings into the destination,
            if single rows cannot be inserted.
        are_attempts_loaded: whether a load package has brought them.
    """

    def __init__(
        self, summary: Summary, options: Options, listener: ProgressListener, tenant: Tenant, *, run_id: str
    ) -> None:
        self.tenant = tenant
        self.summary = summary
        self.pipeline = open_or_restore(options)
        self.destination = Destination(
            self.pipeline, tenant.project_id, tenant.app_user_id, lock_seconds=tenant.lock_seconds
        )
        self.state: State = {}
        self.reread = False
        self.require_lock: RequireLock = lambda: None
        self._committed: State = {}
        self._listener = listener
        self._reader: Reader | None = None
        self._rejected_here: set[str] = set()
        self._began_empty = False
        self._run_id = run_id
        self.pending_attempts: Sequence[Attempt] = ()
        self.are_attempts_loaded = False

    @defer_signals()
    def prepare(self, *, set_aside: bool = False) -> None:
        """Reconcile the local state with the destination, load what is pending, check the state.

        Args:
            set_aside: whether to rename tables that cannot be repaired, and to create them again.
        """
        if set_aside:
            set_aside_broken_tables(self.destination)
        reconcile_with_destination(self.destination, self._load_pending)
        restored = restore_tables(self.destination)
        self._committed = read_state(self.pipeline)
        if self._committed.get("schema_version") != SCHEMA_VERSION:  # tables are going to be created
            require_own_tables(self.destination)
        check_state(self._committed, self.tenant)
        if self._committed.get("schema_version") == 1 and self.tenant.app_user_id:
            migrate_app_user(self.destination, self.tenant.app_user_id)
        with self.destination.share_connection():
            self.state, self.reread = judge_state(self._committed, self.destination, self.tenant, restored)
        self.summary.set_state(self.state)
        if self.destination.capabilities.is_duckdb_file and not self._committed:
            self._began_empty = not any(self.destination.has_rows(table) for table in (VIDEOS, STATES))

    def _load_pending(self) -> None:
        check_state(read_state(self.pipeline), self.tenant)
        self._load_extracted(was_interrupted=True)

    def require_synced(self) -> None:
        """Raise ConfigurationError if the pipeline never completed a sync."""
        if "watermark" not in self._committed:
            raise ConfigurationError(
                "The first sync of this pipeline is not finished.", hint="Run metastudio sync first."
            )

    def find_incompleteness(self) -> IncompleteError | None:
        """Return an error if a run that has loaded everything it could is not complete.

        More jobs are missing than `max_missing`, or more records were rejected than `max_rejected`,
        or no job has a job_id.
        """
        if (error := find_gaps_error(self.state, self.tenant.max_missing)) is not None:
            return error
        if self.summary.rejected > self.tenant.max_rejected:
            return IncompleteError(
                f"{self.summary.rejected:,} records were rejected, more than max_rejected ({self.tenant.max_rejected:,}).",
                hint="Everything else is loaded. Look into the table rejected_records for the reasons;"
                " raise max_rejected if they are harmless.",
            )
        without_id = self.state.get("backfill", {}).get("not_rows", 0)
        if without_id > self.tenant.max_rejected and not any(self.destination.counts().values()):
            return IncompleteError(
                f"None of the {without_id:,} jobs that the API counts can be loaded: their records have no job_id.",
                hint="Look into the table rejected_records, and report it to the vendor.",
            )
        return None

    def load(self, steps: Steps) -> None:
        """Load the chunks of these steps. While one chunk is loaded, the next one is read.

        Raises:
            IncompleteError: completeness could not be established.
        """
        reader = self._reader = Reader(self.tenant, self.destination, steps)
        self._listener.start(self.tenant, reader)
        try:
            for chunk in reader:
                self._load_chunk(chunk, reader.resume)
        finally:
            self._count_requests(reader)

    async def fetch_isolation(self) -> bool | None:
        """Return, within the steps of `load`, whether IAM-user isolation is on; None if unknown."""
        assert self._reader is not None and self._reader.client is not None
        return await self._reader.client.fetch_isolation()

    @defer_signals()
    def _load_chunk(self, chunk: Chunk, resume: Callable[[], None]) -> None:
        chunk.state.update({"identity": self.tenant.identity, "schema_version": SCHEMA_VERSION})
        new_rejected = self._count_new_rejected(chunk)
        rows = 0 if not new_rejected and self._add_to_ledger(chunk) else self._load_package(chunk, resume)
        self.state = self._committed = chunk.state
        self.summary.rejected += new_rejected
        self.summary.add(chunk, rows)
        self._listener.on_chunk_loaded(self.summary, chunk)

    def _count_new_rejected(self, chunk: Chunk) -> int:
        """Return the number of rejected records, without those that an earlier run rejected."""
        hashes = {record.record_hash for record in chunk.rejected} - self._rejected_here
        known = self.destination.known_rejected(hashes)
        self._rejected_here |= hashes - known
        return sum(record.record_hash in self._rejected_here for record in chunk.rejected)

    def _add_to_ledger(self, chunk: Chunk) -> bool:
        """Write the ledger lines of a chunk that brings nothing new, without a load package.

        A package costs 0.3 s. Return False if the chunk needs one.
        """
        settled = {"settled": self._committed.get("settled")}  # the ledger's line shows it, too
        is_same = {**chunk.state, **settled} == {**self._committed, **settled}
        if chunk.vanished or chunk.doubled or not is_same:
            return False
        versions = {(row.job_id, row.state, row.updated) for row in chunk.seen}
        if len(versions) > len(chunk.rows) or not self.destination.already_loaded(chunk.rows):
            return False
        lines = make_ledger(chunk.windows, self.tenant.origin, self._run_id, self.summary.windows + 1)
        with LOADING:
            return self.destination.insert(WINDOWS, lines)

    def _load_package(self, chunk: Chunk, resume: Callable[[], None]) -> int:
        """Load a chunk as one package, and return the number of its rows."""
        import pyarrow as pa

        from metastudio.source.source import make_source

        self.require_lock()
        resume()  # while this chunk is loaded, the next one is read
        attempts = (
            () if self.are_attempts_loaded or self.destination.capabilities.takes_inserts else self.pending_attempts
        )
        first_window = self.summary.windows + 1
        source = make_source(
            self.tenant, self._run_id, [chunk], self.destination, first_window, attempts, are_new=self._are_new(chunk)
        )
        contract: Any = {"columns": self.tenant.schema_contract}
        record_base_state(self.destination)
        self.pipeline.extract(source, schema_contract=contract)
        rows = len(chunk.rows)
        for on_disk in (chunk.rows, chunk.seen, chunk.rejected):
            on_disk.clear()  # memory for the next chunk
        pa.default_memory_pool().release_unused()
        self._load_extracted()
        self.are_attempts_loaded |= bool(attempts)
        return rows

    def _are_new(self, chunk: Chunk) -> bool:
        """Return whether no job of a chunk can be in the tables, so that its rows can be appended.

        Appending takes less CPU than merging: 0.86 of it, over a first sync of 200,000 jobs.
        """
        if not self._began_empty or chunk.mode != "backfill" or chunk.vanished or chunk.doubled:
            return False
        job_ids = {row.job_id for row in chunk.rows}
        return len(job_ids) == len(chunk.rows) and not self.destination.holds_any(list(job_ids))

    def _load_extracted(self, *, was_interrupted: bool = False) -> None:
        """Load what was extracted. Retry after failures that are temporary or can be fixed."""
        self.pipeline.normalize()
        self.destination.forget_extent()
        attempts, can_free = 1, bool(self.summary.load_ids)  # earlier packages use memory, too
        while True:
            try:
                with LOADING:
                    if was_interrupted:
                        merge_pending(self.pipeline)
                    if not self._committed and not self.summary.load_ids:  # the state itself may be lost
                        self._restore_tables()
                    info = self.pipeline.load()
                # Without info, the kill came after everything was loaded.
                self.summary.load_ids += info.loads_ids if info else []
                return
            except (PipelineStepFailed, SchemaUpdateError) as error:
                was_interrupted = True
                if is_out_of_memory(error) and ((is_raised := raise_memory_limit()) or can_free):
                    log.info(
                        "DuckDB ran out of memory: trying again after a checkpoint, with more where no limit is set."
                    )
                    if is_raised:
                        refresh_duckdb_credentials(self.pipeline)
                    self.destination.write_checkpoint()
                    can_free = False
                    continue
                if not _is_collision(error) or attempts == ATTEMPTS:
                    raise
                attempts += 1
                log.debug("Another pipeline seems to change the same tables: trying again.")

    def _restore_tables(self) -> None:
        """Create all tables before the first load, which could not update a published table."""
        try:
            if self.destination.capabilities.is_postgres:
                self.pipeline.sync_schema()
            restore_missing_tables(self.pipeline)
            write_replica_identity(self.destination)
        except DatabaseException as error:
            raise SchemaUpdateError(str(self.pipeline.default_schema_name), [], error) from error

    def _count_requests(self, reader: Reader) -> None:
        if reader.client is not None:
            stats = reader.client.counters
            self.summary.requests += stats.requests
            self.summary.retries += stats.retries
            self.summary.throttled += stats.throttled


def _is_collision(error: BaseException) -> bool:
    """Return whether another pipeline may have caused an error."""
    if is_out_of_space(error) or (find_sqlstate(error) or "XX")[:2] not in COLLIDING_STATES:
        return False
    return any(isinstance(cause, COLLISIONS) for cause in iter_causes(error))
