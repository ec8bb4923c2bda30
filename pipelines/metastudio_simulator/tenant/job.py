"""One video production job: what the service knows about it, and how its state changes.

Times are exact to the microsecond. This module knows no tenants, rows or HTTP.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

TWO_D: Final = "2D_DIGITAL_HUMAN_VIDEO"
PHOTO: Final = "PHOTO_DIGITAL_HUMAN_VIDEO"
PHOTO_IN_SDK: Final = "DIGITAL_HUMAN_PHOTO_VIDEO"
PHOTO_TYPES: Final = frozenset({PHOTO, PHOTO_IN_SDK})

OPEN_STATES: Final = ("WAITING", "PROCESSING")

ERRORS: Final = (
    ("MSS.10010015", "The text contains sensitive words."),
    ("MSS.10020031", "Failed to synthesize the audio."),
    ("MSS.10030002", "The digital human model does not exist or is not activated."),
    ("MSS.10030019", "Rendering timed out."),
    ("MSS.10040007", "Insufficient resources. Try again later."),
    ("MSS.10050011", "图片中未检测到人脸"),
)


@dataclass(slots=True)
class Plan:
    """The future of an open job."""

    start_us: int
    end_us: int
    outcome: str


@dataclass(slots=True)
class Job:
    """A job as the service keeps it.

    A listed job is never changed in place: a change makes a copy, so that lagging replicas can keep
    the old one. Only `plan`, `parts` and `style`, which are not shown, are set.

    Attributes:
        key: the name inside the tenant. It equals the job_id, except for raw rows.
        nulls: fields without a value are shown as null, else left out.
        raw: the row itself, if `is_raw`.
        corrupted: values shown instead of the job's own.
        parts: the serialized row, cut where the signature of a URL belongs.
        style: the row style that `parts` was made in; None if it must be made.
    """

    key: str
    create_us: int
    update_us: int
    state: str = "WAITING"
    job_type: str | None = TWO_D
    script_id: str = ""
    app_user_id: str | None = None
    asset_name: str = ""
    has_asset: bool = False
    start_us: int | None = None
    end_us: int | None = None
    duration: float | None = None
    error: tuple[str, str] | None = None
    visible_us: int = 0
    nulls: bool = True
    plan: Plan | None = None
    is_raw: bool = False
    raw: Any = None
    corrupted: dict[str, Any] | None = None
    parts: Sequence[bytes] = ()
    style: object = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES and not self.is_raw

    @property
    def is_photo(self) -> bool:
        return self.job_type in PHOTO_TYPES

    @property
    def shown_job_id(self) -> str | None:
        """Return the job_id in the row, which the filters `job_id` and `job_ids` look at."""
        if not self.is_raw:
            return self.key
        return read_text(self.raw, "job_id")


def read_text(row: Any, name: str) -> str | None:
    """Return the field of a raw row, if the row is an object and the field a string."""
    value = row.get(name) if isinstance(row, dict) else None
    return value if isinstance(value, str) else None


def become(job: Job, state: str, at_us: int, rng: random.Random) -> None:
    """Move the job to a state and set its fields. An unknown state changes only the name."""
    before, job.state, job.update_us, job.plan = job.state, state, at_us, None
    if state != "FAILED":
        job.error = None
    if state == "WAITING":
        job.start_us = job.end_us = job.duration = None
        job.has_asset = False
    elif state == "PROCESSING":
        job.start_us, job.end_us, job.duration, job.has_asset = at_us, None, None, False
    elif state == "CANCELED":
        job.has_asset, job.duration = False, None
    elif state == "FAILED":
        job.start_us, job.end_us, job.duration = job.start_us or at_us, at_us, None
        job.error, job.has_asset = job.error or rng.choice(ERRORS), False
    elif state in ("SUCCEED", "BLOCK"):
        if before not in ("SUCCEED", "BLOCK") or job.end_us is None:
            job.start_us, job.end_us = job.start_us or at_us, at_us
        if job.duration is None:
            job.duration = make_duration(rng)
        job.has_asset = True


def make_duration(rng: random.Random) -> float:
    """Return a video's length in seconds; many are whole, as in the vendor's example."""
    seconds = rng.lognormvariate(4.1, 0.8)
    return float(round(seconds)) if rng.random() < 0.3 else round(seconds, 2)
