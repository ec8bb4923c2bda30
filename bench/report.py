"""The page `docs/benchmark.md`: what was measured and how, against which bars, with what spread. Only words and tables.

Figures come from `figures.py`, verdicts from `bars.py`; a figure that was not measured shows as a dash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .bars import judge_bars
from .environments import read_versions
from .figures import Figures, show
from .judge import is_right
from .parts import FULL, QUOTA, Sizes
from .peers import PEERS_BY_NAME, Peer
from .places import CHART
from .results import Store
from .words import AFTER_CHANGES, AFTER_INITIAL, HEAD, METHOD, QUICK_WARNING

OURS = "ours"
MEGA = 1_000_000


def write(store: Store, sizes: Sizes, path: Path) -> None:
    """Write the page about what is in the store."""
    figures = store.figures()
    sections = (
        HEAD if sizes is FULL else HEAD + QUICK_WARNING,
        make_verdicts(figures, sizes),
        f"![CPU and wall time of an initial sync, and growth with the history]({CHART.name})\n",
        make_initial(figures, sizes),
        make_changes(figures, sizes),
        make_large(figures, sizes),
        make_growth(figures),
        make_tenants(figures, sizes),
        make_startup(figures),
        make_ceiling(figures),
        METHOD.format(latency=50, quota=QUOTA),
        make_peers(store.absent()),
        make_machine(store),
    )
    path.write_text("\n".join(section for section in sections if section), encoding="utf-8")


def make_table(head: Sequence[str], rows: Iterable[Sequence[str]], rule: str = "---:") -> str:
    """A markdown table; every column but the first is of figures, unless the rule says otherwise."""
    lines = [head, ["---", *[rule] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tell(value: float | None, unit: str = "") -> str:
    """A figure with its unit, or a dash."""
    return "–" if value is None else show(value) + unit


def count(value: float | None) -> str:
    """A number of things, or a dash."""
    return "–" if value is None else f"{value:,.0f}"


def megabytes(value: float | None) -> str:
    return "–" if value is None else f"{value / MEGA:,.0f}"


def make_verdicts(figures: Figures, sizes: Sizes) -> str:
    """The bars, and whether they were cleared."""
    words = {True: "met", False: "**not met**", None: "–"}
    rows = [(bar.name, bar.limit, bar.measured, words[bar.met]) for bar in judge_bars(figures, sizes)]
    return "## The bars\n\n" + make_table(("bar for this project", "limit", "measured", "verdict"), rows, "---")


def _measured(figures: Figures, part: str, step: str) -> list[Peer]:
    return [peer for peer in PEERS_BY_NAME.values() if figures.records(part, step, peer.name)]


def _rows_right(figures: Figures, part: str, step: str, peer: str) -> str:
    records = figures.records(part, step, peer)
    failed = figures.failures(part, step, peer)
    if failed:
        return f"{failed} of {len(records)} runs failed"
    wrong = [f"{figures.most(part, step, peer, name):,.0f} {name}" for name in ("missing", "stale", "extra", "doubled")
             if figures.most(part, step, peer, name)]  # fmt: skip
    return "yes" if all(is_right(dict(record)) for record in records) else ", ".join(wrong)


def _times_ours(figures: Figures, part: str, step: str, peer: str, name: str) -> str:
    if peer == OURS:
        return "1"
    return str(figures.ratio(part, (step, peer), (step, OURS), name) or "–")


def _initial_rows(figures: Figures, part: str) -> list[list[str]]:
    rows, near, far = [], "initial 0 ms", "initial 50 ms"
    for peer in _measured(figures, part, near):
        signed = figures.most(part, near, peer.name, "signed_urls")
        rows.append([
            peer.title,
            tell(figures.median(part, near, peer.name, "wall")),
            tell(figures.median(part, far, peer.name, "wall")),
            tell(figures.median(part, near, peer.name, "cpu")),
            megabytes(figures.median(part, near, peer.name, "memory")),
            count(figures.median(part, near, peer.name, "requests")),
            _rows_right(figures, part, near, peer.name),
            "–" if signed is None else "yes" if signed else "no",
            _times_ours(figures, part, near, peer.name, "cpu"),
            _times_ours(figures, part, far, peer.name, "wall"),
        ])  # fmt: skip
    return rows


_INITIAL_HEAD = (
    "", "wall s, 0 ms", "wall s, 50 ms", "CPU s", "peak MB", "requests", "rows right", "stores signed URLs",
    "CPU, times ours", "wall at 50 ms, times ours",
)  # fmt: skip


def make_initial(figures: Figures, sizes: Sizes) -> str:
    """Everyone's first sync of the small tenant."""
    if not figures.rounds("sync"):
        return ""
    table = make_table(_INITIAL_HEAD, _initial_rows(figures, "sync"))
    return f"## Initial sync of {sizes.small:,} jobs, no quota\n\n{table}\n{AFTER_INITIAL}"


