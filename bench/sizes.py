"""The numbers of jobs, requests and tenants in the scenarios, for a full and a quick run."""

from __future__ import annotations

from dataclasses import dataclass

QUOTA = 20
"""Requests a second, as the API allows in cn-north-4."""
LATENCY = 0.05
"""Seconds."""
PAIRS = 5
"""The number of pairs in each round of `startup`."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of jobs, changes and tenants."""

    small: int = 20_000
    large: int = 200_000
    updates: int = 500
    new: int = 50
    growth: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    tenants: int = 20
    tenant_jobs: int = 1_000
    ceiling_pages: int = 10_000


FULL = Sizes()
QUICK = Sizes(1_000, 3_000, 50, 5, (300, 1_000, 3_000), 3, 200, 1_000)
