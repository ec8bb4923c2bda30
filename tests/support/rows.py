"""A tenant's jobs as rows, read from the simulator and from a table."""

from __future__ import annotations

from datetime import datetime

COLUMNS = (
    "job_id",
    "state",
    "job_type",
    "start_time",
    "end_time",
    "duration",
    "output_asset_config__asset_id",
    "output_asset_config__asset_name",
    "output_asset_config__cover_url",
    "output_asset_config__preview_video_url",
    "error_info__error_code",
    "error_info__error_msg",
    "create_time",
    "lastupdate_time",
)


def shown_rows(sim):
    """Return the tenant's jobs as the table should have them."""
    rows = []
    for job in sim.tenant.visible():
        flat = {name: value for name, value in job.items() if not isinstance(value, dict)}
        for name in ("output_asset_config", "error_info"):
            flat |= {f"{name}__{inner}": value for inner, value in (job.get(name) or {}).items()}
        for name in ("start_time", "end_time", "create_time", "lastupdate_time"):
            if flat.get(name):
                flat[name] = datetime.fromisoformat(flat[name])
        rows.append(tuple(flat.get(name) for name in COLUMNS))
    return sorted(rows)


def held_rows(query):
    return sorted(query(f"SELECT {', '.join(COLUMNS)} FROM metastudio.digital_human_videos WHERE deleted_at IS NULL"))


def newest_update(sim):
    """Return the newest update time that the API shows, which is the watermark after a sync."""
    return max(job["lastupdate_time"] for job in sim.tenant.visible())
