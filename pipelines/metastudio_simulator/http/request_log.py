"""Records requests and answers: counters, times, and the last list requests."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any, Final

KEPT_REQUESTS: Final = 100_000


@dataclass(slots=True)
class LoggedRequest:
    """One list request.

    Attributes:
        status: 0 if no complete response was sent (reset, truncated, hang, stall).
        at: monotonic seconds, on arrival.
        fault: the one drawn for the request, or the one that refused its parameters.
    """

    params: dict[str, str]
    status: int
    at: float
    request_id: str
    fault: str | None = None
    app_user_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class RequestStats:
    """Counters since the start or the last `reset`.

    Attributes:
        requests: list requests that reached the API, refused ones included.
        served: those answered with 200 and a complete body.
        throttled: those answered with 429.
        by_status: list requests by status, 0 if no complete response was sent.
        token_requests: logins at IAM.
        config_requests: requests for the tenant's service configuration.
        request_times: monotonic seconds of the last list requests' arrivals.
        served_times: the same for those that were served.
    """

    requests: int = 0
    served: int = 0
    throttled: int = 0
    token_requests: int = 0
    config_requests: int = 0
    by_status: Counter[int] = field(default_factory=Counter)
    request_times: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))
    served_times: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_REQUESTS))

    def count(self, logged: LoggedRequest) -> None:
        """Count a finished list request."""
        self.requests += 1
        self.by_status[logged.status] += 1
        self.request_times.append(logged.at)
        if logged.status == 200:
            self.served += 1
            self.served_times.append(logged.at)
        elif logged.status == 429:
            self.throttled += 1

    def served_per_second(self) -> list[int]:
        """Return the served requests in each full second since the first of them."""
        if not self.served_times:
            return []
        first = self.served_times[0]
        seconds = Counter(int(at - first) for at in self.served_times)
        return [seconds[second] for second in range(max(seconds) + 1)]

    def reset(self) -> None:
        """Set every counter to zero."""
        self.requests = self.served = self.throttled = self.token_requests = self.config_requests = 0
        self.by_status.clear()
        self.request_times.clear()
        self.served_times.clear()

    def as_json(self) -> dict[str, Any]:
        """Return the counters as JSON values."""
        return {
            "requests": self.requests,
            "served": self.served,
            "throttled": self.throttled,
            "token_requests": self.token_requests,
            "config_requests": self.config_requests,
            "by_status": {str(status): number for status, number in sorted(self.by_status.items())},
            "served_per_second": self.served_per_second(),
        }
