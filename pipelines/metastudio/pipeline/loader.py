"""Loads chunks with their state, one run at a time, and sums the run up.

A chunk is one load package: its rows and the state that holds once they are in are committed together. A run that was killed leaves at
most one package behind, which the next run loads before it asks the API for anything.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from dlt.common.destination.exceptions import SchemaUpdateError
from dlt.pipeline.exceptions import PipelineStepFailed

from metastudio.config.tenant import Tenant
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import iter_causes
from metastudio.errors import ConfigurationError, IncompleteError
from metastudio.extraction.types import Chunk, LedgerEntry, State
from metastudio.pipeline.factory import Options, open_or_restore
from metastudio.pipeline.recovery import reconcile_with_destination, record_base_state
from metastudio.records.schema import SCHEMA_VERSION
from metastudio.source.ledger import make_ledger
from metastudio.source.state import check_state, read_state
from metastudio.source.stream import Reader, Steps

log = logging.getLogger("metastudio")

SCHEMA_ATTEMPTS = 5
"""Two pipelines can meet at the dataset, at its tables and at a new column; each time one of them gets through."""

LOADING = threading.Lock()
"""Held by whoever loads: tenants that are synced at a time in one process make the same tables and write to the same file."""


@dataclass(slots=True, kw_only=True)
class Summary:
    """The figures of a run, in the order of the JSON that shows them."""

    mode: str | None = None
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    windows: int = 0
    rows_read: int = 0
    rows_loaded: int = 0
    rejected: int = 0
    marked_deleted: int = 0
    gaps: int = 0
    missing: int = 0
    scrubbed: int = 0
    scrub_changed: int = 0
    watermark: str | None = None
    seconds: float = 0.0
    load_ids: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def add(self, chunk: Chunk, rows: int) -> None:
        """Count a loaded chunk in; a run that had to fall back says so, a first run stays one."""
        if self.mode != "backfill" or chunk.mode == "audit":
            self.mode = chunk.mode
        self.windows += len(chunk.windows)
        self.rows_read += sum(record.rows_read for record in chunk.windows)
        self.rows_loaded += rows
        self.marked_deleted += len(chunk.vanished)
        self.watermark = chunk.state.get("watermark")


class ProgressListener(Protocol):
    """Who shows a run's progress."""

    def start(self, tenant: Tenant, reader: Reader) -> None: ...

    def on_chunk_loaded(self, summary: Summary, chunk: Chunk) -> None: ...


class ChunkLoader:
    """One run of a command that loads: resumes what is pending, then loads chunk after chunk."""

    def __init__(self, summary: Summary, options: Options, watcher: ProgressListener, tenant: Tenant) -> None:
        self.tenant = tenant
        self.summary = summary
        self.pipeline = open_or_restore(options)
        self.destination = Destination(self.pipeline, tenant.project_id, tenant.app_user_id)
        self.state: State = {}
        self._watcher = watcher
        self._rejected: set[str] = set()
        self._run_id = uuid.uuid4().hex

    def prepare(self) -> None:
        """Bring the local state and the destination's together, load what is pending, and check whose state it is."""
        reconcile_with_destination(self.pipeline, self.destination, self._load_pending)
        self.state = read_state(self.pipeline)
        check_state(self.state, self.tenant)
        if self.state.get("schema_version") == 1 and self.tenant.app_user_id:
            self.destination.migrate_app_user()
        self.summary.watermark = self.state.get("watermark")

    def _load_pending(self) -> None:
        check_state(read_state(self.pipeline), self.tenant)
        self._load_what_is_extracted()

    def require_synced(self) -> None:
        """Refuse to work on a pipeline that never synced."""
        if "watermark" not in self.state:
            raise ConfigurationError("This pipeline was never synced to its end.", hint="Run metastudio sync first.")

    def load(self, steps: Steps) -> None:
        """Load the chunks of these steps; while one is loaded, the next one is read.

        Raises:
            IncompleteError: a window was not proved whole (it is in the ledger), or more than `max_rejected` records were rejected.
        """
        reader = Reader(self.tenant, self.destination, steps)
        self._watcher.start(self.tenant, reader)
        try:
            for chunk in reader:
                self._load_chunk(chunk, reader.resume)
        except IncompleteError as error:
            if isinstance(error.record, LedgerEntry):
                self._load_chunk(Chunk(mode=error.record.mode, windows=[error.record], state=self.state), reader.resume)
            raise
        finally:
            self._count_requests(reader)

    def _load_chunk(self, chunk: Chunk, resume: Callable[[], None]) -> None:
        rows = 0 if self._add_to_ledger(chunk) else self._load_package(chunk, resume)
        self.state = chunk.state
        self.summary.add(chunk, rows)
        self.summary.rejected = len(self._rejected)
        self._watcher.on_chunk_loaded(self.summary, chunk)
        if self.summary.rejected > self.tenant.max_rejected:
            raise IncompleteError(
                f"{self.summary.rejected} records were rejected, more than max_rejected.",
                hint="Look into the table rejected_records for the reasons; raise max_rejected if they are harmless.",
            )

    def _add_to_ledger(self, chunk: Chunk) -> bool:
        """Where a chunk brings nothing new, write its lines of the ledger alone: a load package costs a third of a second."""
        is_new = chunk.rejected or chunk.vanished or len(chunk.seen) > len(chunk.rows) or chunk.state != self.state
        if (
            is_new
            or self.state.get("schema_version") != SCHEMA_VERSION
            or not self.destination.already_loaded(chunk.rows)
        ):
            return False
        lines = make_ledger(chunk.windows, self.tenant.origin, self._run_id, self.summary.windows + 1)
        with LOADING:
            return self.destination.add_windows(lines)

    def _load_package(self, chunk: Chunk, resume: Callable[[], None]) -> int:
        """Load a chunk as one package; give the number of its rows."""
        import pyarrow as pa

        from metastudio.source.source import make_source

        resume()  # while this chunk is loaded, the next one is read
        numbered = [(self.summary.windows + 1, chunk)]
        source = make_source(self.tenant, self._run_id, lambda: numbered, self.destination)
        contract: Any = {"columns": self.tenant.schema_contract}
        record_base_state(self.pipeline, self.destination)
        self.pipeline.extract(source, schema_contract=contract)
        rows = len(chunk.rows)
        self._rejected |= {item.record_hash for item in chunk.rejected}
        for held in (chunk.rows, chunk.seen, chunk.rejected):
            held.clear()  # they are on disk: memory for the next chunk
        pa.default_memory_pool().release_unused()
        self._load_what_is_extracted()
        return rows

    def _load_what_is_extracted(self) -> None:
        """Load what is on disk. Processes that create the same tables at the same instant fail in that: then look again what is missing."""
        self.pipeline.normalize()
        for attempt in range(1, SCHEMA_ATTEMPTS + 1):
            try:
                with LOADING:
                    info = self.pipeline.load()
                self.summary.load_ids += info.loads_ids if info else []  # none: a kill came when all was loaded
                return
            except PipelineStepFailed as error:
                is_schema = any(isinstance(cause, SchemaUpdateError) for cause in iter_causes(error))
                if not is_schema or attempt == SCHEMA_ATTEMPTS:
                    raise
                log.debug("Another pipeline seems to change the same tables: trying again.")

    def _count_requests(self, reader: Reader) -> None:
        if reader.client is not None:
            stats = reader.client.counters
            self.summary.requests += stats.requests
            self.summary.retries += stats.retries
            self.summary.throttled += stats.throttled