def make_large(figures: Figures, sizes: Sizes) -> str:
    """The first sync of the large tenant, and under a quota."""
    text = ""
    if figures.rounds("large"):
        text += f"## Initial sync of {sizes.large:,} jobs, no quota\n\n"
        text += make_table(_INITIAL_HEAD, _initial_rows(figures, "large")) + "\n"
    rows = []
    for step, jobs in (("quota small", sizes.small), ("quota large", sizes.large)):
        for peer in _measured(figures, "quota", step):
            wall, requests, cpu, refused = (
                figures.median("quota", step, peer.name, name) for name in ("wall", "requests", "cpu", "throttled")
            )
            share = wall / (requests / QUOTA) if wall and requests else None
            row = [tell(wall), tell(cpu), count(requests), count(refused), tell(share)]
            rows.append([f"{jobs:,} jobs: {peer.title}", *row, _rows_right(figures, "quota", step, peer.name)])
    if rows:
        head = ("", "wall s", "CPU s", "requests", "answered 429", "wall over requests/quota", "rows right")
        text += f"## With {QUOTA} requests a second, at 50 ms\n\n" + make_table(head, rows)
    return text


def make_changes(figures: Figures, sizes: Sizes) -> str:
    """Everyone's second sync, after changes, and third, after none."""
    if not figures.rounds("sync"):
        return ""
    rows = []
    for peer in _measured(figures, "sync", "changes"):
        of = peer.name
        changes = [figures.median("sync", "changes", of, name) for name in ("requests", "wall", "cpu")]
        wrong = [figures.most("sync", "changes", of, name) for name in ("stale", "missing")]
        idle = [figures.median("sync", "idle", of, name) for name in ("requests", "wall", "cpu")]
        cells = [count(changes[0]), *map(count, wrong), *map(tell, changes[1:]), count(idle[0]), *map(tell, idle[1:])]
        rows.append([peer.title, *cells, _times_ours(figures, "sync", "idle", of, "wall")])
    head = (
        "", "changes: requests", "stale", "missing", "wall s", "CPU s",
        "nothing changed: requests", "wall s", "CPU s", "wall, times ours",
    )  # fmt: skip
    title = f"## {sizes.updates:,} late updates and {sizes.new:,} new jobs, then nothing\n\n"
    return title + make_table(head, rows) + "\n" + AFTER_CHANGES


def make_growth(figures: Figures) -> str:
    """Backfill and idle sync by the length of the history."""
    rows = []
    for step in figures.steps("growth", "backfill "):
        jobs = step.split()[1]
        idle = f"idle {jobs}"
        first = [figures.median("growth", step, OURS, name) for name in ("wall", "cpu", "memory", "requests")]
        later = [
            figures.median("growth", idle, OURS, name) for name in ("wall", "cpu", "memory", "requests", "state_bytes")
        ]
        rows.append([
            f"{int(jobs):,}", *map(tell, first[:2]), megabytes(first[2]), count(first[3]),
            _rows_right(figures, "growth", step, OURS), *map(tell, later[:2]), megabytes(later[2]), *map(count, later[3:]),
        ])  # fmt: skip
    head = (
        "jobs", "backfill: wall s", "CPU s", "peak MB", "requests", "rows right",
        "idle: wall s", "CPU s", "peak MB", "requests", "state, bytes",
    )  # fmt: skip
    return "## Growth of this project with the history, no latency\n\n" + make_table(head, rows) if rows else ""


