"""The MetaStudio API as a server, for demonstration, documentation and tests.

Promises what `docs/api.md` says of the API, and what a real service does when it is slow, busy or
broken. Imports nothing of `metastudio`, so that two bugs cannot agree, and nothing of the vendor's
SDK, which judges it in the tests.
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
