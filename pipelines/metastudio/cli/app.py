"""The commands of `docs/cli.md`: reads options, calls what does the work, writes the outcome, ends with its exit code. No logic."""

from __future__ import annotations

import functools
import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from metastudio.errors import ConfigurationError, MetaStudioError

if TYPE_CHECKING:
    from metastudio.commands.load import CommandResult
    from metastudio.commands.progress import LogProgress
    from metastudio.pipeline.options import Options


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="metastudio")
def cli() -> None:
    """Bring the video-production jobs of Huawei Cloud MetaStudio into DuckDB or a warehouse."""


def on_pipeline(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all commands on a pipeline share, as `options` and `as_json`."""

    @functools.wraps(command)
    def run(config_dir: Path | None, verbose: int, as_json: bool, **given: Any) -> Any:
        set_up(config_dir, verbose)
        from metastudio.config.unknown_settings import warn_of_unknown_settings
        from metastudio.error_mapping import to_metastudio_error
        from metastudio.pipeline.options import Options, set_defaults

        set_defaults()
        options = Options(**{name: given.pop(name) for name in ("pipeline", "destination", "dataset", "tenant")})
        try:
            warn_of_unknown_settings()
            return command(options=options, as_json=as_json, **given)
        except Exception as error:
            explained = to_metastudio_error(error)
            if as_json:
                click.echo(json.dumps({"command": command.__name__, "ok": False, "error": explained.as_dict()}))
            raise explained from None

    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    for option in (
        click.option("-v", "--verbose", count=True, help="Log more; twice: every request"),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line"),
        click.option("--dataset", default="metastudio", show_default=True, help="Dataset (schema) of the tables"),
        click.option("--destination", default="duckdb", show_default=True, help="One of dlt's destinations"),
        click.option("--tenant", help="One of the setting tenants; all of them without it"),
        click.option("--pipeline", default="metastudio", show_default=True, help="Name of the pipeline"),
        click.option("--config-dir", type=folder, help="Folder with secrets.toml and config.toml, or with .dlt in it"),
    ):
        run = option(run)
    return run


def set_up(config_dir: Path | None = None, verbose: int = 0) -> None:
    """Point dlt to its configuration, before it is imported, and the log to the standard error."""
    if config_dir is not None:
        holds_settings = any((config_dir / name).exists() for name in ("secrets.toml", "config.toml"))
        os.environ["DLT_CONFIG_FOLDER" if holds_settings else "DLT_PROJECT_DIR"] = str(config_dir.resolve())
    for folder in (config_dir, config_dir and config_dir / ".dlt", Path(".dlt"), Path("~/.dlt").expanduser()):
        secrets = folder and folder / "secrets.toml"
        if secrets and secrets.exists() and secrets.stat().st_mode & 0o077:
            sys.stderr.write(f"Warning: {secrets} can be read by others. Protect it: chmod 600 {secrets}\n")
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("metastudio").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    os.environ.setdefault("RUNTIME__LOG_LEVEL", "WARNING" if verbose else "CRITICAL")  # dlt's own, besides our errors


def watch(work: Callable[[Any], Any], as_json: bool) -> NoReturn:
    """Do a command's work under a progress display, write its outcome, and end with its exit code."""
    from metastudio.cli.output import run_with_progress

    outcome = run_with_progress(work, as_json=as_json)
    sys.exit(outcome.error.exit_code if outcome.error else 0)


@cli.command()
@on_pipeline
def sync(options: Options, as_json: bool) -> None:
    """Bring the destination up to date: everything on the first run, the changes after."""
    from metastudio.commands.tenants import sync_tenants

    watch(lambda watcher: sync_tenants(options, watcher), as_json)


@cli.command()
@click.option("--since", required=True, help="Start of the create_time range, e.g. 2024-01-31; UTC without a zone")
@click.option("--until", help="End of the range, itself left out; now without it")
@on_pipeline
def backfill(options: Options, as_json: bool, since: str, until: str | None) -> None:
    """Read a create_time range again, in committed chunks; the watermark stays."""
    from metastudio.commands.load import run_backfill
    from metastudio.commands.tenants import run_tenants

    def work(one: Options, watcher: LogProgress) -> CommandResult:
        return run_backfill(one, watcher, since, until)

    watch(lambda watcher: run_tenants("backfill", options, watcher, work), as_json)


@cli.command()
@click.option("--dry-run", is_flag=True, help="Only tell; exit 5 where something differs")
@on_pipeline
def audit(options: Options, as_json: bool, dry_run: bool) -> None:
    """Prove the destination equal to the API, or mend it; mark the jobs that vanished."""
    from metastudio.commands.load import run_audit
    from metastudio.commands.tenants import run_tenants

    def work(one: Options, watcher: LogProgress) -> CommandResult:
        return run_audit(one, watcher, repair=not dry_run)

    watch(lambda watcher: run_tenants("audit", options, watcher, work), as_json)


@cli.command()
@on_pipeline
def check(options: Options, as_json: bool) -> None:
    """Look at configuration, credentials, network, clock and quota, and say what to do; writes nothing."""
    from metastudio.commands.check import show_check
    from metastudio.commands.tenants import list_options

    sys.exit(show_check([one.tenant for one in list_options(options)], as_json=as_json))


@cli.command()
@on_pipeline
def status(options: Options, as_json: bool) -> None:
    """Show the watermark, the last runs, tables, open jobs and pending packages."""
    from metastudio.commands.status import show_status
    from metastudio.commands.tenants import list_options

    sys.exit(show_status(list_options(options), as_json=as_json))


@cli.command()
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one self-contained page instead")
@on_pipeline
def report(options: Options, as_json: bool, html: Path | None) -> None:
    """Show what was produced, what failed and why, and how long jobs wait and render."""
    from metastudio.cli.report import show_report
    from metastudio.commands.tenants import list_options

    show_report(list_options(options), as_json=as_json, html=html)


@cli.command()
@click.option("--time-zone", help="Zone in which a day begins, e.g. Asia/Shanghai; the one it had, or UTC, without it")
@on_pipeline
def models(options: Options, as_json: bool, time_zone: str | None) -> None:
    """Build and test the reporting models; sync builds them by itself where they are missing or outdated."""
    from metastudio.cli.models import show_models
    from metastudio.commands.tenants import list_options

    sys.exit(show_models(list_options(options)[0], time_zone, as_json=as_json))


@cli.command()
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="Loopback port")
@click.option("--jobs", default=5000, show_default=True, type=click.IntRange(0, 10_000_000), help="Jobs to begin with")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Another one: another project and keys"
)
def simulate(port: int, jobs: int, seed: int) -> None:
    """Serve a simulated tenant, to try things without an account."""
    from metastudio_simulator import serve

    try:
        serve(port, jobs, seed, write=click.echo)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} cannot be used: {error.strerror}.", hint="Choose another --port."
        ) from None


@cli.command()
def demo() -> None:
    """Sync a simulated tenant twice into metastudio.duckdb and show the report."""
    set_up()
    from metastudio.cli.demo import run_demo

    run_demo()


class _Terminated(BaseException):
    """SIGTERM came."""


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def main() -> NoReturn:
    """Run the command line and end with an exit code of `docs/cli.md#exit-codes`, or 130 and 143 on Ctrl-C and SIGTERM."""
    gc.set_threshold(50_000)  # imports make many objects that stay: to look at them every 700 takes a tenth of the time
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except MetaStudioError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)
    except _Terminated:
        sys.stderr.write("Terminated: nothing is lost, the next run goes on.\n")
        _leave(143)
    except (KeyboardInterrupt, click.Abort) as error:
        code = 128 + getattr(error, "signal_code", signal.SIGINT)
        sys.stderr.write("Interrupted: nothing is lost, the next run goes on.\n")
        _leave(code)
    sys.exit(0)


def _leave(code: int) -> NoReturn:
    """End at once: what still works for other tenants may be killed at any moment, and is not waited for."""
    if any(thread.name.startswith("metastudio-tenant") for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