def make_tenants(figures: Figures, sizes: Sizes) -> str:
    """One tenant beside twenty."""
    rows = []
    for step in figures.steps("tenants", "initial "):
        tenants = step.split()[1]
        cells = []
        for kind in ("initial", "idle"):
            got = [
                figures.median("tenants", f"{kind} {tenants}", OURS, name)
                for name in ("wall", "cpu", "memory", "requests")
            ]
            cells += [*map(tell, got[:2]), megabytes(got[2]), count(got[3])]
        rows.append([tenants, *cells, _rows_right(figures, "tenants", f"idle {tenants}", OURS)])
    head = (
        "tenants", "initial: wall s", "CPU s", "peak MB", "requests",
        "idle: wall s", "CPU s", "peak MB", "requests", "rows right",
    )  # fmt: skip
    title = f"## One tenant and {sizes.tenants}, {sizes.tenant_jobs:,} jobs each, one `metastudio sync` for all\n\n"
    return title + make_table(head, rows) if rows else ""


def make_startup(figures: Figures) -> str:
    """An idle sync beside the import of dlt."""
    if not figures.rounds("startup"):
        return ""
    pairs = (("import dlt", "import", '`python -c "import dlt"`'), ("idle", OURS, "`metastudio sync`, nothing changed"))
    rows = [
        [title, *(tell(figures.median("startup", step, peer, name)) for name in ("wall", "cpu")),
         megabytes(figures.median("startup", step, peer, "memory"))]
        for step, peer, title in pairs
    ]  # fmt: skip
    number = len(figures.records("startup", "idle", OURS))
    return f"## An idle sync as a process, {number} pairs\n\n" + make_table(("", "wall s", "CPU s", "peak MB"), rows)


def make_ceiling(figures: Figures) -> str:
    """The simulator's own limit, and how near to it anyone came."""
    rows = []
    for step in figures.steps("ceiling", "ceiling "):
        pages = figures.median("ceiling", step, "bare", "pages_per_second")
        rows.append([f"bare client, connections: {step.split()[1]}", count(pages), "–"])
    for part, step in (("large", "initial 0 ms"), ("sync", "initial 0 ms")):
        for peer in _measured(figures, part, step):
            rate = figures.rate(part, step, peer.name)
            busy, wall = (figures.median(part, step, peer.name, name) for name in ("server_cpu", "wall"))
            if busy and wall:
                title = f"{'large' if part == 'large' else 'small'} tenant, initial sync: {peer.title}"
                rows.append([title, count(rate), f"{100 * busy / wall:.0f} %"])
    head = ("", "pages a second", "simulator busy")
    return "## The simulator's own ceiling\n\n" + make_table(head, rows) if rows else ""


def make_peers(absent: dict[str, str]) -> str:
    """Who was measured, how they were set up, in which versions."""
    rows = []
    for peer in PEERS_BY_NAME.values():
        packages = {name: number for one in peer.environments for name, number in read_versions(one).items()}
        versions = ", ".join(f"{name} {number}" for name, number in packages.items())
        note = peer.note + (f"; **not measured: {absent[peer.name]}**" if peer.name in absent else "")
        rows.append([peer.title, note, versions or "the project's own environment"])
    return "## Who was measured\n\n" + make_table(("", "set up", "versions"), rows, "---")


def make_machine(store: Store) -> str:
    """When and where each part was measured."""
    heads = store.heads()
    runs: dict[str, list[str]] = {}
    for part, head in heads.items():
        rounds = f"{part} ({store.figures().rounds(part)})"
        runs.setdefault(_describe(head), []).append(rounds)
    lines = [f"- {what} Parts, with their rounds: {', '.join(parts)}." for what, parts in runs.items()]
    if len({head["code"] for head in heads.values()}) > 1:
        lines.append("- These parts were measured on different states of the code.")
    return "## When and where\n\n" + "\n".join(lines) + "\n"


def _describe(head: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in head["versions"].items())
    machine = f"{head['cores']} cores of {head['processor']}, {head['memory'] / 2**30:.0f} GiB, {head['system']}"
    return f"{head['date']}: {machine}; Python {head['python']}; {versions}."
