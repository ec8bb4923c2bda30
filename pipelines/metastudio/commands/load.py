"""The commands that load: sync, backfill and audit, from settings to result."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from metastudio.commands.attempts import AttemptRecorder, record_attempt
from metastudio.commands.models import build_outdated, has_outdated_models
from metastudio.commands.publish import publish_changes
from metastudio.commands.result import LoadResult
from metastudio.config.tenant import Tenant, resolve_tenant
from metastudio.destination.comments import write_comments
from metastudio.destination.jobs import Destination
from metastudio.destination.lock import hold_lock
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError, IncompleteError
from metastudio.extraction.audit import Audit
from metastudio.extraction.backfill import read_again
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.sync import sync
from metastudio.extraction.types import OPEN_END, Emit, Window
from metastudio.pipeline.loader import ChunkLoader, ProgressListener
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options, set_defaults
from metastudio.timestamps import parse_user_time

log = logging.getLogger("metastudio")


def run_sync(
    options: Options, listener: ProgressListener, *, maintenance: bool = True, models: bool = True
) -> LoadResult:
    """Bring the destination up to date.

    Args:
        maintenance: whether to maintain what several tenants share: write missing descriptions of
            tables, build outdated models, and publish a copy of the file.
        models: whether `maintenance` builds outdated models.
    """
    result = LoadResult(command="sync", pipeline=options.name)
    with record_attempt(result, options) as recorder, _hold_pipeline(options) as tenant:
        with _open_loader(result, recorder, listener, tenant) as loader:
            loader.load(lambda run, emit: sync(run, loader.state, emit, reread=loader.reread))
            models = models and tenant.build_models
            is_outdated = maintenance and maintain(loader.destination, models=models)
        if is_outdated:  # gaps delay neither descriptions nor models
            build_outdated(loader.pipeline)
    if maintenance:
        publish_changes(options, result)
    return result


def maintain(destination: Destination, *, models: bool) -> bool:
    """Write missing descriptions of tables, and return whether the models must be built.

    dbt opens the destination by itself, so it must be closed before `build_outdated`.
    """
    write_comments(destination)
    return models and has_outdated_models(destination)


def run_backfill(
    options: Options, listener: ProgressListener, since: str, until: str | None, *, maintenance: bool = True
) -> LoadResult:
    """Read a range of creation times again, in committed chunks. The watermark stays.

    The range ends before `until`. The API keeps fractions of a second but accepts only whole
    seconds. The requested window therefore ends at `until` itself: the last job before `until` may
    be less than a second older.

    Args:
        maintenance: also publish a copy of the file.
    """
    result = LoadResult(command="backfill", pipeline=options.name)
    with (
        record_attempt(result, options) as recorder,
        _hold_pipeline(options) as tenant,
        _open_loader(result, recorder, listener, tenant) as loader,
    ):
        start, end = parse_user_time(since, "--since"), until and parse_user_time(until, "--until")
        if end and end <= start:
            raise ConfigurationError(
                "--until is not after --since.",
                hint="The range ends before --until: for a single day, give the next day.",
            )
        loader.require_synced()

        window = Window(start, end or OPEN_END)
        loader.load(lambda run, emit: read_again(run, window, loader.state, emit))
    if maintenance:
        publish_changes(options, result)
    return result


def run_audit(
    options: Options,
    listener: ProgressListener,
    *,
    repair: bool,
    allow_deletions: bool = False,
    maintenance: bool = True,
) -> LoadResult:
    """Compare the destination with the API, and repair what differs.

    Args:
        repair: whether to repair differences; if not, a difference is an error.
        allow_deletions: whether more than `max_deleted_share` of the jobs may be marked as deleted.
        maintenance: also publish a copy of the file.
    """
    result = LoadResult(command="audit", pipeline=options.name)
    with (
        record_attempt(result, options) as recorder,
        _hold_pipeline(options) as tenant,
        _open_loader(result, recorder, listener, tenant, set_aside=repair) as loader,
    ):
        loader.require_synced()

        async def read(run: ExtractionContext, emit: Emit) -> None:
            result.is_isolated = await loader.fetch_isolation()
            result.audit = Audit(run, loader.state, repair=repair, allow_deletions=allow_deletions)
            await result.audit.run(run.track(loader.state, emit))

        result.summary.mode = "audit"
        loader.load(read)
        if result.audit and not repair:
            _require_equal(result.audit)
    if maintenance:
        publish_changes(options, result)
    return result


def _require_equal(audit: Audit) -> None:
    findings = audit.findings
    unexplained = [
        each
        for each in audit.comparisons
        if each.api is not None and not -len(findings.not_listed) <= each.api - each.destination <= findings.unloadable
    ]
    if findings.differences or unexplained:
        raise IncompleteError(
            f"{findings.differences} jobs and {len(unexplained)} counts differ between the API and the destination.",
            hint="Run metastudio audit without --dry-run to repair them.",
        )


@contextmanager
def _hold_pipeline(options: Options) -> Iterator[Tenant]:
    """Hold a pipeline for this run, and return the tenant's settings."""
    set_defaults()
    tenant = resolve_tenant(options.tenant)
    with lock_pipeline(options):
        yield tenant


@contextmanager
def _open_loader(
    result: LoadResult,
    recorder: AttemptRecorder,
    listener: ProgressListener,
    tenant: Tenant,
    *,
    set_aside: bool = False,
) -> Iterator[ChunkLoader]:
    """Lock the destination for the whole run, and load what a killed run left behind.

    If the run is not complete after the block, the result gets an error.

    Args:
        set_aside: as in `ChunkLoader.prepare`.
    """
    loader = ChunkLoader(result.summary, recorder.options, listener, tenant, run_id=result.run_id)
    loader.pending_attempts = recorder.begin(tenant, loader.destination)
    with loader.destination.keep_connection(), hold_lock(loader.destination, "pipeline") as loader.require_lock:
        try:
            loader.prepare(set_aside=set_aside)
            yield loader
        except Exception as error:
            result.error = to_metastudio_error(error)
            recorder.end(loader)
            raise
        result.error = loader.find_incompleteness()
        _warn_if_nothing_matches(loader)
        recorder.end(loader)


def _warn_if_nothing_matches(loader: ChunkLoader) -> None:
    """Warn about filters that may be misspelled, because they never matched a job."""
    tenant = loader.tenant
    names = [*(["app_user_id"] if tenant.app_user_id else []), *tenant.filters]
    if names and not loader.destination.extent(tenant.start_date).rows:
        log.warning("No job matches %s: check the setting, unless there are no such jobs yet.", " and ".join(names))
