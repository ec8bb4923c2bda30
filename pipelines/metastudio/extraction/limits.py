"""Remembers what an endpoint refuses or leaves out, so that it is not asked in vain each time.

A limit is learned from an answer, kept in the state, and forgotten after a day: then the endpoint
is asked again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from metastudio.extraction.state import State
from metastudio.timestamps import format_time, parse_time

ASK_AGAIN = timedelta(days=1)
NOT_GIVEN = "not given"
UNCOUNTED = "without a count"
"""The reason in the ledger's lines if the endpoint does not count."""


@dataclass(slots=True)
class EndpointLimits:
    """The limits by name, with the time of each finding."""

    values: dict[str, str | int] = field(default_factory=dict)
    learned_at: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, state: State) -> EndpointLimits:
        """Return the limits that a state remembers."""
        return cls(dict(state.get("limits", {})), dict(state.get("limits_learned_at", {})))

    def learn(self, name: str, value: str | int, now: datetime) -> None:
        """Remember a limit, or its new value."""
        self.values[name] = value
        self.learned_at[name] = format_time(now)

    def forget_old(self, now: datetime) -> None:
        """Forget what was learned more than a day ago."""
        for name, at in list(self.learned_at.items()):
            if now - parse_time(at) >= ASK_AGAIN:
                del self.values[name], self.learned_at[name]

    def _number(self, name: str) -> int | None:
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def _text(self, name: str) -> str | None:
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    @property
    def max_offset(self) -> int | None:
        """Return the lowest offset that was refused."""
        return self._number("max_offset")

    @property
    def max_range(self) -> timedelta | None:
        """Return the width of the widest window that is answered."""
        days = self._number("max_range_days")
        return None if days is None else timedelta(days=days)

    @property
    def count_cap(self) -> int | None:
        """Return the figure at which the API's count stops."""
        return self._number("count_cap")

    @property
    def is_uncounted(self) -> bool:
        """Return whether the endpoint does not count the jobs, so that nothing is proved."""
        return self._text("count") == NOT_GIVEN

    @property
    def filters(self) -> str | None:
        """Return the finding on create_since and create_until, as `filters` names it."""
        return self._text("filters")

    @property
    def job_ids(self) -> str | None:
        """Return whether the filter job_ids is "refused" or "ignored"."""
        return self._text("job_ids")

    def max_rows(self, wanted: int) -> int:
        """Return how many rows a window may have so that all can be read and counted."""
        cap = None if self.count_cap is None else self.count_cap - 1
        return max(1, min(limit for limit in (wanted, self.max_offset, cap) if limit is not None))
