"""Makes the row that the API shows for a job, in the style that the behavior asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

import orjson

from metastudio_simulator.tenant.job import Job
from metastudio_simulator.timestamps import TIME_FORMATS, show_time

PRESIGNED: Final = "~presigned~"
_PRESIGNED_BYTES: Final = PRESIGNED.encode()
_HOST: Final = "https://metastudio-assets.invalid"
_MIXED: Final = tuple(TIME_FORMATS.values())


class Absent:
    """The type of `ABSENT`."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""A corrupted field with this value is left out of the row."""


@dataclass(frozen=True, slots=True, eq=False)
class RowStyle:
    """The style of rows. `Behavior` documents the fields."""

    project_id: str
    unknown_fields: dict[str, Any] = field(default_factory=dict)
    shown_states: dict[str, str] = field(default_factory=dict)
    shown_job_types: dict[str, str] = field(default_factory=dict)
    time_format: str = "utc"
    empty_times: bool = False
    blank_row: str = "empty"
    blank_jobs: frozenset[str] = frozenset()


def make_row(job: Job, style: RowStyle) -> Any:
    """Return the row. Every URL ends in `PRESIGNED` where `?AccessKeyId=…` belongs."""
    if style.blank_jobs and job.key in style.blank_jobs and style.blank_row != "no_job_id":
        return None if style.blank_row == "null" else {}
    if job.is_raw:
        return job.raw
    row = _make_fields(job, style)
    row.update(style.unknown_fields)
    if job.corrupted:
        row.update(job.corrupted)
        row = {name: value for name, value in row.items() if value is not ABSENT}
    if style.blank_jobs and job.key in style.blank_jobs:
        del row["job_id"]
    return row


def _make_fields(job: Job, style: RowStyle) -> dict[str, Any]:
    show = _find_format(job, style.time_format)
    row: dict[str, Any] = {"job_id": job.key, "state": style.shown_states.get(job.state, job.state)}
    if job.job_type is not None:
        row["job_type"] = style.shown_job_types.get(job.job_type, job.job_type)
    no_time = "" if style.empty_times else None
    is_integral = job.duration is not None and job.duration % 1 == 0
    later = (
        ("start_time", no_time if job.start_us is None else show(job.start_us)),
        ("end_time", no_time if job.end_us is None else show(job.end_us)),
        ("duration", int(job.duration or 0) if is_integral else job.duration),
        ("output_asset_config", _make_asset(job, style.project_id) if job.has_asset else None),
        ("error_info", {"error_code": job.error[0], "error_msg": job.error[1]} if job.error else None),
    )
    row.update((name, value) for name, value in later if value is not None or job.nulls)
    row["create_time"] = show(job.create_us)
    row["lastupdate_time"] = show(job.update_us)
    return row


def _find_format(job: Job, name: str) -> Callable[[int], str]:
    if name == "utc":
        return show_time
    return _MIXED[crc32(job.key.encode()) % len(_MIXED)] if name == "mixed" else TIME_FORMATS[name]


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
    """Return the row as JSON, split where the signature of the request must be inserted."""
    return orjson.dumps(row).split(_PRESIGNED_BYTES)


def strip_queries(row: Any) -> Any:
    """Return the row without the queries of its URLs."""
    if isinstance(row, dict) and isinstance(asset := row.get("output_asset_config"), dict):
        for name, value in asset.items():
            if isinstance(value, str) and PRESIGNED in value:
                asset[name] = value[: value.index(PRESIGNED)]
    return row
