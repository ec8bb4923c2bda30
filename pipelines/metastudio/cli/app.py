"""The commands. Each reads its options, calls its function and exits with the exit code."""

from __future__ import annotations

import logging
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from metastudio.cli.environment import exit_process, prepare_process, set_up
from metastudio.cli.log import is_json, write_message
from metastudio.cli.options import on_pipeline
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import ConfigurationError, MetaStudioError, TerminatedError, find_exit_code
from metastudio.reporting.language import LANGUAGES

if TYPE_CHECKING:
    from metastudio.pipeline.options import Options

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="metastudio")
def cli() -> None:
    """Bring the video production jobs of Huawei Cloud MetaStudio into DuckDB or a warehouse."""


@cli.command(short_help="Bring the destination up to date")
@on_pipeline
def sync(options: Options, as_json: bool) -> None:
    """Bring the destination up to date: everything on the first run, the changes after that."""
    from metastudio.cli.output import describe_load, end, show_progress
    from metastudio.commands.tenants import sync_tenants

    with show_progress() as progress:
        result = sync_tenants(options, progress)
    end(result, describe_load, as_json=as_json)


@cli.command(short_help="Read a range of creation times again")
@click.option("--since", required=True, help="Start of the range, e.g. 2024-01-31; UTC without a zone")
@click.option("--until", help="End of the range: only jobs created before it are read; default: now")
@on_pipeline
def backfill(options: Options, as_json: bool, since: str, until: str | None) -> None:
    """Read a range of creation times again, in committed chunks; the watermark stays.

    The range begins with --since and ends before --until. January is 2024-01-01 to 2024-02-01.
    """
    from metastudio.cli.output import describe_load, end, show_progress
    from metastudio.commands.tenants import backfill_tenants

    with show_progress() as progress:
        result = backfill_tenants(options, progress, since, until)
    end(result, describe_load, as_json=as_json)


@cli.command(short_help="Compare the destination with the API and repair it")
@click.option("--dry-run", is_flag=True, help="Only compare; exit code 5 if something differs")
@click.option("--allow-deletions", is_flag=True, help="Mark more than max_deleted_share of the jobs as deleted")
@on_pipeline
def audit(options: Options, as_json: bool, dry_run: bool, allow_deletions: bool) -> None:
    """Compare the destination with the API, repair what differs, mark the jobs that vanished."""
    from metastudio.cli.output import describe_load, end, show_progress
    from metastudio.commands.tenants import audit_tenants

    with show_progress() as progress:
        result = audit_tenants(options, progress, repair=not dry_run, allow_deletions=allow_deletions)
    end(result, describe_load, as_json=as_json)


@cli.command(short_help="Test settings, destination, credentials and API")
@on_pipeline
def check(options: Options, as_json: bool) -> None:
    """Test configuration, destination, credentials, network, clock, quota and the API.

    Nothing is left behind, neither in the destination nor in the state directory.
    """
    from metastudio.cli.check import show_check

    sys.exit(show_check(options, as_json=as_json))


@cli.command(short_help="Show freshness, gaps, last runs and failures, and tables")
@click.option("--max-age", type=click.FloatRange(0), help="Exit code 5 if the last complete sync is older (in seconds)")
@click.option("--prometheus", type=_FILE, help="Write the figures to a file for Prometheus' textfile collector, too")
@on_pipeline
def status(options: Options, as_json: bool, max_age: float | None, prometheus: Path | None) -> None:
    """Show freshness, watermark, gaps, learned limits, last runs and failed attempts, and tables.

    For monitors: with --max-age, the exit code is 5 if the last complete sync is older, or if more
    jobs are missing in gaps than max_missing accepts.
    """
    from metastudio.cli.output import end
    from metastudio.cli.status import describe_status
    from metastudio.commands.status import run_status

    result = run_status(options, max_age)
    if prometheus is not None:
        from metastudio.cli.prometheus import write_metrics

        write_metrics(result, prometheus)
    end(result, describe_status, as_json=as_json)


@cli.command(short_help="Show what was produced and what failed")
@click.option("--html", type=_FILE, help="Write one self-contained page instead")
@click.option("--since", help="First day, e.g. 2026-01-01; default: 30 days before the end")
@click.option("--until", help="Last day, which is included; default: the day of the last sync")
@click.option("--project", help="Only the project with this ID")
@click.option("--language", type=click.Choice([*LANGUAGES]), help="Language of the report; default: the locale's")
@on_pipeline
def report(
    options: Options,
    as_json: bool,
    html: Path | None,
    since: str | None,
    until: str | None,
    project: str | None,
    language: str | None,
) -> None:
    """Show what was produced, what failed and why, and how long jobs wait and render.

    For several tenants, it shows an overview. The exit code is 5 if the figures are stale or not
    complete.
    """
    from metastudio.cli.report import show_report
    from metastudio.commands.report import ReportRequest

    request = ReportRequest(since=since, until=until, project=project, charts=html is not None)
    sys.exit(show_report(options, request, as_json=as_json, html=html, language=language))


