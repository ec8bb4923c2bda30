"""What the commands that load do, from settings to summary; the command line and schedulers only call them and tell how they ended."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from metastudio.commands.models import build_outdated, has_outdated_models
from metastudio.config.settings import resolve_tenant
from metastudio.destination.comments import write_comments
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import iter_causes, to_metastudio_error
from metastudio.errors import ConfigurationError, IncompleteError, MetaStudioError
from metastudio.extraction.audit import Audit
from metastudio.extraction.backfill import read_again
from metastudio.extraction.context import ExtractionContext
from metastudio.extraction.sync import sync
from metastudio.extraction.types import OPEN_END, Chunk, Window
from metastudio.pipeline.loader import ChunkLoader, ProgressListener
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import Options, set_defaults
from metastudio.pipeline.summary import Summary
from metastudio.timestamps import parse_user_time

log = logging.getLogger("metastudio")

ALERT_FIRST = (1, 5, 3, 2, 4, 6)
"""Exit codes, the gravest first: what needs a person comes before what mends itself."""


@dataclass(slots=True)
class CommandResult:
    """How a command ended: its summary, the error it failed with, what an audit found."""

    summary: Summary
    error: MetaStudioError | None = None
    audit: Audit | None = None


class MultiTenantResult:
    """How a command ended for several tenants, by name."""

    def __init__(self, command: str, by_tenant: Mapping[str, CommandResult], seconds: float) -> None:
        self.by_tenant = by_tenant
        self.summary = Summary(command=command, seconds=seconds)
        summaries = [outcome.summary for outcome in by_tenant.values()]
        for name in (
            "requests",
            "retries",
            "throttled",
            "windows",
            "rows_read",
            "rows_loaded",
            "rejected",
            "marked_deleted",
            "gaps",
            "missing",
            "scrubbed",
            "scrub_changed",
        ):
            setattr(self.summary, name, sum(getattr(summary, name) for summary in summaries))
        self.summary.load_ids = [load_id for summary in summaries for load_id in summary.load_ids]
        self.error = self._sum_up_errors()
        self.summary.ok = self.error is None
        self.summary.error = self.error.as_dict() if self.error else None

    def _sum_up_errors(self) -> MetaStudioError | None:
        failed = {name: outcome.error for name, outcome in self.by_tenant.items() if outcome.error}
        if not failed:
            return None
        names = ", ".join(f"{name} (exit code {error.exit_code})" for name, error in failed.items())
        error = MetaStudioError(
            f"{len(failed)} of {len(self.by_tenant)} tenants failed: {names}.",
            hint="What to do stands above for each"
            + ("; the others are done." if len(failed) < len(self.by_tenant) else "."),
        )
        error.exit_code = min((each.exit_code for each in failed.values()), key=ALERT_FIRST.index)
        return error


def run_sync(options: Options, watcher: ProgressListener, *, upkeep: bool = True, models: bool = True) -> CommandResult:
    """Bring the destination up to date; without `upkeep`, the tables alone; without `models`, not the reporting models."""

    def work(run: ChunkLoader) -> Callable[[], None] | None:
        run.load(lambda reading: sync(reading, run.state))
        return run_maintenance(run.destination, models=models and run.tenant.build_models) if upkeep else None

    return _run("sync", options, watcher, work)


def run_maintenance(destination: Destination, *, models: bool) -> Callable[[], None] | None:
    """Write the tables' descriptions where they are missing; give what builds the reporting models where these are missing or outdated.

    It is to be called when the destination is closed: dbt opens it in its own way.
    """
    write_comments(destination)
    return partial(build_outdated, destination.pipeline) if models and has_outdated_models(destination) else None


def run_backfill(options: Options, watcher: ProgressListener, since: str, until: str | None) -> CommandResult:
    """Read a create_time range again, in committed chunks; the watermark stays."""

    def work(run: ChunkLoader) -> None:
        start, end = parse_user_time(since, "--since"), until and parse_user_time(until, "--until")
        if end and end <= start:
            raise ConfigurationError(
                "--until does not lie after --since.",
                hint="The range ends before --until: of one day, name the next one.",
            )
        run.require_synced()

        window = Window(start, end or OPEN_END)
        run.load(lambda reading: read_again(reading, window, run.state))

    return _run("backfill", options, watcher, work)


def run_audit(options: Options, watcher: ProgressListener, *, repair: bool) -> CommandResult:
    """Prove the destination equal to the API, or mend it; without `repair`, only tell.

    The outcome's audit holds the comparisons and findings. A difference that was only told of is an error.
    """
    audits: list[Audit] = []

    def work(run: ChunkLoader) -> None:
        run.require_synced()

        def steps(reading: ExtractionContext) -> AsyncIterator[Chunk]:
            audits.append(Audit(reading, run.state, repair=repair))
            return audits[0].chunks()

        run.summary.mode = "audit"
        run.load(steps)
        findings = audits[0].findings
        unexplained = [
            item
            for item in audits[0].comparisons
            if item.api is not None and not 0 <= item.api - item.destination <= len(findings.without_id)
        ]
        if not repair and (findings.differences or unexplained):
            raise IncompleteError(
                f"{findings.differences} jobs and {len(unexplained)} counts differ between the API and the destination.",
                hint="Run metastudio audit without --dry-run to mend them.",
            )

    outcome = _run("audit", options, watcher, work)
    outcome.audit = audits[0] if audits else None
    return outcome


def _run(
    command: str, options: Options, watcher: ProgressListener, work: Callable[[ChunkLoader], Callable[[], None] | None]
) -> CommandResult:
    """Do a command's work as the only run of its pipeline, then what it leaves to do, and sum it up, whatever happens."""
    outcome = CommandResult(Summary(command=command))
    started = time.monotonic()
    try:
        set_defaults()
        tenant = resolve_tenant(options.tenant)
        with lock_pipeline(options):
            run = ChunkLoader(outcome.summary, options, watcher, tenant)
            with run.destination.keep_connection():
                run.prepare()
                rest = work(run)
            if rest is not None:
                rest()
            run.require_complete()  # last, so that a gap holds up neither comments nor models
        outcome.summary.ok = True
    except Exception as error:
        for cause in iter_causes(error):
            if isinstance(cause, KeyboardInterrupt):  # also a SIGTERM that dlt held back until a job was done
                raise cause from None
        outcome.error = to_metastudio_error(error)
        outcome.summary.error = outcome.error.as_dict()
    finally:
        outcome.summary.seconds = round(time.monotonic() - started, 3)
    return outcome
