"""The parts of the benchmark: which peers do what against which tenant, round after round.

A part is a generator that yields the records of one whole round at a time; within a round the peers take turns, in an
order that moves on with each round, so that what disturbs the machine disturbs them all.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from .measuring import Bench, Record, run
from .peers import DLT, FLOOR, OURS, PEERS_BY_NAME, Peer
from .places import ROOT
from .simulation import Simulation

HOUR = 3600
DAY = 24 * HOUR
QUOTA = 20
LATENCY = 0.05
PAIRS = 5


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many jobs, changes and tenants the parts work on."""

    small: int = 20_000
    large: int = 200_000
    updates: int = 500
    new: int = 50
    growth: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    tenants: int = 20
    tenant_jobs: int = 1_000
    ceiling_pages: int = 10_000


FULL = Sizes()
QUICK = Sizes(1_000, 3_000, 50, 5, (300, 1_000, 3_000), 3, 200, 1_000)

Rounds = Iterator[list[Record]]


def _turn(peers: Iterable[Peer], number: int) -> list[Peer]:
    """The peers in the order of this round."""
    order = list(peers)
    first = number % len(order)
    return order[first:] + order[:first]


def _initial(bench: Bench, peers: list[Peer], step: str, *, quota: int | None = None) -> list[Record]:
    records = []
    for peer in peers:
        bench.forget(peer)
        records.append(bench.measure(peer, step, quota=quota))
    return records


def sync(sizes: Sizes, rounds: range, peers: list[Peer]) -> Rounds:
    """All peers on the small tenant: initial sync, late updates and new jobs, nothing changed, initial sync at 50 ms."""
    with Simulation(sizes.small) as simulation, Bench(simulation, "sync") as bench:
        for number in rounds:
            order = _turn(peers, number)
            records = _initial(bench, order, "initial 0 ms")
            order = [peer for peer, record in zip(order, records, strict=True) if not record["exit"]]
            bench.change("work", seconds=DAY, new=sizes.new, updates=sizes.updates)
            records += [bench.measure(peer, "changes") for peer in order]
            bench.change("advance", seconds=HOUR)
            records += [bench.measure(peer, "idle") for peer in order]
            bench.change("set", latency_seconds=LATENCY)
            records += _initial(bench, order, "initial 50 ms")
            bench.change("set", latency_seconds=0)
            yield records


def large(sizes: Sizes, rounds: range, peers: list[Peer]) -> Rounds:
    """The large tenant: this project, the Arrow floor and dlt without latency, the first two at 50 ms."""
    with Simulation(sizes.large) as simulation, Bench(simulation, "large") as bench:
        for number in rounds:
            wanted = (OURS, FLOOR, DLT, PEERS_BY_NAME["dlt-parquet"])
            records = _initial(bench, _turn([one for one in wanted if one in peers], number), "initial 0 ms")
            bench.change("set", latency_seconds=LATENCY)
            records += _initial(bench, _turn([one for one in (OURS, FLOOR) if one in peers], number), "initial 50 ms")
            bench.change("set", latency_seconds=0)
            yield records


def quota(sizes: Sizes, rounds: range, peers: list[Peer]) -> Rounds:
    """Twenty requests a second: this project and the floor on the small tenant, this project on the large one."""
    with ExitStack() as stack:
        benches = []
        for jobs in (sizes.small, sizes.large):
            simulation = stack.enter_context(Simulation(jobs))
            benches.append(stack.enter_context(Bench(simulation, f"quota-{jobs}")))
            benches[-1].change("set", quota_per_second=QUOTA, latency_seconds=LATENCY)
        for number in rounds:
            both = _turn([one for one in (OURS, FLOOR) if one in peers], number)
            records = _initial(benches[0], both, "quota small", quota=QUOTA)
            yield records + _initial(benches[1], [OURS], "quota large", quota=QUOTA)


def growth(sizes: Sizes, rounds: range, _peers: list[Peer]) -> Rounds:
    """This project on histories of growing length: backfill, an idle sync, and the size of its state."""
    with ExitStack() as stack:
        simulations = {jobs: stack.enter_context(Simulation(jobs)) for jobs in sizes.growth}
        benches = {jobs: stack.enter_context(Bench(one, f"growth-{jobs}")) for jobs, one in simulations.items()}
        for _ in rounds:
            records = []
            for jobs, bench in benches.items():
                bench.forget(OURS)
                records.append(bench.measure(OURS, f"backfill {jobs}"))
                bench.change("advance", seconds=HOUR)
                state = bench.folder / OURS.name / "dlt" / "pipelines" / "metastudio" / "state.json"
                records.append(bench.measure(OURS, f"idle {jobs}") | {"state_bytes": state.stat().st_size})
            yield records


def tenants(sizes: Sizes, rounds: range, _peers: list[Peer]) -> Rounds:
    """This project with one tenant and with twenty, first sync and idle, one process for all of them."""
    with ExitStack() as stack:
        benches = {}
        for count in (1, sizes.tenants):
            simulation = stack.enter_context(Simulation(sizes.tenant_jobs, count))
            benches[count] = stack.enter_context(Bench(simulation, f"tenants-{count}"))
        for _ in rounds:
            records = []
            for count, bench in benches.items():
                bench.forget(OURS)
                records.append(bench.measure(OURS, f"initial {count}"))
                bench.change("advance", seconds=HOUR)
                records.append(bench.measure(OURS, f"idle {count}"))
            yield records


def startup(sizes: Sizes, rounds: range, _peers: list[Peer]) -> Rounds:
    """An idle sync as a whole process beside `python -c "import dlt"`, in pairs."""
    with Simulation(sizes.small) as simulation, Bench(simulation, "startup") as bench:
        bench.measure(OURS, "initial")
        bench.change("advance", seconds=HOUR)
        for number in rounds:
            records = []
            for pair in range(number * PAIRS, (number + 1) * PAIRS):
                imported = run((sys.executable, "-c", "import dlt"), bench.folder / OURS.name, {})
                records.append({"step": "import dlt", "peer": "import", "pair": pair, **imported})
                records.append(bench.measure(OURS, "idle") | {"pair": pair})
            yield records


def ceiling(sizes: Sizes, rounds: range, _peers: list[Peer]) -> Rounds:
    """What the simulator itself can do: pages a second to bare clients that throw them away."""
    with Simulation(sizes.large) as simulation:
        tenant = simulation.tenants[0]
        for _ in rounds:
            records = []
            for connections in (1, 4, 16):
                numbers = map(str, (sizes.large, sizes.ceiling_pages, connections))
                client = str(ROOT / "bench" / "bare_client.py")
                command = [sys.executable, client, tenant.url, tenant.project_id, tenant.token, *numbers]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                records.append({"step": f"ceiling {connections}", "peer": "bare", "exit": 0, **json.loads(done.stdout)})
            yield records


PARTS: dict[str, Callable[[Sizes, range, list[Peer]], Rounds]] = {
    "ceiling": ceiling,
    "startup": startup,
    "sync": sync,
    "large": large,
    "quota": quota,
    "growth": growth,
    "tenants": tenants,
}
"""In the order in which they are run."""

NEEDS_PEERS = ("sync", "large", "quota")


def rehearse(peer: Peer) -> str | None:
    """Run a peer once on a few jobs, for the caches and to see that it works; give what is wrong, None if nothing."""
    with Simulation(200) as simulation, Bench(simulation, "rehearsal") as bench:
        record = bench.measure(peer, "rehearsal")
    if record["exit"]:
        return f"does not run (.bench/results/logs/rehearsal-{peer.name}.log)"
    return None
