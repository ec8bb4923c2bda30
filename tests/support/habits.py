"""Habits that an endpoint may have, each as a function that changes a tenant in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from tests.support.tenant import SECOND, Habits, Job, Tenant

FLAWS = ("hidden", "doubled", "unreadable")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

MAKE_HABITS: dict[str, Callable[[Habits, int], object]] = {
    "depth": lambda habits, size: setattr(habits, "max_offset", 3 * size),
    "width": lambda habits, size: setattr(habits, "max_range", 90 * DAY),
    "narrow": lambda habits, size: setattr(habits, "max_range", 20 * DAY),
    "zone ahead": lambda habits, size: setattr(habits, "zone", 480 * MINUTE),
    "zone behind": lambda habits, size: setattr(habits, "zone", -300 * MINUTE),
    "since left out": lambda habits, size: setattr(habits, "left_out", ("since",)),
    "until left out": lambda habits, size: setattr(habits, "left_out", ("until",)),
    "ends left out": lambda habits, size: setattr(habits, "left_out", ("since", "until")),
    "since ignored": lambda habits, size: setattr(habits, "filters", ("until",)),
    "until ignored": lambda habits, size: setattr(habits, "filters", ("since",)),
    "filters ignored": lambda habits, size: setattr(habits, "filters", ()),
    "copies": lambda habits, size: setattr(habits, "lags", (0 * SECOND, MINUTE, 2 * MINUTE)),
    "lagging counts": lambda habits, size: setattr(habits, "count_lag", 90 * SECOND),
    "capped count": lambda habits, size: setattr(habits, "count_cap", 3 * size),
    "clock ahead": lambda habits, size: setattr(habits, "skews", (5 * DAY,)),
    "clock an hour ahead": lambda habits, size: setattr(habits, "skews", (60 * MINUTE,)),
    "one clock ahead": lambda habits, size: setattr(habits, "clock_ahead", dict.fromkeys((0, 3, 9, 20, 31), 5 * DAY)),
    "one clock behind": lambda habits, size: setattr(habits, "clock_ahead", dict.fromkeys((1, 6, 22), -5 * DAY)),
    "unknown state": lambda habits, size: setattr(habits, "unknown_states", frozenset({"NEW"})),
    "refused states": lambda habits, size: setattr(habits, "refused_states", frozenset({"NEW", "BLOCK"})),
}
"""Habits by name. Each changes a tenant that is read in pages of a given size."""


def find_unlistable(tenant: Tenant, jobs: list[Job]) -> set[str | None]:
    """Return the jobs that no query lists: they are hidden, or too deep in their second."""
    depth = tenant.habits.max_offset
    if depth and len(tenant.habits.filters) < 2 and len(tenant.jobs) > depth:
        return {job.job_id for job in jobs}  # no window lists deeper jobs
    crowds = Counter(job.created.replace(microsecond=0) for job in tenant.jobs) if depth else Counter()
    return {
        job.job_id
        for job in jobs
        if job.flaw in ("hidden", "unreadable")
        or (
            depth and sum(crowds[job.created.replace(microsecond=0) + second * SECOND] for second in (-1, 0, 1)) > depth
        )
    }
