"""`make dagster`: Dagster's UI on a simulated tenant, starting from an empty folder."""

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

from metastudio.commands.demo_tenant import JOBS, STATE, serve_tenant

HOME = STATE / "dagster"
PORT = 3000
STOP_SECONDS = 30
PYTHON = (sys.executable, "-m")


def run_dagster_demo() -> int:
    """Serve Dagster's UI until Ctrl-C, and leave no process behind."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    with serve_tenant(database=HOME.resolve() / "videos.duckdb", data_dir=HOME / "dlt", living=True) as sim:
        os.environ |= {"DAGSTER_HOME": str(HOME.resolve()), "SOURCES__METASTUDIO__SCHEDULE": "* * * * *"}
        subprocess.run([*PYTHON, "metastudio.orchestration"], check=True)
        port = find_port(PORT)
        sys.stdout.write(
            f"A simulated tenant with {JOBS:,} jobs is at {sim.url}; Dagster syncs it every minute.\n"
            f"Open http://127.0.0.1:{port} in some seconds, when Dagster serves it. Press Ctrl-C to stop.\n"
        )
        sys.stdout.flush()
        return serve(port)


def find_port(wanted: int) -> int:
    """Return this port of the loopback address, or a free port if it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(port: int) -> int:
    """Run `dagster dev` in its own session, so that all its processes can be stopped together."""
    address = ("-h", "127.0.0.1", "-p", str(port))
    dagster = subprocess.Popen(
        [*PYTHON, "dagster", "dev", "-m", "metastudio.orchestration", *address], start_new_session=True
    )
    try:
        return dagster.wait()
    except KeyboardInterrupt:
        dagster.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            dagster.wait(STOP_SECONDS)
        return 0
    finally:
        end_session(dagster.pid)


def end_session(leader: int) -> None:
    """Kill the remaining processes of a session."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # background jobs of a shell ignore SIGINT
        signal.signal(number, _terminate)
    try:
        sys.exit(run_dagster_demo())
    except KeyboardInterrupt:
        sys.exit(0)
