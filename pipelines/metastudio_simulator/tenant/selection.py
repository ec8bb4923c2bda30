"""Finds the jobs of a `JobSelection` of the behavior, and their effect on the order of a list."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from metastudio_simulator.behavior import Behavior, JobSelection
from metastudio_simulator.tenant.index import Index


class _EveryJob(frozenset[str]):
    """A set of all jobs, including future ones."""

    def __contains__(self, key: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


NO_JOB: frozenset[str] = frozenset()
EVERY_JOB: frozenset[str] = _EveryJob()


@dataclass(slots=True)
class _Drawn:
    selection: JobSelection
    keys: frozenset[str]


class Selections:
    """The jobs of each `JobSelection`, drawn once and kept until the selection changes."""

    def __init__(self, behavior: Behavior, seed: int) -> None:
        self._behavior = behavior
        self._seed = seed
        self._drawn: dict[str, _Drawn] = {}

    def find(self, name: str, index: Index) -> frozenset[str]:
        """Return the keys of the jobs that the named field of `Behavior` selects."""
        selection: JobSelection = getattr(self._behavior, name)
        if not selection:
            return NO_JOB
        drawn = self._drawn.get(name)
        if drawn is None or drawn.selection != selection:
            kept = list(selection) if isinstance(selection, list) else selection
            drawn = self._drawn[name] = _Drawn(kept, self._draw(name, selection, index))
        return drawn.keys

    def _draw(self, name: str, selection: JobSelection, index: Index) -> frozenset[str]:
        if selection == "all":
            return EVERY_JOB
        if isinstance(selection, list):
            return frozenset(selection)
        keys = [key for _, key in index.by_create]
        return frozenset(Random(f"{name} {self._seed}").sample(keys, min(int(selection), len(keys))))
