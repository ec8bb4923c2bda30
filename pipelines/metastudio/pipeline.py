"""The only place that makes a dlt pipeline: loads chunks with their state, one run at a time, and sums the run up.

A chunk is one load package: its rows and the state that holds once they are in are committed together. A run that was killed leaves at
most one package behind, which the next run loads before it asks the API for anything.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import SchemaUpdateError
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.pipeline.exceptions import PipelineStepFailed
from filelock import FileLock, Timeout

from .destination import Destination
from .duckdb_catalog import allow_same_names
from .errors import BusyError, ConfigurationError, IncompleteError
from .extraction.protocol import Chunk, State, WindowRecord
from .failures import explain, find_causes, is_expected
from .ledger import make_ledger
from .reader import Reader, Steps
from .resume import agree, remember_base
from .schema import SCHEMA_VERSION
from .settings import Tenant, find_setting
from .state import check_state, read_committed_state, read_state

log = logging.getLogger("metastudio")

DEFAULTS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG": '{"memory_limit": "80MB", "threads": 1}',  # it takes all it finds
    "LOAD__TRUNCATE_STAGING_DATASET": "true",  # 24 MB per 100,000 rows stay behind otherwise
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}
"""What we set of dlt's own configuration where the user's environment does not."""

SCHEMA_ATTEMPTS = 5
"""Two pipelines can meet at the dataset, at its tables and at a new column; each time one of them gets through."""

LOADING = threading.Lock()
"""Held by whoever loads: tenants that are synced at a time in one process make the same tables and write to the same file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which pipeline, into which destination and dataset, and for which of several tenants."""

    pipeline: str = "metastudio"
    destination: str = "duckdb"
    dataset: str = "metastudio"
    tenant: str | None = None

    @property
    def name(self) -> str:
        """The name of the dlt pipeline: each tenant has one of its own, and with it state, lock and staging tables."""
        return f"{self.pipeline}_{self.tenant}" if self.tenant else self.pipeline


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a run did, in the words and order of `interface.md`."""

    command: str
    ok: bool = False
    mode: str | None = None
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    windows: int = 0
    rows_read: int = 0
    rows_loaded: int = 0
    rejected: int = 0
    marked_deleted: int = 0
    watermark: str | None = None
    seconds: float = 0.0
    load_ids: list[str] = field(default_factory=list)
    error: dict[str, str | None] | None = None

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


class Watcher(Protocol):
    """Who shows a run's progress."""

    def start(self, tenant: Tenant, reader: Reader) -> None: ...

    def loaded(self, summary: Summary, chunk: Chunk) -> None: ...


