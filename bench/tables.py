"""The tables of the page. A figure that was not measured is shown as a dash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bench.compare import DIFFERENCES, has_right_rows
from bench.measurements import Measurements, Runs, format_figure
from bench.peers import METASTUDIO, ON_POSTGRES, PEERS, Peer
from bench.sizes import QUOTA, Sizes
from bench.targets import find_targets, wall_over_quota

OURS = METASTUDIO.name
DASH = "–"
COST = ("wall", "cpu", "memory", "requests")
COST_HEAD = ("wall s", "CPU s", "peak MB", "requests")


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _megabytes(value: float) -> str:
    return f"{value / 1_000_000:,.0f}"


FORMATS: dict[str, Callable[[float], str]] = {
    "wall": format_figure,
    "cpu": format_figure,
    "memory": _megabytes,
    "requests": _count,
    "throttled": _count,
    "stale": _count,
    "missing": _count,
    "state_bytes": _count,
    "pages_per_second": _count,
}


def make_table(head: Sequence[str], rows: Iterable[Sequence[str]], alignment: str = "---:") -> str:
    """Return a Markdown table whose columns, except the first, have the alignment."""
    lines = [head, ["---", *[alignment] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _medians(measured: Measurements, runs: Runs, *fields: str) -> list[str]:
    values = [(measured.median(runs, field), FORMATS[field]) for field in fields]
    return [DASH if value is None else format_value(value) for value, format_value in values]


def _find_peers(measured: Measurements, scenario: str, step: str) -> list[tuple[Peer, Runs]]:
    """Return the peers that were measured in a step, with their runs."""
    peers = [(peer, Runs(scenario, step, peer.name)) for peer in (*PEERS, ON_POSTGRES)]
    return [(peer, runs) for peer, runs in peers if measured.records(runs)]


def _describe_rows(measured: Measurements, runs: Runs) -> str:
    records = measured.records(runs)
    failed = sum(1 for record in records if record["exit"])
    if failed:
        return f"{failed} of {len(records)} runs failed"
    if all(map(has_right_rows, records)):
        return "yes"
    return ", ".join(
        f"{worst:,.0f} {difference}" for difference in DIFFERENCES if (worst := measured.maximum(runs, difference))
    )


def _times_ours(measured: Measurements, runs: Runs, field: str) -> str:
    """Return a peer's figure as a multiple of this project's."""
    if runs.peer == OURS:
        return "1"
    return str(measured.ratio(runs, runs._replace(peer=OURS), field) or DASH)


def make_targets(measured: Measurements, sizes: Sizes) -> str:
    """Return the table of the targets with the measured figures."""
    verdicts = {True: "met", False: "**not met**", None: DASH}
    rows = [
        (target.name, target.limit_text, target.measured_text, verdicts[target.is_met])
        for target in find_targets(measured, sizes)
    ]
    return make_table(("target for this project", "limit", "measured", "verdict"), rows, "---")


def make_initial(measured: Measurements, scenario: str) -> str:
    """Return the table of initial syncs of a tenant without a quota."""
    rows = []
    for peer, near in _find_peers(measured, scenario, "initial 0 ms"):
        far = near._replace(step="initial 50 ms")
        signed = measured.maximum(near, "signed_urls")
        rows.append([
            peer.title,
            *_medians(measured, near, "wall"),
            *_medians(measured, far, "wall"),
            *_medians(measured, near, "cpu", "memory", "requests"),
            _describe_rows(measured, near),
            DASH if signed is None else "yes" if signed else "no",
            _times_ours(measured, near, "cpu"),
            _times_ours(measured, far, "wall"),
        ])  # fmt: skip
    head = (
        "", "wall s, 0 ms", "wall s, 50 ms", "CPU s", "peak MB", "requests", "rows right", "stores signed URLs",
        "CPU, × this project", "wall at 50 ms, × this project",
    )  # fmt: skip
    return make_table(head, rows)


def make_changes(measured: Measurements) -> str:
    """Return the table of the second sync, after changes, and of the third, after none."""
    rows = []
    for peer, changes in _find_peers(measured, "sync", "changes"):
        idle = changes._replace(step="idle")
        wrong = [measured.maximum(changes, field) for field in ("stale", "missing")]
        rows.append([
            peer.title,
            *_medians(measured, changes, "requests"),
            *(DASH if value is None else _count(value) for value in wrong),
            *_medians(measured, changes, "wall", "cpu"),
            *_medians(measured, idle, "requests", "wall", "cpu"),
            _times_ours(measured, idle, "wall"),
        ])  # fmt: skip
    head = (
        "", "changes: requests", "stale", "missing", "wall s", "CPU s",
        "nothing changed: requests", "wall s", "CPU s", "wall, × this project",
    )  # fmt: skip
    return make_table(head, rows)


def make_quota(measured: Measurements, sizes: Sizes) -> str:
    """Return the table of initial syncs with a quota."""
    rows = []
    for step, jobs in (("quota small", sizes.small), ("quota large", sizes.large)):
        for peer, runs in _find_peers(measured, "quota", step):
            rows.append([
                f"{jobs:,} jobs: {peer.title}",
                *_medians(measured, runs, "wall", "cpu", "requests", "throttled"),
                str(wall_over_quota(measured, runs) or DASH),
                _describe_rows(measured, runs),
            ])  # fmt: skip
    head = ("", "wall s", "CPU s", "requests", "answered 429", f"wall over requests/{QUOTA}", "rows right")
    return make_table(head, rows)


def make_growth(measured: Measurements) -> str:
    """Return the table of backfill and idle sync by the length of the history."""
    rows = []
    for step in measured.find_steps("growth", "backfill "):
        jobs = step.split()[1]
        backfill, idle = Runs("growth", step, OURS), Runs("growth", f"idle {jobs}", OURS)
        rows.append([
            f"{int(jobs):,}",
            *_medians(measured, backfill, *COST),
            _describe_rows(measured, backfill),
            *_medians(measured, idle, *COST, "state_bytes"),
        ])  # fmt: skip
    head = ("jobs", "backfill: wall s", *COST_HEAD[1:], "rows right",
            "nothing changed: wall s", *COST_HEAD[1:], "state, bytes")  # fmt: skip
    return make_table(head, rows)


def make_tenants(measured: Measurements) -> str:
    """Return the table of one tenant and of many."""
    rows = []
    for step in measured.find_steps("tenants", "initial "):
        tenants = step.split()[1]
        initial, idle, later = (
            Runs("tenants", f"{kind} {tenants}", OURS) for kind in ("initial", "idle", "idle again")
        )
        rows.append([
            tenants,
            *_medians(measured, initial, *COST),
            *_medians(measured, idle, *COST),
            *_medians(measured, later, "wall", "cpu"),
            _describe_rows(measured, later),
        ])  # fmt: skip
    head = ("tenants", "initial: wall s", *COST_HEAD[1:], "nothing changed: wall s", *COST_HEAD[1:],
            "once more: wall s", "CPU s", "rows right")  # fmt: skip
    return make_table(head, rows)


def make_startup(measured: Measurements) -> str:
    """Return the table of idle syncs and the import of dlt."""
    runs = (
        ('`python -c "import dlt"`', Runs("startup", "import dlt, idle", "python")),
        ("`metastudio sync`, nothing changed", Runs("startup", "idle", OURS)),
        ("the same, the first one after changes", Runs("startup", "first idle", OURS)),
    )
    rows = [[title, *_medians(measured, of, *COST[:3])] for title, of in runs]
    return make_table(("", *COST_HEAD[:3]), rows)


def make_postgres(measured: Measurements) -> str:
    """Return the table of the initial sync by destination."""
    rows = [
        [
            "PostgreSQL" if peer.uses_postgres else "DuckDB",
            *_medians(measured, runs, *COST),
            _describe_rows(measured, runs),
            _times_ours(measured, runs, "cpu"),
        ]
        for peer, runs in _find_peers(measured, "postgres", "initial 0 ms")
    ]
    return make_table(("destination", *COST_HEAD, "rows right", "CPU, × DuckDB"), rows)


def make_ceiling(measured: Measurements) -> str:
    """Return the table of the simulator's limit, and how close the peers came to it."""
    rows = []
    for step in measured.find_steps("ceiling", "ceiling "):
        pages = _medians(measured, Runs("ceiling", step, "bare"), "pages_per_second")
        rows.append([f"bare client, connections: {step.split()[1]}", *pages, DASH])
    for scenario, tenant in (("large", "large"), ("sync", "small")):
        for peer, runs in _find_peers(measured, scenario, "initial 0 ms"):
            busy, wall = (measured.median(runs, field) for field in ("server_cpu", "wall"))
            if busy and wall:
                title = f"{tenant} tenant, initial sync: {peer.title}"
                rows.append([title, _count(measured.maximum_rate(runs)), f"{100 * busy / wall:.0f} %"])
    return make_table(("", "pages a second", "simulator busy"), rows)
