"""Computes medians, ratios and differences of measured runs. It knows neither files nor peers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

Record = Mapping[str, Any]


class Runs(NamedTuple):
    """The runs of one peer in one step of a scenario: several in each round if they are paired."""

    scenario: str
    step: str
    peer: str


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, minimum and maximum over the rounds."""

    median: float
    minimum: float
    maximum: float

    def __str__(self) -> str:
        if self.minimum == self.maximum:
            return format_figure(self.median)
        return f"{format_figure(self.median)} ({format_figure(self.minimum)}–{format_figure(self.maximum)})"


def format_figure(value: float) -> str:
    """Return a figure with about three digits; integers are written in full."""
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Measurements:
    """Figures of the runs that succeeded; None if there are none.

    Args:
        scenarios: the rounds of each scenario. A round is a list of records, each with at least
            `step`, `peer` and `exit`.
    """

    def __init__(self, scenarios: Mapping[str, Sequence[Sequence[Record]]]) -> None:
        self._scenarios = scenarios

    def count_rounds(self, scenario: str) -> int:
        """Return the number of complete rounds."""
        return len(self._scenarios.get(scenario, ()))

    def find_steps(self, scenario: str, prefix: str) -> list[str]:
        """Return the steps whose names begin with the prefix, in order of their first run."""
        steps = (record["step"] for records in self._scenarios.get(scenario, ()) for record in records)
        return list(dict.fromkeys(step for step in steps if step.startswith(prefix)))

    def records(self, runs: Runs) -> list[Record]:
        """Return the records of all runs, including those that failed."""
        return [record for records in self._scenarios.get(runs.scenario, ()) for record in _select(records, runs)]

    def values(self, runs: Runs, field: str) -> list[float]:
        """Return a figure of each run that succeeded."""
        return [record[field] for record in self.records(runs) if not record["exit"]]

    def median(self, runs: Runs, field: str) -> float | None:
        """Return the median of a figure."""
        values = self.values(runs, field)
        return median(values) if values else None

    def maximum(self, runs: Runs, field: str) -> float | None:
        """Return the maximum of a figure: for rows, the worst round counts."""
        return max(self.values(runs, field), default=None)

    def maximum_rate(self, runs: Runs) -> float:
        """Return the highest number of requests a second of a run; 0 if there was no run."""
        requests, seconds = self.values(runs, "requests"), self.values(runs, "wall")
        return max((count / wall for count, wall in zip(requests, seconds, strict=True)), default=0.0)

    def ratio(self, over: Runs, under: Runs, field: str) -> Spread | None:
        """Return a figure divided by that of other runs, by pairs within a round."""
        return make_spread([above[field] / below[field] for above, below in self._pairs(over, under) if below[field]])

    def difference(self, over: Runs, under: Runs, field: str) -> Spread | None:
        """Return a figure minus that of other runs, by pairs within a round."""
        return make_spread([above[field] - below[field] for above, below in self._pairs(over, under)])

    def _pairs(self, over: Runs, under: Runs) -> Iterator[tuple[Record, Record]]:
        for records in self._scenarios.get(over.scenario, ()):
            pairs = zip(_select(records, over), _select(records, under), strict=False)
            yield from ((above, below) for above, below in pairs if not above["exit"] and not below["exit"])


def _select(records: Sequence[Record], runs: Runs) -> list[Record]:
    return [record for record in records if (record["step"], record["peer"]) == (runs.step, runs.peer)]


def make_spread(values: Sequence[float]) -> Spread | None:
    """Return the spread of the values; None if there are none."""
    return Spread(median(values), min(values), max(values)) if values else None
