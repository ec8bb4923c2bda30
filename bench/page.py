"""The page `docs/benchmark.md`: targets, tables of all scenarios, method, peers and machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import prose, tables
from bench.environments import read_versions
from bench.measurements import Measurements
from bench.paths import CHART
from bench.peers import PEERS
from bench.results import ResultStore
from bench.sizes import FULL, PAIRS, QUOTA, Sizes


def write_page(store: ResultStore, sizes: Sizes, path: Path) -> None:
    """Write the page from the store; scenarios without results are left out."""
    measured = store.read()
    sections = (
        prose.HEAD if sizes is FULL else prose.HEAD + prose.QUICK_WARNING,
        f"## Targets\n\n{tables.make_targets(measured, sizes)}\n{prose.AFTER_TARGETS}",
        f"![CPU and wall time of an initial sync, and growth with the history]({CHART.name})\n",
        *_make_scenarios(measured, sizes),
        prose.METHOD.format(quota=QUOTA),
        make_peers(store.read_absent()),
        make_machine(store),
    )
    path.write_text("\n".join(sections), encoding="utf-8")


def _make_scenarios(measured: Measurements, sizes: Sizes) -> Iterator[str]:
    sections = (
        ("sync", f"Initial sync of {sizes.small:,} jobs, no quota",
         lambda: f"{tables.make_initial(measured, 'sync')}\n{prose.AFTER_INITIAL}"),
        ("sync", f"{sizes.updates:,} late updates and {sizes.new:,} new jobs, then no changes",
         lambda: f"{tables.make_changes(measured)}\n{prose.AFTER_CHANGES}"),
        ("large", f"Initial sync of {sizes.large:,} jobs, no quota", lambda: tables.make_initial(measured, "large")),
        ("quota", f"Initial sync with {QUOTA} requests a second, at 50 ms",
         lambda: tables.make_quota(measured, sizes)),
        ("growth", "Growth with the history, no latency", lambda: tables.make_growth(measured)),
        ("tenants", f"One tenant and {sizes.tenants}, {sizes.tenant_jobs:,} jobs each, one `metastudio sync` for all",
         lambda: tables.make_tenants(measured)),
        ("startup", f"A sync without changes as a whole process, {PAIRS} pairs a round",
         lambda: tables.make_startup(measured)),
        ("postgres", f"Initial sync of {sizes.large:,} jobs into DuckDB and PostgreSQL, without the server's CPU",
         lambda: tables.make_postgres(measured)),
        ("ceiling", "The limit of the simulator", lambda: tables.make_ceiling(measured)),
    )  # fmt: skip
    for scenario, title, make_section in sections:
        if measured.count_rounds(scenario):
            yield f"## {title}\n\n{make_section()}"


def make_peers(absent: dict[str, str]) -> str:
    """Return how each peer was set up, with its versions."""
    rows = []
    for peer in PEERS:
        packages = {name: number for one in peer.environments for name, number in read_versions(one).items()}
        versions = ", ".join(f"{name} {number}" for name, number in packages.items())
        note = peer.note + (f"; **not measured: {absent[peer.name]}**" if peer.name in absent else "")
        rows.append([peer.title, note, versions or "the project's own environment"])
    return "## What was compared\n\n" + tables.make_table(("", "setup", "versions"), rows, "---")


def make_machine(store: ResultStore) -> str:
    """Return when and where each scenario was measured."""
    measured, headers = store.read(), store.read_headers()
    runs: dict[str, list[str]] = {}
    for scenario, header in headers.items():
        runs.setdefault(_describe(header), []).append(f"{scenario} ({measured.count_rounds(scenario)})")
    lines = [f"- {run} Scenarios, with their rounds: {', '.join(scenarios)}." for run, scenarios in runs.items()]
    if len({header["code"] for header in headers.values()}) > 1:
        lines.append("- These scenarios were measured with different versions of the code.")
    return "## When and where\n\n" + "\n".join(lines) + "\n"


def _describe(header: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in header["versions"].items())
    machine = (
        f"{header['cores']} cores of {header['processor']}, {header['memory'] / 2**30:.0f} GiB, {header['system']}"
    )
    return f"{header['date']}: {machine}; Python {header['python']}; {versions}."
