"""The bars that this project has to clear, and whether it did. Pure: asks figures, writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .figures import Figures, Ratio, show
from .parts import QUOTA, Sizes

MOST_GROWTH_OF_MEMORY = 1.2
"""What "flat" is: at most so many times the peak memory for ten times the history."""

MOST_OF_CEILING = 0.5
"""What share of the simulator's own pages a second the fastest run may ask for, and the simulator not be the bottleneck."""

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what is asked, what was measured; `met` is None where it was not measured."""

    name: str
    limit: str
    measured: str
    met: bool | None


def _bar(name: str, limit: str, measured: float | Ratio | None, is_met: Callable[[float], bool], unit: str = "") -> Bar:
    if measured is None:
        return Bar(name, limit, "not measured", None)
    value = measured.median if isinstance(measured, Ratio) else measured
    return Bar(name, limit, (str(measured) if isinstance(measured, Ratio) else show(measured)) + unit, is_met(value))


def judge_bars(figures: Figures, sizes: Sizes) -> list[Bar]:
    """Every bar, in the order of the page."""
    return [*_rows(figures), *_initial(figures, sizes), *_memory(figures, sizes), *_idle(figures), *_simulator(figures)]


def _rows(figures: Figures) -> list[Bar]:
    wrong = [figures.most("sync", "changes", OURS, name) for name in ("stale", "missing")]
    total = None if None in wrong else int(sum(one for one in wrong if one is not None))
    return [_bar("Late updates and new jobs: rows stale or missing", "0", total, lambda value: value == 0)]


def _initial(figures: Figures, sizes: Sizes) -> list[Bar]:
    jobs = f"{sizes.large:,} jobs"
    ours, floor, dlt = (("initial 0 ms", peer) for peer in (OURS, "floor-arrow", "dlt"))
    far, far_floor = (("initial 50 ms", peer) for peer in (OURS, "floor-arrow"))
    wall, requests = (figures.median("quota", "quota large", OURS, name) for name in ("wall", "requests"))
    paced = wall / (requests / QUOTA) if wall and requests else None
    return [
        _bar(f"Initial sync of {jobs}, no latency: CPU over the Arrow floor's", "≤ 2",
             figures.ratio("large", ours, floor, "cpu"), lambda value: value <= 2),
        _bar(f"Initial sync of {jobs}, no latency: CPU over that of dlt's default REST source", "≤ 1/8 = 0.125",
             figures.ratio("large", ours, dlt, "cpu"), lambda value: value <= 1 / 8),
        _bar(f"Initial sync of {jobs}, 50 ms, no quota: wall over the Arrow floor's", "≤ 1.5",
             figures.ratio("large", far, far_floor, "wall"), lambda value: value <= 1.5),
        _bar(f"Initial sync of {jobs}, 50 ms, {QUOTA} requests/s: wall over requests/quota", "≤ 1.05",
             paced, lambda value: value <= 1.05),
    ]  # fmt: skip


def _memory(figures: Figures, sizes: Sizes) -> list[Bar]:
    less, more = sizes.growth[-2:]
    ratio = figures.ratio("growth", (f"backfill {more}", OURS), (f"backfill {less}", OURS), "memory")
    name = f"Backfill: peak memory at {more:,} jobs over that at {less:,}"
    limit = f"flat: ≤ {MOST_GROWTH_OF_MEMORY:g}"
    return [_bar(name, limit, ratio, lambda value: value <= MOST_GROWTH_OF_MEMORY)]


def _idle(figures: Figures) -> list[Bar]:
    requests = figures.most("startup", "idle", OURS, "requests")
    more = figures.difference("startup", ("idle", OURS), ("import dlt", "import"), "wall")
    return [
        _bar("Idle sync: requests", "≤ 1", requests, lambda value: value <= 1),
        _bar("Idle sync as a whole process: wall beyond `python -c \"import dlt\"`", "≤ 0.5 s", more,
             lambda value: value <= 0.5, " s"),
    ]  # fmt: skip


def _simulator(figures: Figures) -> list[Bar]:
    step = "initial 0 ms"
    fastest = max(
        (figures.rate("large", step, peer) for peer in (OURS, "floor-arrow", "dlt", "dlt-parquet")), default=0
    )
    steps = figures.steps("ceiling", "ceiling ")
    ceiling = max((figures.median("ceiling", one, "bare", "pages_per_second") or 0 for one in steps), default=0)
    share = fastest / ceiling if fastest and ceiling else None
    name = "The simulator is not the bottleneck: pages a second of the fastest run over its own ceiling"
    return [_bar(name, f"≤ {MOST_OF_CEILING:g}", share, lambda value: value <= MOST_OF_CEILING)]
