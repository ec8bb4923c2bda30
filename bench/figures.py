"""Medians, and ratios with their spread, out of rounds of records. Pure: knows no files and no peers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as much, by pairs of one round each: the median, the least, the most."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{show(self.median)} ({show(self.least)}–{show(self.most)})"


def show(value: float) -> str:
    """A figure to about three digits; a whole number that is given as one stays one."""
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Figures:
    """Asks rounds of records for figures; what was not measured, or failed, is None.

    Args:
        parts: the rounds of each part, a round being records with at least `step`, `peer` and `exit`.
    """

    def __init__(self, parts: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> None:
        self._parts = parts

    def rounds(self, part: str) -> int:
        """How many whole rounds of a part there are."""
        return len(self._parts.get(part, ()))

    def steps(self, part: str, beginning: str) -> list[str]:
        """The steps of a part that begin so, in order of their first run."""
        found = (record["step"] for records in self._parts.get(part, ()) for record in records)
        return list(dict.fromkeys(step for step in found if step.startswith(beginning)))

    def records(self, part: str, step: str, peer: str) -> list[Mapping[str, Any]]:
        """The runs of a peer in a step, one a pair, those that failed included."""
        found = (record for records in self._parts.get(part, ()) for record in records)
        return [record for record in found if record["step"] == step and record["peer"] == peer]

    def median(self, part: str, step: str, peer: str, name: str) -> float | None:
        """The median of a figure over the runs that did not fail."""
        values = [record[name] for record in self.records(part, step, peer) if not record["exit"]]
        return median(values) if values else None

    def most(self, part: str, step: str, peer: str, name: str) -> float | None:
        """The greatest value of a figure: for rows, the worst round counts."""
        values = [record[name] for record in self.records(part, step, peer) if not record["exit"]]
        return max(values) if values else None

    def rate(self, part: str, step: str, peer: str) -> float:
        """The most requests a second that a run had answered, 0 where there was none."""
        records = (record for record in self.records(part, step, peer) if not record["exit"])
        return max((record["requests"] / record["wall"] for record in records), default=0.0)

    def failures(self, part: str, step: str, peer: str) -> int:
        """How many of a peer's runs failed."""
        return sum(1 for record in self.records(part, step, peer) if record["exit"])

    def ratio(self, part: str, over: tuple[str, str], under: tuple[str, str], name: str) -> Ratio | None:
        """A figure of one (step, peer) over that of another, by pairs of the same round."""
        values = [a[name] / b[name] for a, b in self._pairs(part, over, under) if b[name]]
        return Ratio(median(values), min(values), max(values)) if values else None

    def difference(self, part: str, over: tuple[str, str], under: tuple[str, str], name: str) -> float | None:
        """The median of what one (step, peer) takes more than another."""
        values = [a[name] - b[name] for a, b in self._pairs(part, over, under)]
        return median(values) if values else None

    def _pairs(
        self, part: str, over: tuple[str, str], under: tuple[str, str]
    ) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        for records in self._parts.get(part, ()):
            above, below = (
                [one for one in records if (one["step"], one["peer"]) == key and not one["exit"]]
                for key in (over, under)
            )
            yield from zip(above, below, strict=False)