@cli.command(short_help="Build and test the reporting models")
@click.option("--time-zone", help="Zone in which a day begins, e.g. Asia/Shanghai; default: as before, or UTC")
@click.option(
    "--sla-seconds",
    type=click.IntRange(1),
    help="How long a job may take from creation to end; default: as before, or 3600",
)
@click.option("--force", is_flag=True, help="Drop what somebody built on models whose columns change (PostgreSQL)")
@on_pipeline
def models(options: Options, as_json: bool, time_zone: str | None, sla_seconds: int | None, force: bool) -> None:
    """Build and test the reporting models; sync builds them if they are missing or outdated."""
    from metastudio.cli.models import describe_models
    from metastudio.cli.output import end
    from metastudio.commands.models import run_models
    from metastudio.commands.tenants import list_options

    end(run_models(list_options(options)[0], time_zone, sla_seconds, force=force), describe_models, as_json=as_json)


@cli.command(short_help="Delete old lines of the ledger")
@click.option("--older-than", "days", required=True, type=click.IntRange(1, 36_500), help="Age in days")
@click.option("--rejected", is_flag=True, help="Also delete old rejected records, once somebody has looked at them")
@click.option("--dry-run", is_flag=True, help="Only count")
@on_pipeline
def prune(options: Options, as_json: bool, days: int, rejected: bool, dry_run: bool) -> None:
    """Delete old lines of the ledger and old attempts, but nothing that a proof still needs.

    The newest complete window over each range of creation times stays, and so do the scans for
    changes since then.
    """
    from metastudio.cli.output import end
    from metastudio.cli.prune import describe_prune
    from metastudio.commands.prune import run_prune

    end(run_prune(options, days, rejected=rejected, dry_run=dry_run), describe_prune, as_json=as_json)


@cli.command(short_help="Serve a simulated tenant")
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="Loopback port")
@click.option("--jobs", default=5000, show_default=True, type=click.IntRange(0, 10_000_000), help="Jobs to begin with")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Each seed makes another tenant")
def simulate(port: int, jobs: int, seed: int) -> None:
    """Serve a simulated tenant and print the settings to sync from it."""
    from metastudio_simulator import serve

    try:
        serve(port, jobs, seed, write=click.echo)
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} cannot be used: {error.strerror}.", hint="Choose another --port."
        ) from None


@cli.command(short_help="Sync a simulated tenant and show the report")
def demo() -> None:
    """Sync a simulated tenant twice into videos.duckdb and show the report."""
    set_up()
    from metastudio.cli.demo import run_demo

    run_demo()


def main() -> NoReturn:
    """Run the command line, and exit with a code of `errors`, or 130 or 143 after a signal."""
    prepare_process()
    try:
        sys.exit(_run())
    except KeyboardInterrupt as interrupt:
        _end_interrupted(interrupt)


def _run() -> int:
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        _write_usage_error(error)
        return 2
    except Exception as error:  # click.Abort, too, which click raises for a KeyboardInterrupt
        mapped = to_metastudio_error(error)
        write_message(logging.ERROR, str(mapped))
        return mapped.exit_code
    return 0


def _end_interrupted(interrupt: KeyboardInterrupt) -> NoReturn:
    how = "Terminated" if isinstance(interrupt, TerminatedError) else "Interrupted"
    error = MetaStudioError(f"{how}: nothing is lost, the next run continues.")
    error.exit_code = exit_code = find_exit_code(interrupt)
    if is_json():
        write_message(logging.WARNING, error.message)
    else:
        sys.stderr.write(f"{error.message}\n")
    _write_json_error(next((name for name in sys.argv[1:] if name in cli.commands), "metastudio"), error)
    exit_process(exit_code)


def _write_usage_error(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    refused = ConfigurationError(error.format_message(), hint="See metastudio --help.")
    _write_json_error((context and context.info_name) or "metastudio", refused)


def _write_json_error(command: str, error: MetaStudioError) -> None:
    """Write an error that no command handled as JSON, if JSON was requested."""
    if "--json" not in sys.argv:
        return
    from metastudio.cli.output import write_json
    from metastudio.commands.result import CommandResult

    given = dict(pairwise(sys.argv))
    write_json(CommandResult(command=command, pipeline=given.get("--pipeline", "metastudio"), error=error).as_json())
