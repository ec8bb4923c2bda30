"""Runs the simulator in the foreground, for `metastudio simulate`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable

from metastudio_simulator.simulator import Simulator
from metastudio_simulator.timestamps import Instant

_STARTED = """\
MetaStudio simulator: {jobs} jobs of the last {days:g} days at {url}, until interrupted.
To sync from it:

export SOURCES__METASTUDIO__ENDPOINT={url}
export SOURCES__METASTUDIO__PROJECT_ID={project_id}
export SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY={access_key}
export SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY={secret_key}"""
_STOPPED = "MetaStudio simulator: stopped."


def serve(
    port: int,
    jobs: int,
    seed: int = 1,
    *,
    days: float = 400,
    now: Instant | None = None,
    living: bool = True,
    quota_per_second: float | None = None,
    latency_seconds: float = 0.0,
    write: Callable[[str], object] | None = None,
) -> None:
    """Serve a simulated tenant until interrupted (Ctrl-C), and return.

    Args:
        port: the port; 0 for a free one.
        living: whether jobs of the tenant progress by themselves.
        write: is called with the settings to sync from it once the server listens, and with a line
            when it stops; by default, it writes to the standard output. The other arguments are
            those of `Simulator` and `Behavior`.

    Raises:
        OSError: the port is taken.
    """
    write = write or _write
    try:
        with Simulator(jobs, days, seed, now=now, port=port, living=living) as sim:
            sim.behavior.merge({"quota_per_second": quota_per_second, "latency_seconds": latency_seconds})
            write(_describe(sim, jobs, days))
            threading.Event().wait()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C finds nothing left to stop
        write(_STOPPED)


def _describe(sim: Simulator, jobs: int, days: float) -> str:
    keys = {"access_key": sim.access_key, "secret_key": sim.secret_key}
    return _STARTED.format(jobs=jobs, days=days, url=sim.url, project_id=sim.project_id, **keys)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
