"""`python -m bench [--quick] [--rounds N] [--again] [SCENARIO …]`: measure, then write the page.

Rounds that were measured before are kept, unless the code has changed since. `page` as the only
scenario measures nothing and writes the page again. A quick run shows that the benchmark works;
its page goes to `.bench/quick/`. A page that lacks a scenario goes to `.bench/partial/`, so that
`docs/benchmark.md` is always complete.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from bench import environments
from bench.chart import draw
from bench.page import write_page
from bench.paths import BENCH, CHART, PAGE, RESULTS, WORK
from bench.peers import METASTUDIO, PEERS, Peer
from bench.results import ResultStore
from bench.scenarios import NEED_PEERS, SCENARIOS, rehearse
from bench.sizes import FULL, QUICK, Sizes

log = logging.getLogger("bench")
ROUNDS = 3


def find_peers() -> tuple[list[Peer], dict[str, str]]:
    """Build the environments and rehearse; return the peers that work, and why others do not."""
    wanted = dict.fromkeys(name for peer in PEERS for name in peer.environments)
    faults = {name: environments.build(name) for name in wanted}
    working, absent = [], {}
    for peer in PEERS:
        fault = next((faults[name] for name in peer.environments if faults[name]), None) or rehearse(peer)
        if fault is None:
            working.append(peer)
        else:
            absent[peer.name] = fault
            log.warning("%s %s", peer.title, fault)
    return working, absent


def measure(names: list[str], sizes: Sizes, store: ResultStore, rounds: int, *, again: bool) -> None:
    """Measure the missing rounds of each scenario."""
    done = {name: 0 if again else store.count_rounds(name) for name in names}
    missing = {name: range(count, rounds) for name, count in done.items() if count < rounds}
    peers = [METASTUDIO]
    if any(name in NEED_PEERS for name in missing):
        peers, absent = find_peers()
        store.write_absent(absent)
    elif missing:
        rehearse(METASTUDIO)
    for name, numbers in missing.items():
        if not numbers.start:
            store.begin(name)
        started = time.monotonic()
        for number, records in zip(numbers, SCENARIOS[name](sizes, numbers, peers), strict=True):
            store.add(name, records)
            log.info("%s: round %d of %d, %.0f s", name, number + 1, rounds, time.monotonic() - started)


def measure_alone(names: list[str], sizes: Sizes, store: ResultStore, rounds: int, *, again: bool) -> None:
    """Measure, unless another benchmark is running here. Remove what a killed one left behind."""
    BENCH.mkdir(exist_ok=True)
    try:
        with FileLock(BENCH / ".lock", timeout=0):
            shutil.rmtree(WORK, ignore_errors=True)
            measure(names, sizes, store, rounds, again=again)
    except Timeout:
        sys.exit("Another make bench is running in this folder. Wait until it has ended.")


def choose_folder(store: ResultStore, *, quick: bool) -> Path:
    """Return the folder for the page: `docs/` only for a full run of all scenarios."""
    measured = store.read_headers().keys()
    if not measured:
        sys.exit("Nothing has been measured yet. Run make bench first.")
    if quick:
        return BENCH / "quick"
    return PAGE.parent if measured >= SCENARIOS.keys() else BENCH / "partial"


def main() -> None:
    """Run the given scenarios, or all of them, and write the page."""
    parser = argparse.ArgumentParser(prog="make bench", description="Compare this project with other tools.")
    names = ", ".join(SCENARIOS)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"{names}; or page; default: all scenarios")
    parser.add_argument("--quick", action="store_true", help="a small run that only shows that the benchmark works")
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}, with --quick 1")
    parser.add_argument("--again", action="store_true", help="measure again what has been measured before")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - {*SCENARIOS, "page"}:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))} (choose from {names}, page)")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sizes, rounds = (QUICK, 1) if options.quick else (FULL, ROUNDS)
    store = ResultStore(RESULTS / "quick" if options.quick else RESULTS)
    chosen = [name for name in SCENARIOS if name in options.scenarios or not options.scenarios]
    if chosen:
        measure_alone(chosen, sizes, store, options.rounds or rounds, again=options.again)
    folder = choose_folder(store, quick=options.quick)
    folder.mkdir(parents=True, exist_ok=True)
    draw(store.read(), sizes, folder / CHART.name)
    write_page(store, sizes, folder / PAGE.name)
    log.info("Written: %s", folder / PAGE.name)


if __name__ == "__main__":
    main()
