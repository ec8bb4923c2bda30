"""One video production job: what the service knows of it, how its state moves, and the row the API shows.

Times are exact to the microsecond here and cut to the second in the row (`api/facts.md`). Knows no tenant and no HTTP.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

import orjson

from .times import show_time

TWO_D: Final = "2D_DIGITAL_HUMAN_VIDEO"
PHOTO: Final = "PHOTO_DIGITAL_HUMAN_VIDEO"
PHOTO_IN_SDK: Final = "DIGITAL_HUMAN_PHOTO_VIDEO"
PHOTO_TYPES: Final = frozenset({PHOTO, PHOTO_IN_SDK})

OPEN_STATES: Final = ("WAITING", "PROCESSING")
STATES: Final = ("WAITING", "PROCESSING", "SUCCEED", "FAILED", "CANCELED", "BLOCK")

PRESIGNED: Final = "~presigned~"
_PRESIGNED_BYTES: Final = PRESIGNED.encode()
_HOST: Final = "https://metastudio-assets.invalid"

ERRORS: Final = (
    ("MSS.10010015", "The text contains sensitive words."),
    ("MSS.10020031", "Failed to synthesize the audio."),
    ("MSS.10030002", "The digital human model does not exist or is not activated."),
    ("MSS.10030019", "Rendering timed out."),
    ("MSS.10040007", "Insufficient resources. Try again later."),
    ("MSS.10050011", "图片中未检测到人脸"),
)


class Absent:
    """The type of `ABSENT`."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""A spoiled field with this value is left out of the row."""


@dataclass(slots=True)
class Plan:
    """What will become of an open job if it is left to live."""

    start_us: int
    end_us: int
    outcome: str


@dataclass(slots=True)
class Job:
    """A job as the service keeps it.

    `key` names it inside the tenant and equals the job_id, except for rows added raw. `nulls`: fields not set are shown
    as null, else left out. `parts` is the serialised row, cut where the signature of a URL belongs.
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
    spoiled: dict[str, Any] | None = None
    parts: list[bytes] | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES and not self.is_raw

    @property
    def is_photo(self) -> bool:
        return self.job_type in PHOTO_TYPES

    @property
    def shown_job_id(self) -> str | None:
        """The job_id as the row has it: what the filters `job_id` and `job_ids` look at."""
        if not self.is_raw:
            return self.key
        return make_text(self.raw, "job_id")


def make_text(row: Any, name: str) -> str | None:
    """The field of a raw row, if the row is an object and the field a text."""
    value = row.get(name) if isinstance(row, dict) else None
    return value if isinstance(value, str) else None


def become(job: Job, state: str, at_us: int, rng: random.Random) -> None:
    """Moves the job to a state with everything that goes with it; a state nobody knows changes only the word."""
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
    """A video's length in seconds; many are whole, as in the page's example."""
    seconds = rng.lognormvariate(4.1, 0.8)
    return float(round(seconds)) if rng.random() < 0.3 else round(seconds, 2)


def make_row(job: Job, *, project_id: str, unknown_fields: dict[str, Any], shown_states: dict[str, str]) -> Any:
    """The row as the API shows it, every URL ending in `PRESIGNED` where `?AccessKeyId=…` belongs."""
    if job.is_raw:
        return job.raw
    row: dict[str, Any] = {"job_id": job.key, "state": shown_states.get(job.state, job.state)}
    if job.job_type is not None:
        row["job_type"] = job.job_type
    later = (
        ("start_time", None if job.start_us is None else show_time(job.start_us)),
        ("end_time", None if job.end_us is None else show_time(job.end_us)),
        ("duration", int(job.duration) if job.duration is not None and job.duration % 1 == 0 else job.duration),
        ("output_asset_config", _make_asset(job, project_id) if job.has_asset else None),
        ("error_info", {"error_code": job.error[0], "error_msg": job.error[1]} if job.error else None),
    )
    row.update((name, value) for name, value in later if value is not None or job.nulls)
    row["create_time"] = show_time(job.create_us)
    row["lastupdate_time"] = show_time(job.update_us)
    row.update(unknown_fields)
    if job.spoiled:
        row.update(job.spoiled)
        row = {name: value for name, value in row.items() if value is not ABSENT}
    return row


def _make_asset(job: Job, project_id: str) -> dict[str, str]:
    digits = job.key.replace("-", "")
    asset_id = digits[::-1]
    folder = f"{_HOST}/{project_id}/{asset_id}"
    asset = {"asset_id": asset_id, "asset_name": job.asset_name}
    asset["cover_url"] = f"{folder}/{digits[16:]}{digits[:16]}.png{PRESIGNED}{digits[:13]}%3D"
    if job.is_photo:
        asset["preview_video_url"] = f"{folder}/{digits[8:]}{digits[:8]}.mp4{PRESIGNED}{digits[-13:]}%3D"
    return asset


def make_parts(row: Any) -> list[bytes]:
    """The row as JSON, cut where the request's own signature goes; join it with the signature."""
    return orjson.dumps(row).split(_PRESIGNED_BYTES)