def set_defaults() -> None:
    """Set what we set of dlt's configuration; to be called before dlt reads any, for its telemetry starts when it does."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def open_pipeline(options: Options) -> dlt.Pipeline:
    """Make the dlt pipeline; nothing is asked or written yet.

    Raises:
        ConfigurationError: dlt does not know the destination, or misses a part of its settings.
    """
    set_defaults()
    try:
        if options.destination == "duckdb":
            allow_same_names()
        return dlt.pipeline(options.name, destination=make_destination(options), dataset_name=options.dataset)
    except (ConfigurationException, PipelineStepFailed, ValueError, ImportError) as error:
        raise explain(error) from None


def open_whole(options: Options) -> dlt.Pipeline:
    """Make the dlt pipeline; a local state that a crash left half written or half deleted is dropped: the destination holds it, too.

    Raises:
        ConfigurationError: as `open_pipeline`.
    """
    try:
        pipeline = open_pipeline(options)
        if pipeline.default_schema_name:
            _ = pipeline.default_schema
        return pipeline
    except Exception as error:
        if is_expected(error):
            raise
        log.warning("The local state cannot be read: going on from what the destination holds.")
        shutil.rmtree(Path(get_dlt_pipelines_dir()) / options.name)
        return open_pipeline(options)


def make_destination(options: Options) -> Any:
    """Give dlt's destination, with staging tables of this pipeline's own: two that load one table at a time would mix them up.

    DuckDB's file is named from the working directory: dlt would go on using that of the pipeline's first run.
    """
    given: dict[str, Any] = {}
    sections = ("destination", f"destination.{options.destination}")
    if all(find_setting(f"{section}.staging_dataset_name_layout") is None for section in sections):
        given["staging_dataset_name_layout"] = f"%s_staging_{options.name}"
    if options.destination == "duckdb":
        file = find_setting("destination.duckdb.credentials") or f"{options.pipeline}.duckdb"
        if isinstance(file, str) and ":" not in file:
            given["credentials"] = str(Path(file).absolute())
    return dlt.destination(options.destination, **given)


def open_synced(options: Options, *, of_any_release: bool = False) -> tuple[Destination, State]:
    """Open the destination of a pipeline that synced before, to read from it, with the state that was committed there.

    Raises:
        ConfigurationError: nothing was synced yet, the destination cannot be opened, or it was written by an older release.
    """
    pipeline = open_pipeline(options)
    try:
        state = read_committed_state(pipeline) if exists(pipeline) else {}
        if state and not pipeline.default_schema_name:
            pipeline.sync_destination()
    except Exception as error:
        raise explain(error) from None
    if "identity" not in state:
        raise ConfigurationError("Nothing was synced here yet.", hint="Run metastudio sync first.")
    is_older = state.get("schema_version", 1) < SCHEMA_VERSION
    if is_older and not of_any_release:
        raise ConfigurationError(
            "The tables are as an older release wrote them.", hint="Run metastudio sync first, which takes them over."
        )
    identity = state["identity"]
    app_user_id = None if is_older else identity["app_user_id"]  # version 1 has no column for it
    return Destination(pipeline, str(identity["project_id"]), app_user_id), state


def exists(pipeline: dlt.Pipeline) -> bool:
    """Tell whether there is a DuckDB file, which to ask would make; any other destination tells by itself."""
    database = getattr(pipeline.destination_client().config.credentials, "database", None)
    return (
        pipeline.destination.destination_type != "dlt.destinations.duckdb"
        or database is None
        or Path(database).exists()
    )


@contextmanager
def lock_pipeline(options: Options) -> Iterator[None]:
    """Hold the pipeline for one run.

    Raises:
        BusyError: another run holds it.
    """
    folder = Path(get_dlt_pipelines_dir())
    lock = FileLock(folder / f"{options.name}.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise BusyError(
            f"Another run of the pipeline {options.name} is under way.",
            hint="Nothing was touched; the next scheduled run will do.",
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"The state directory cannot be written: {error.strerror}.",
            hint="Make it writable, or set DLT_DATA_DIR to one that is.",
        ) from None
    try:
        yield
    finally:
        lock.release()


class PipelineRun:
    """One run of a command that loads: resumes what is pending, then loads chunk after chunk."""

    def __init__(self, summary: Summary, options: Options, watcher: Watcher, tenant: Tenant) -> None:
        self.tenant = tenant
        self.summary = summary
        self.pipeline = open_whole(options)
        self.destination = Destination(self.pipeline, tenant.project_id, tenant.app_user_id)
        self.state: State = {}
        self._watcher = watcher
        self._rejected: set[str] = set()
        self._run_id = uuid.uuid4().hex

    def prepare(self) -> None:
        """Bring the local state and the destination's together, load what is pending, and check whose state it is."""
        agree(self.pipeline, self.destination, self._load_pending)
        self.state = read_state(self.pipeline)
        check_state(self.state, self.tenant)
        if self.state.get("schema_version") == 1 and self.tenant.app_user_id:
            self.destination.name_app_user()
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
                self._load_chunk(chunk, reader.go_on)
        except IncompleteError as error:
            if isinstance(error.record, WindowRecord):
                self._load_chunk(Chunk(mode=error.record.mode, windows=[error.record], state=self.state), reader.go_on)
            raise
        finally:
            self._count_requests(reader)

    def _load_chunk(self, chunk: Chunk, go_on: Callable[[], None]) -> None:
        rows = 0 if self._add_to_ledger(chunk) else self._load_package(chunk, go_on)
        self.state = chunk.state
        self.summary.add(chunk, rows)
        self.summary.rejected = len(self._rejected)
        self._watcher.loaded(self.summary, chunk)
        if self.summary.rejected > self.tenant.max_rejected:
            raise IncompleteError(
                f"{self.summary.rejected} records were rejected, more than max_rejected.",
                hint="Look into the table rejected_records for the reasons; raise max_rejected if they are harmless.",
            )

    def _add_to_ledger(self, chunk: Chunk) -> bool:
        """Where a chunk brings nothing new, write its lines of the ledger alone: a load package costs a third of a second."""
        is_new = chunk.rejected or chunk.vanished or len(chunk.seen) > len(chunk.rows) or chunk.state != self.state
        if is_new or self.state.get("schema_version") != SCHEMA_VERSION or not self.destination.holds(chunk.rows):
            return False
        lines = make_ledger(chunk.windows, self.tenant.origin, self._run_id, self.summary.windows + 1)
        with LOADING:
            return self.destination.add_windows(lines)

    def _load_package(self, chunk: Chunk, go_on: Callable[[], None]) -> int:
        """Load a chunk as one package; give the number of its rows."""
        import pyarrow as pa

        from .source import make_source

        go_on()  # while this chunk is loaded, the next one is read
        numbered = [(self.summary.windows + 1, chunk)]
        source = make_source(self.tenant, self._run_id, lambda: numbered, self.destination)
        contract: Any = {"columns": self.tenant.schema_contract}
        remember_base(self.pipeline, self.destination)
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
                is_schema = any(isinstance(cause, SchemaUpdateError) for cause in find_causes(error))
                if not is_schema or attempt == SCHEMA_ATTEMPTS:
                    raise
                log.debug("Another pipeline seems to change the same tables: trying again.")

    def _count_requests(self, reader: Reader) -> None:
        if reader.client is not None:
            stats = reader.client.stats
            self.summary.requests += stats.requests
            self.summary.retries += stats.retries
            self.summary.throttled += stats.throttled
