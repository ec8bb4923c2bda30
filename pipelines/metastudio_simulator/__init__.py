"""The MetaStudio API as a server, for demonstration, documentation and tests.

Promises everything in `api/facts.md`, and what a real service does when it is slow, busy or broken. Imports nothing of
`metastudio`, so that two bugs cannot agree, and nothing of the vendor's SDK, which judges it in the tests.
"""

from __future__ import annotations

from .auth import TemporaryKey
from .clock import Clock
from .jobs import ABSENT
from .serve import serve
from .simulator import Simulator
from .stats import LoggedRequest, Stats
from .switches import FAULTS, Switches
from .tenant import Tenant

__all__ = [
    "ABSENT",
    "FAULTS",
    "Clock",
    "LoggedRequest",
    "Simulator",
    "Stats",
    "Switches",
    "TemporaryKey",
    "Tenant",
    "serve",
]
