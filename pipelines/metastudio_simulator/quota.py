"""The gateway's quota: whether one more request may be served now. Measured in real time, whatever the server's clock
says."""

from __future__ import annotations

from collections import deque

from .switches import Switches


class Quota:
    """Judges requests against `Switches.quota_per_second`; refused ones do not count."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._served: deque[float] = deque()
        self._level = 0.0
        self._at = 0.0

    def admits(self, at: float) -> bool:
        """Whether a request that comes at this monotonic second is served; if so it is counted."""
        rate = self._switches.quota_per_second
        if rate is None:
            return True
        if self._switches.quota_kind == "bucket":
            return self._draw(at, rate)
        span, most = (1.0, int(rate)) if rate >= 1 else (1 / rate, 1)
        fixed = self._switches.quota_kind == "fixed"
        since = at // span * span if fixed else at - span
        while self._served and (self._served[0] < since if fixed else self._served[0] <= since):
            self._served.popleft()
        if len(self._served) >= most:
            return False
        self._served.append(at)
        return True

    def _draw(self, at: float, rate: float) -> bool:
        most = max(1.0, rate)
        self._level = min(most, self._level + (at - self._at) * rate) if self._at else most
        self._at = at
        if self._level < 1:
            return False
        self._level -= 1
        return True
