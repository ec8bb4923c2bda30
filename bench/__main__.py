"""`python -m bench [--quick] [--rounds N] [--again] [PART …]`: measures what is not measured yet, then writes the page.

`report` as the only part writes the page anew from what is kept. A quick run is a small one that proves that the harness
works; its page goes to `.bench/quick/` and says nothing about anybody's speed.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time

from filelock import FileLock, Timeout

from . import environments
from .chart import draw
from .parts import FULL, NEEDS_PEERS, PARTS, QUICK, Sizes, rehearse
from .peers import OURS, PEERS_BY_NAME, Peer
from .places import BENCH, CHART, PAGE, RESULTS, WORK
from .report import write
from .results import Store

log = logging.getLogger("bench")
LEAST_ROUNDS = 3


def find_peers() -> tuple[list[Peer], dict[str, str]]:
    """Build the environments and rehearse; give the peers that work, and why the others do not."""
    wanted = dict.fromkeys(name for peer in PEERS_BY_NAME.values() for name in peer.environments)
    faults = {name: environments.build(name) for name in wanted}
    working, absent = [], {}
    for peer in PEERS_BY_NAME.values():
        broken = next((fault for name in peer.environments if (fault := faults[name])), None) or rehearse(peer)
        if broken is None:
            working.append(peer)
        else:
            absent[peer.name] = broken
            log.warning("%s %s", peer.title, broken)
    return working, absent


def measure(parts: list[str], sizes: Sizes, store: Store, rounds: int, *, again: bool) -> None:
    """Measure the rounds that are missing of each part."""
    todo = {part: [] if again else store.rounds(part) for part in parts}
    todo = {part: done for part, done in todo.items() if len(done) < rounds}
    peers = [OURS]
    if any(part in NEEDS_PEERS for part in todo):
        peers, absent = find_peers()
        store.note_absent(absent)
    elif todo:
        rehearse(OURS)
    for part, done in todo.items():
        if not done:
            store.begin(part)
        started = time.monotonic()
        for number, records in enumerate(PARTS[part](sizes, range(len(done), rounds), peers), len(done) + 1):
            store.add(part, records)
            log.info("%s: round %d of %d, %.0f s", part, number, rounds, time.monotonic() - started)


def measure_alone(parts: list[str], sizes: Sizes, store: Store, rounds: int, *, again: bool) -> None:
    """Measure while no other bench of this folder does; what a killed one left behind is removed."""
    BENCH.mkdir(exist_ok=True)
    try:
        with FileLock(BENCH / ".lock", timeout=0):
            shutil.rmtree(WORK, ignore_errors=True)
            measure(parts, sizes, store, rounds, again=again)
    except Timeout:
        sys.exit("Another make bench is under way in this folder.")


def main() -> None:
    """Run the parts asked for, all by default, and write the page."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measures this project beside its peers.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or report")
    parser.add_argument("--quick", action="store_true", help="a small run that only proves that the harness works")
    parser.add_argument("--rounds", type=int, help=f"{LEAST_ROUNDS} by default, 1 with --quick")
    parser.add_argument("--again", action="store_true", help="measure anew what is measured already")
    options = parser.parse_args()
    if unknown := set(options.parts) - {*PARTS, "report"}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sizes, rounds = (QUICK, 1) if options.quick else (FULL, LEAST_ROUNDS)
    store = Store(RESULTS / "quick" if options.quick else RESULTS)
    page, chart = (BENCH / "quick" / PAGE.name, BENCH / "quick" / CHART.name) if options.quick else (PAGE, CHART)
    parts = [part for part in PARTS if part in options.parts or not options.parts]
    if parts:
        measure_alone(parts, sizes, store, options.rounds or rounds, again=options.again)
    page.parent.mkdir(parents=True, exist_ok=True)
    draw(store.figures(), sizes, chart)
    write(store, sizes, page)
    log.info("Written: %s", page)


if __name__ == "__main__":
    main()
