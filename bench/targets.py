"""The targets of this project, and whether the measurements meet them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.measurements import Measurements, Runs, Spread, format_figure, make_spread
from bench.peers import BASELINE, DLT, DLT_PARQUET, METASTUDIO, ON_POSTGRES
from bench.sizes import QUOTA, Sizes

OURS = METASTUDIO.name


@dataclass(frozen=True, slots=True)
class Target:
    """An upper limit, and the figure to compare with it: the median, if it is a spread."""

    name: str
    limit: float
    measured: Spread | float | None
    unit: str = ""

    @property
    def is_met(self) -> bool | None:
        """Return whether the limit is met; None if the figure was not measured."""
        if self.measured is None:
            return None
        return (self.measured.median if isinstance(self.measured, Spread) else self.measured) <= self.limit

    @property
    def limit_text(self) -> str:
        return f"≤ {self.limit:,.4g}{self.unit}"

    @property
    def measured_text(self) -> str:
        if self.measured is None:
            return "not measured"
        text = str(self.measured) if isinstance(self.measured, Spread) else format_figure(self.measured)
        return text + self.unit


def find_targets(measured: Measurements, sizes: Sizes) -> list[Target]:
    """Return all targets, in the order of the page."""
    return [
        *_rows(measured),
        *_initial(measured, sizes),
        *_quota(measured, sizes),
        *_changes(measured, sizes),
        *_idle(measured),
        *_tenants(measured, sizes),
        *_growth(measured, sizes),
        *_postgres(measured, sizes),
        *_simulator(measured),
    ]


def wall_over_quota(measured: Measurements, runs: Runs) -> Spread | None:
    """Return the wall time divided by the time that the quota needs for the same requests."""
    pairs = zip(measured.values(runs, "wall"), measured.values(runs, "requests"), strict=True)
    return make_spread([wall * QUOTA / requests for wall, requests in pairs if requests])


def _rows(measured: Measurements) -> Iterator[Target]:
    runs = Runs("sync", "changes", OURS)
    wrong = zip(measured.values(runs, "stale"), measured.values(runs, "missing"), strict=True)
    yield Target("Late updates and new jobs: stale or missing rows", 0, max(map(sum, wrong), default=None))


def _initial(measured: Measurements, sizes: Sizes) -> Iterator[Target]:
    jobs = f"Initial sync, {sizes.large:,} jobs"
    near, far = ({peer: Runs("large", step, peer) for peer in (OURS, BASELINE.name, DLT.name)}
                 for step in ("initial 0 ms", "initial 50 ms"))  # fmt: skip
    yield Target(f"{jobs}, no latency: CPU over the Arrow baseline's", 1.7,
                 measured.ratio(near[OURS], near[BASELINE.name], "cpu"))  # fmt: skip
    yield Target(f"{jobs}, no latency: CPU over that of dlt's default REST source", 1 / 8,
                 measured.ratio(near[OURS], near[DLT.name], "cpu"))  # fmt: skip
    yield Target(f"{jobs}, 50 ms, no quota: wall time over the Arrow baseline's", 1.4,
                 measured.ratio(far[OURS], far[BASELINE.name], "wall"))  # fmt: skip
    for scenario, count in (("sync", sizes.small), ("large", sizes.large)):
        requests = measured.maximum(Runs(scenario, "initial 0 ms", OURS), "requests")
        yield Target(f"Initial sync, {count:,} jobs: requests", round(1.08 * count / 100 + 12), requests)


def _quota(measured: Measurements, sizes: Sizes) -> Iterator[Target]:
    for step, count, limit in (("quota small", sizes.small, 1.1), ("quota large", sizes.large, 1.05)):
        name = f"Initial sync, {count:,} jobs, 50 ms, {QUOTA} requests/s: wall time over requests/quota"
        yield Target(name, limit, wall_over_quota(measured, Runs("quota", step, OURS)))


def _changes(measured: Measurements, sizes: Sizes) -> Iterator[Target]:
    ours, dlt = (Runs("sync", "changes", peer) for peer in (OURS, DLT.name))
    name = f"Sync of {sizes.updates + sizes.new:,} changes: CPU over that of dlt's default REST source"
    yield Target(name, 1, measured.ratio(ours, dlt, "cpu"))


def _idle(measured: Measurements) -> Iterator[Target]:
    yield Target("Sync without changes: requests", 1, measured.maximum(Runs("startup", "idle", OURS), "requests"))
    for step, when in (("first idle", "the first one after changes"), ("idle", "a later one")):
        runs, imported = Runs("startup", step, OURS), Runs("startup", f"import dlt, {step}", "python")
        name = f"Sync without changes, {when}: CPU beyond `import dlt`"
        yield Target(name, 0.35, measured.difference(runs, imported, "cpu"), " s")
    wall = measured.difference(runs, imported, "wall")
    yield Target(f"Sync without changes, {when}: wall time beyond `import dlt`", 0.5, wall, " s")


def _tenants(measured: Measurements, sizes: Sizes) -> Iterator[Target]:
    for step, when in (("idle", "the first one after the initial sync"), ("idle again", "a later one")):
        name = f"Sync without changes, {when}, {sizes.tenants} tenants in one process: wall time"
        wall = measured.median(Runs("tenants", f"{step} {sizes.tenants}", OURS), "wall")
        yield Target(name, 1.2 + 0.06 * sizes.tenants, wall, " s")


def _growth(measured: Measurements, sizes: Sizes) -> Iterator[Target]:
    fewer, more = sizes.growth[-2:]
    name = f"Backfill: peak memory for {more:,} jobs over that for {fewer:,}"
    over, under = (Runs("growth", f"backfill {jobs}", OURS) for jobs in (more, fewer))
    yield Target(name, 1.2, measured.ratio(over, under, "memory"))


def _postgres(measured: Measurements, sizes: Sizes) -> Iterator[Target]:
    over, under = (Runs("postgres", "initial 0 ms", peer) for peer in (ON_POSTGRES.name, OURS))
    name = f"Initial sync, {sizes.large:,} jobs, into PostgreSQL: client CPU over that into DuckDB"
    yield Target(name, 1.3, measured.ratio(over, under, "cpu"))


def _simulator(measured: Measurements) -> Iterator[Target]:
    peers = (METASTUDIO, BASELINE, DLT, DLT_PARQUET)
    fastest = max(measured.maximum_rate(Runs("large", "initial 0 ms", peer.name)) for peer in peers)
    steps = measured.find_steps("ceiling", "ceiling ")
    rates = [measured.median(Runs("ceiling", step, "bare"), "pages_per_second") or 0 for step in steps]
    share = fastest / max(rates) if fastest and any(rates) else None
    yield Target("The simulator is not the bottleneck: pages a second of the fastest run over its limit", 0.5, share)
