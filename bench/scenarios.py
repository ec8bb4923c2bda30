"""The scenarios: which peers do what against which tenant, round after round.

A scenario yields the records of one whole round at a time. Within a round the peers take turns, in
an order that rotates with each round, so that disturbances of the machine affect all of them.
To add a scenario, write its function, list the function in `SCENARIOS`, and show its figures in
`tables.py` and `targets.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from bench.paths import ROOT, WORK
from bench.peers import BASELINE, DLT, DLT_PARQUET, METASTUDIO, ON_POSTGRES, Peer
from bench.postgres import PostgresServer
from bench.runner import Runner
from bench.simulation import Simulation
from bench.sizes import LATENCY, PAIRS, QUOTA, Sizes

HOUR = 3600
DAY = 24 * HOUR

Round = list[dict[str, Any]]
Rounds = Iterator[Round]


def _rotate(peers: Sequence[Peer], number: int) -> list[Peer]:
    first = number % len(peers)
    return [*peers[first:], *peers[:first]]


def _measure_initial(runner: Runner, peers: Sequence[Peer], step: str, *, quota: int | None = None) -> Round:
    records = []
    for peer in peers:
        runner.reset(peer)
        records.append(runner.measure(peer, step, quota=quota))
    return records


def _measure_idle(runner: Runner, step: str) -> dict[str, Any]:
    runner.change("advance", seconds=HOUR)
    return runner.measure(METASTUDIO, step)


def sync(sizes: Sizes, rounds: range, peers: list[Peer]) -> Rounds:
    """Measure all peers on the small tenant.

    The steps are an initial sync, a sync of late updates and new jobs, a sync without changes, and
    an initial sync at 50 ms.
    """
    with Runner("sync", sizes.small) as runner:
        for number in rounds:
            order = _rotate(peers, number)
            records = _measure_initial(runner, order, "initial 0 ms")
            order = [peer for peer, record in zip(order, records, strict=True) if not record["exit"]]
            runner.change("add_changes", seconds=DAY, new=sizes.new, updates=sizes.updates)
            records += [runner.measure(peer, "changes") for peer in order]
            runner.change("advance", seconds=HOUR)
            records += [runner.measure(peer, "idle") for peer in order]
            runner.change("set", latency_seconds=LATENCY)
            records += _measure_initial(runner, order, "initial 50 ms")
            runner.change("set", latency_seconds=0)
            yield records


def large(sizes: Sizes, rounds: range, peers: list[Peer]) -> Rounds:
    """Measure initial syncs of the large tenant, without latency and, without dlt, at 50 ms."""
    near = [peer for peer in (METASTUDIO, BASELINE, DLT, DLT_PARQUET) if peer in peers]
    far = [peer for peer in (METASTUDIO, BASELINE) if peer in peers]
    with Runner("large", sizes.large) as runner:
        for number in rounds:
            records = _measure_initial(runner, _rotate(near, number), "initial 0 ms")
            runner.change("set", latency_seconds=LATENCY)
            records += _measure_initial(runner, _rotate(far, number), "initial 50 ms")
            runner.change("set", latency_seconds=0)
            yield records


def quota(sizes: Sizes, rounds: range, peers: list[Peer]) -> Rounds:
    """Measure initial syncs with a quota; the baseline reads the small tenant only."""
    both = [peer for peer in (METASTUDIO, BASELINE) if peer in peers]
    with (
        Runner("quota-small", sizes.small) as small,
        Runner("quota-large", sizes.large) as large,
    ):
        for runner in (small, large):
            runner.change("set", quota_per_second=QUOTA, latency_seconds=LATENCY)
        for number in rounds:
            records = _measure_initial(small, _rotate(both, number), "quota small", quota=QUOTA)
            yield records + _measure_initial(large, [METASTUDIO], "quota large", quota=QUOTA)


def growth(sizes: Sizes, rounds: range, _peers: list[Peer]) -> Rounds:
    """Measure backfill, a sync without changes and the state for histories of growing length."""
    with ExitStack() as stack:
        runners = {jobs: stack.enter_context(Runner(f"growth-{jobs}", jobs)) for jobs in sizes.growth}
        for _ in rounds:
            records = []
            for jobs, runner in runners.items():
                records += _measure_initial(runner, [METASTUDIO], f"backfill {jobs}")
                idle = _measure_idle(runner, f"idle {jobs}")
                state = runner.folder / METASTUDIO.name / "dlt" / "pipelines" / "metastudio" / "state.json"
                records.append(idle | {"state_bytes": state.stat().st_size})
            yield records


def tenants(sizes: Sizes, rounds: range, _peers: list[Peer]) -> Rounds:
    """Measure one tenant and many in one process: initial sync, then two syncs without changes."""
    with ExitStack() as stack:
        runners = {
            count: stack.enter_context(Runner(f"tenants-{count}", sizes.tenant_jobs, count))
            for count in (1, sizes.tenants)
        }
        for _ in rounds:
            records = []
            for count, runner in runners.items():
                records += _measure_initial(runner, [METASTUDIO], f"initial {count}")
                records.append(_measure_idle(runner, f"idle {count}"))
                records.append(_measure_idle(runner, f"idle again {count}"))
            yield records


def startup(sizes: Sizes, rounds: range, _peers: list[Peer]) -> Rounds:
    """Measure syncs without changes as whole processes, each paired with `python -c "import dlt"`.

    The first sync without changes that follows changes is measured once a round, later ones
    `PAIRS` times.
    """
    with Runner("startup", sizes.small) as runner:
        runner.measure(METASTUDIO, "initial")
        for _ in rounds:
            runner.change("add_changes", seconds=DAY, new=sizes.new, updates=sizes.updates)
            runner.measure(METASTUDIO, "changes")
            runner.change("advance", seconds=HOUR)
            records = []
            for idle in ("first idle", *["idle"] * PAIRS):
                imported = runner.measure_command((sys.executable, "-c", "import dlt"), METASTUDIO)
                records.append({"step": f"import dlt, {idle}", "peer": "python", **imported})
                records.append(runner.measure(METASTUDIO, idle))
            yield records


def postgres(sizes: Sizes, rounds: range, _peers: list[Peer]) -> Rounds:
    """Measure initial syncs of the large tenant into DuckDB and into PostgreSQL."""
    with (
        PostgresServer(WORK / "postgres-server") as server,
        Runner("postgres", sizes.large, postgres=server) as runner,
    ):
        for number in rounds:
            yield _measure_initial(runner, _rotate((METASTUDIO, ON_POSTGRES), number), "initial 0 ms")


def ceiling(sizes: Sizes, rounds: range, _peers: list[Peer]) -> Rounds:
    """Measure the simulator: pages a second to clients that ignore their content."""
    client = str(ROOT / "bench" / "bare_client.py")
    with Simulation(sizes.large) as simulation:
        tenant = simulation.tenants[0]
        for _ in rounds:
            records = []
            for connections in (1, 4, 16):
                numbers = map(str, (sizes.large, sizes.ceiling_pages, connections))
                command = [sys.executable, client, tenant.url, tenant.project_id, tenant.token, *numbers]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                records.append({"step": f"ceiling {connections}", "peer": "bare", "exit": 0, **json.loads(done.stdout)})
            yield records


SCENARIOS: dict[str, Callable[[Sizes, range, list[Peer]], Rounds]] = {
    "ceiling": ceiling,
    "startup": startup,
    "sync": sync,
    "large": large,
    "quota": quota,
    "growth": growth,
    "tenants": tenants,
    "postgres": postgres,
}
"""The scenarios, in the order in which they run."""

NEED_PEERS = ("sync", "large", "quota")


def rehearse(peer: Peer) -> str | None:
    """Run a peer once on 200 jobs to fill the caches; return what is wrong, or None."""
    with Runner("rehearsal", 200) as runner:
        record = runner.measure(peer, "rehearsal")
    return f"does not run (.bench/results/logs/rehearsal-{peer.name}.log)" if record["exit"] else None
