"""The job that the vendor's documentation shows."""

from __future__ import annotations

from typing import Any

EXAMPLE: dict[str, Any] = {
    "job_id": "26f06524-4f75-4b3a-a853-b649a21aaf66",
    "state": "SUCCEED",
    "start_time": "2022-01-18T16:29:36Z",
    "end_time": "2022-01-18T16:30:36Z",
    "duration": 60,
    "output_asset_config": {
        "asset_id": "942e65a5fd219a2e01fb08d881cfadb9",
        "asset_name": "One Day",
        "cover_url": "https://host/0d69/942e/20d3.png?AccessKeyId=XCQK&Expires=1671241457&Signature=zVGM%3D",
    },
    "error_info": None,
    "create_time": "2022-11-30T06:59:56Z",
    "lastupdate_time": "2022-11-30T07:00:09Z",
}
