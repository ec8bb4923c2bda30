"""The MetaStudio API as a server, for demonstration, documentation and tests.

It behaves as `docs/api.md` says of the API, and as a real service does when it is slow, busy or
broken. It imports nothing from `metastudio`, so that no bug can be in both, and nothing from the
vendor's SDK, which the tests compare it with.
"""

from __future__ import annotations

from metastudio_simulator.behavior import FAULTS, Behavior
from metastudio_simulator.cli import serve
from metastudio_simulator.clock import Clock
from metastudio_simulator.http.auth import TemporaryKey
from metastudio_simulator.http.request_log import LoggedRequest, RequestStats
from metastudio_simulator.simulator import Simulator
from metastudio_simulator.tenant.row import ABSENT
from metastudio_simulator.tenant.tenant import Tenant

__all__ = [
    "ABSENT",
    "FAULTS",
    "Behavior",
    "Clock",
    "LoggedRequest",
    "RequestStats",
    "Simulator",
    "TemporaryKey",
    "Tenant",
    "serve",
]
