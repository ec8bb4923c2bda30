"""The simulator in the foreground: what `metastudio simulate` runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from .simulator import Simulator
from .times import Instant

_STARTED = """\
MetaStudio simulator: {jobs} jobs of the last {days:g} days at {url}, until interrupted.
To sync from it:

export SOURCES__METASTUDIO__ENDPOINT={url}
export SOURCES__METASTUDIO__PROJECT_ID={project_id}
export SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY={access_key}
export SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY={secret_key}"""


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
    """Serves a simulated tenant until interrupted (Ctrl-C).

    Args:
        port: 0 takes a free one.
        write: given one text, once the server listens: where it is and the settings to sync from it; by default it goes to
            the standard output.
        living: the tenant goes on working by itself; the remaining arguments as in `Simulator` and `Switches`.

    Raises:
        OSError: the port is taken.
    """
    with Simulator(jobs, days, seed, now=now, port=port, living=living) as sim:
        sim.switches.quota_per_second = quota_per_second
        sim.switches.latency_seconds = latency_seconds
        try:
            (write or _say)(_describe(sim, jobs, days))
            threading.Event().wait()
        except KeyboardInterrupt:
            return


def _describe(sim: Simulator, jobs: int, days: float) -> str:
    keys = {"access_key": sim.access_key, "secret_key": sim.secret_key}
    return _STARTED.format(jobs=jobs, days=days, url=sim.url, project_id=sim.project_id, **keys)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
