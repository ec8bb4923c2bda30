"""Dagster's UI on a simulated tenant that lives on: what `make dagster` runs. It starts from nothing each time, under `.demo`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from metastudio_simulator import Simulator

from metastudio.cli.demo import JOBS, QUOTA, SEED, STATE, configure

HOME = STATE / "dagster"
PORT = 3000
PATIENCE_SECONDS = 30
PYTHON = (sys.executable, "-m")


def run_dagster_demo() -> int:
    """Serve Dagster's UI until interrupted (Ctrl-C), and leave no process behind."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    with Simulator(jobs=JOBS, days=400, seed=SEED, living=True) as sim:
        sim.behavior.quota_per_second = QUOTA
        configure(sim, HOME.resolve() / "videos.duckdb", HOME / "dlt")
        os.environ |= {"DAGSTER_HOME": str(HOME.resolve()), "SOURCES__METASTUDIO__SCHEDULE": "* * * * *"}
        subprocess.run([*PYTHON, "metastudio.orchestration"], check=True)
        port = find_port(PORT)
        sys.stdout.write(
            f"A simulated tenant with {JOBS:,} jobs is at {sim.url}; Dagster syncs it every minute.\n"
            f"Open http://127.0.0.1:{port} once Dagster serves it, in some seconds. Ctrl-C ends it.\n"
        )
        sys.stdout.flush()
        return serve(port)


def find_port(wanted: int) -> int:
    """Give this port of loopback, or a free one where it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(port: int) -> int:
    """Run `dagster dev` in a session of its own: it is told once to end, and whatever it then leaves is ended too."""
    address = ("-h", "127.0.0.1", "-p", str(port))
    dagster = subprocess.Popen(
        [*PYTHON, "dagster", "dev", "-m", "metastudio.orchestration", *address], start_new_session=True
    )
    try:
        return dagster.wait()
    except KeyboardInterrupt:
        dagster.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            dagster.wait(PATIENCE_SECONDS)
        return 0
    finally:
        end_session(dagster.pid)


def end_session(leader: int) -> None:
    """End what is left of a session."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started this in the background, deaf to Ctrl-C
        signal.signal(number, _terminate)
    try:
        sys.exit(run_dagster_demo())
    except KeyboardInterrupt:
        sys.exit(0)
