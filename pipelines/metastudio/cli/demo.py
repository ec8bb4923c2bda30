"""Shows everything without an account: a simulated tenant is synced twice, audited and reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
from rich.console import Console

from metastudio.cli.output import describe_load, show_progress, write_out
from metastudio.cli.report import show_report
from metastudio.commands.demo_tenant import JOBS, QUOTA, STATE, serve_tenant
from metastudio.commands.load import run_audit, run_sync
from metastudio.commands.result import LoadResult
from metastudio.errors import ConfigurationError
from metastudio.pipeline.options import Options

DATABASE = Path("videos.duckdb")
A_DAY = 86_400


def run_demo() -> None:
    """Run the demo in the working directory.

    Raises:
        ConfigurationError: there is a videos.duckdb that is not the demo's.
    """
    with serve_tenant(database=DATABASE, data_dir=STATE) as sim:
        remove_earlier_demo(sim.project_id)
        options = Options()
        _say(f"A simulated tenant with {JOBS:,} jobs of the last 400 days. First sync, at {QUOTA} requests a second:")
        _sync(options)
        sim.tenant.live(A_DAY)
        _say("\nA day later there are new jobs, late changes of old ones, and some have vanished. Second sync:")
        _sync(options)
        _say("\nDoes the destination equal the API? The audit marks what vanished there:")
        _audit(options)
        _say("\nThe report (metastudio report):")
        show_report(options)
        _say(f"\nThe tables are in {DATABASE}. Remove it and {STATE} before you sync your own account in this folder.")


def remove_earlier_demo(project_id: str) -> None:
    """Remove what an earlier demo left, and nothing else.

    Raises:
        ConfigurationError: the database is not a demo's.
    """
    if DATABASE.exists():
        if _list_projects() != [project_id]:
            raise ConfigurationError(
                f"The {DATABASE} in this folder is not the demo's.", hint="Move it, or run the demo in another folder."
            )
        DATABASE.unlink()
    shutil.rmtree(STATE, ignore_errors=True)


def _list_projects() -> list[str]:
    with duckdb.connect(str(DATABASE), read_only=True) as connection:
        try:
            rows = connection.sql("SELECT DISTINCT project_id FROM metastudio.digital_human_videos").fetchall()
        except duckdb.CatalogException:
            return []
    return [project_id for (project_id,) in rows]


def _sync(options: Options) -> None:
    with show_progress() as progress:
        result = run_sync(options, progress)
    _write(result)


def _audit(options: Options) -> None:
    with show_progress() as progress:
        result = run_audit(options, progress, repair=True)
    _write(result)


def _write(result: LoadResult) -> None:
    if result.error is not None:
        raise result.error
    write_out(describe_load(result))


def _say(text: str) -> None:
    Console(highlight=False, markup=False, emoji=False).print(text, style="bold")
