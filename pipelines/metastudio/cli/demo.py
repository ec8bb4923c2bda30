"""Shows the whole of it without an account: a simulated tenant, synced, left to work on, synced again, and the report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
from metastudio_simulator import Simulator
from rich.console import Console

from metastudio.cli.output import run_with_progress
from metastudio.cli.report import show_report
from metastudio.commands.demo_tenant import JOBS, QUOTA, SEED, STATE, configure
from metastudio.commands.load import CommandResult, run_audit, run_sync
from metastudio.commands.progress import LogProgress
from metastudio.errors import ConfigurationError
from metastudio.pipeline.options import Options

DATABASE = Path("metastudio.duckdb")
A_DAY = 86_400


def run_demo() -> None:
    """Run the demo in the working directory.

    Raises:
        ConfigurationError: there is a metastudio.duckdb that is not the demo's.
    """
    with Simulator(jobs=JOBS, days=400, seed=SEED) as sim:
        _clear(sim.project_id)
        sim.behavior.quota_per_second = QUOTA
        configure(
            endpoint=sim.url,
            project_id=sim.project_id,
            access_key=sim.access_key,
            secret_key=sim.secret_key,
            database=DATABASE,
            data_dir=STATE,
        )
        options = Options()
        _say(f"A simulated tenant with {JOBS:,} jobs of the last 400 days. First sync, at {QUOTA} requests a second:")
        _do(lambda watcher: run_sync(options, watcher))
        sim.tenant.live(A_DAY)
        _say("\nA day later there are new jobs, late changes of old ones, and some have vanished. Second sync:")
        _do(lambda watcher: run_sync(options, watcher))
        _say("\nDoes the destination equal the API? The audit marks what vanished there:")
        _do(lambda watcher: run_audit(options, watcher, repair=True))
        _say("\nThe report (metastudio report):")
        show_report([options], as_json=False)
        _say(f"\nThe tables are in {DATABASE}. Remove it before you sync an account of your own in this folder.")


def _clear(project_id: str) -> None:
    """Remove what an earlier demo left, and only that."""
    if DATABASE.exists():
        with duckdb.connect(str(DATABASE), read_only=True) as connection:
            projects = connection.sql(
                "SELECT DISTINCT project_id FROM metastudio.metastudio.digital_human_videos"
            ).fetchall()
        if projects != [(project_id,)]:
            raise ConfigurationError(
                f"There is a {DATABASE} here that is not the demo's.",
                hint="Move it away, or run the demo in another folder.",
            )
        DATABASE.unlink()
    shutil.rmtree(STATE, ignore_errors=True)


def _do(work: Callable[[LogProgress], CommandResult]) -> None:
    outcome = run_with_progress(work, as_json=False)
    if outcome.error is not None:
        raise outcome.error


def _say(text: str) -> None:
    Console(highlight=False).print(text, style="bold")
