"""Makes the jobs of a tenant when the server starts: plausible ones, equal for equal seed and time.

The functions are pure. They make quiet periods, bursts of several jobs in one second, photo jobs in
both spellings, finished jobs that change much later, and a few that are still open.
"""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Final

from metastudio_simulator.tenant.job import ERRORS, PHOTO, PHOTO_IN_SDK, TWO_D, Job, Plan, make_duration
from metastudio_simulator.timestamps import SECOND

APP_USER: Final = "user-1"
SCRIPTS: Final = 40

_HOUR: Final = 3600
_ENOUGH: Final = 10
_DAY_PROFILE: Final = (1, 1, 1, 1, 2, 3, 5, 8, 11, 12, 10, 8, 9, 11, 12, 11, 9, 7, 6, 6, 5, 4, 2, 1)
_WORDS: Final = (
    "One Day", "Product launch", "Weekly news", "Onboarding, part 1", "Course: Safety", "Greeting \"VIP\"", "Demo",
    "新品发布会", "每周新闻", "企业宣传片", "安全培训 第一讲", "节日祝福", "直播预告", "客服问答", "数字人播报",
)  # fmt: skip


def make_job_id(rng: random.Random) -> str:
    """Return a job_id like the API's: 32 hex digits in the groups of a UUID."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def make_asset_name(rng: random.Random) -> str:
    """Return a video's name, Chinese or English, sometimes used twice."""
    return f"{_WORDS[int(rng.random() * len(_WORDS))]} {int(rng.random() * 1000)}"


def make_script_id(rng: random.Random) -> str:
    """Return one of the tenant's `SCRIPTS` script IDs, 32 hex digits."""
    return f"{int(rng.random() * SCRIPTS) + 1:032x}"


def make_plan(rng: random.Random, from_us: int) -> Plan:
    """Return when a job starts and ends, and in which state.

    Both times are log-normal, with medians of 90 s and 4 min.
    """
    start = from_us + int(rng.lognormvariate(4.5, 0.9) * SECOND)
    end = start + int(rng.lognormvariate(5.5, 0.8) * SECOND)
    luck = rng.random()
    return Plan(start, end, "SUCCEED" if luck < 0.9 else "FAILED" if luck < 0.97 else "CANCELED")


def make_new_job(rng: random.Random, create_us: int) -> Job:
    """Return a job as it is when it is created: WAITING, with a plan."""
    job_id = make_job_id(rng)
    luck = rng.random()
    return Job(
        job_id,
        create_us,
        create_us,
        job_type=TWO_D if luck > 0.3 else PHOTO if luck > 0.06 else PHOTO_IN_SDK,
        script_id=make_script_id(rng),
        app_user_id=APP_USER if rng.random() < 0.1 else None,
        asset_name=make_asset_name(rng),
        nulls=rng.random() < 0.7,
        plan=make_plan(rng, create_us),
    )


def make_history(rng: random.Random, count: int, days: float, now_us: int) -> list[Job]:
    """Return the jobs of the `days` before now, in order of creation.

    Args:
        count: the number of jobs.
        days: the number of days that they cover.
        now_us: the instant that none of their times exceeds.
    """
    jobs = [make_new_job(rng, at) for at in _make_times(rng, count, days, now_us)]
    if count >= _ENOUGH:
        _keep_open(rng, jobs, now_us)
    for job in jobs:
        _live_until(rng, job, now_us)
    _touch_late(rng, jobs, now_us)
    return jobs


def _make_times(rng: random.Random, count: int, days: float, now_us: int) -> list[int]:
    slots = max(1, int(days * 24))
    span = int(days * 24 * _HOUR * SECOND)
    width = max(1, span // slots)
    quiet = [False] * slots
    for _ in range(max(1, slots // 700)):
        start = rng.randrange(slots)
        for slot in range(start, min(slots, start + rng.randint(12, 120))):
            quiet[slot] = slots > 48 and not quiet[slot] and slot < slots - 24
    weights = list(accumulate(1e-9 if quiet[slot] else _DAY_PROFILE[slot % 24] for slot in range(slots)))
    begin = now_us - span
    recent = min(25, max(2, count // 200)) if count >= _ENOUGH else 0
    times = [
        min(now_us - 1, begin + slot * width + int(rng.random() * width))
        for slot in rng.choices(range(slots), cum_weights=weights, k=count - recent)
    ]
    _make_bursts(rng, times)
    reach = min(span, 5400 * SECOND)
    times += [now_us - 1 - int(rng.random() ** 2 * reach) for _ in range(recent)]
    times.sort()
    return times


def _make_bursts(rng: random.Random, times: list[int]) -> None:
    """Move about a tenth of the times, in groups, into the same second as another one."""
    place = 0
    while place < len(times):
        size = rng.randint(2, 8) if rng.random() < 0.022 else 1
        second = times[place] // SECOND * SECOND
        for member in range(place, min(place + size, len(times)) if size > 1 else place):
            times[member] = (
                min(times[place] | 1, second + int(rng.random() * SECOND)) if member > place else times[place]
            )
        place += size


def _keep_open(rng: random.Random, jobs: list[Job], now_us: int) -> None:
    """Keep the newest job WAITING and the one before it PROCESSING."""
    waiting, rendering = jobs[-1], jobs[-2]
    waiting.plan = make_plan(rng, now_us + SECOND)
    plan = make_plan(rng, now_us)
    rendering.plan = Plan((rendering.create_us + now_us) // 2, plan.end_us, "SUCCEED")


def _live_until(rng: random.Random, job: Job, now_us: int) -> None:
    """Carry the job's plan out until now."""
    plan = job.plan
    assert plan is not None
    if plan.start_us > now_us:
        return
    if plan.outcome == "CANCELED":
        job.state, job.update_us, job.plan = "CANCELED", plan.start_us, None
        return
    job.start_us = job.update_us = plan.start_us
    if plan.end_us > now_us:
        job.state = "PROCESSING"
        return
    job.state, job.plan, job.end_us = plan.outcome, None, plan.end_us
    job.update_us = min(now_us, plan.end_us + int(rng.random() * 2 * SECOND))
    if plan.outcome == "FAILED":
        job.error = ERRORS[int(rng.random() ** 2 * len(ERRORS))]
        return
    job.duration, job.has_asset = make_duration(rng), True
    oddity = rng.random()
    if oddity < 0.01:  # as in the vendor's example: rendered before it was created
        job.start_us, job.end_us = job.create_us - 70 * SECOND, job.create_us - 10 * SECOND
    elif oddity < 0.03 and job.job_type == TWO_D:  # as in the vendor's example: no job_type
        job.job_type = None


def _touch_late(rng: random.Random, jobs: list[Job], now_us: int) -> None:
    """Rename or freeze finished jobs much later.

    Enough of these changes are recent, so that the newest changes are not those of the newest jobs.
    """
    finished = [job for job in jobs if not job.is_open]
    if not finished:
        return
    for job in finished:
        if rng.random() < 0.06:
            _touch(rng, job, min(now_us, job.update_us + int(rng.lognormvariate(11.5, 1.8) * SECOND)))
    span = max(1, now_us - jobs[-min(len(jobs), 60)].create_us)
    for job in rng.sample(finished, min(60, (len(finished) + 9) // 10)):
        _touch(rng, job, max(job.update_us, now_us - int(rng.random() * span)))


def _touch(rng: random.Random, job: Job, at_us: int) -> None:
    job.update_us = at_us
    if job.state == "SUCCEED" and rng.random() < 0.2:
        job.state = "BLOCK"
    else:
        job.asset_name = make_asset_name(rng)
