"""The gateway's quota: whether one more request may be served now.

It counts in real time, whatever the server's clock says.
"""

from __future__ import annotations

from collections import deque

from metastudio_simulator.behavior import Behavior


class RateLimit:
    """The quota of `Behavior.quota_per_second`. Refused requests do not count."""

    def __init__(self, behavior: Behavior) -> None:
        self._behavior = behavior
        self._served: deque[float] = deque()
        self._level = 0.0
        self._at = 0.0

    def admit(self, at: float) -> bool:
        """Return whether a request at this monotonic second is served. Count it if so."""
        rate = self._behavior.quota_per_second
        if rate is None:
            return True
        if self._behavior.quota_kind == "bucket":
            return self._take_from_bucket(at, rate)
        span, most = (1.0, int(rate)) if rate >= 1 else (1 / rate, 1)
        fixed = self._behavior.quota_kind == "fixed"
        since = at // span * span if fixed else at - span
        while self._served and (self._served[0] < since if fixed else self._served[0] <= since):
            self._served.popleft()
        if len(self._served) >= most:
            return False
        self._served.append(at)
        return True

    def _take_from_bucket(self, at: float, rate: float) -> bool:
        most = max(1.0, rate)
        self._level = min(most, self._level + (at - self._at) * rate) if self._at else most
        self._at = at
        if self._level < 1:
            return False
        self._level -= 1
        return True
