"""One job as the API gives it -> one row, or a rejected record. Pure: no I/O, no clock, no dlt.

Only `job_id` makes a row a row (`docs/extraction.md#rows`). A field that is no time or of the wrong type becomes null and is told of;
presigned URLs lose their query, which is a credential.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Any, NamedTuple

from metastudio.redaction import strip_query, strip_signed
from metastudio.timestamps import parse_time

TERMINAL_STATES = frozenset({"SUCCEED", "SUCCESS", "FAILED", "CANCELED", "BLOCK"})
"""States in which a job waits for nothing (`docs/api.md#answer`); any other one can still change."""

_find_mark = re.compile(r"[?%\\\0]").search
"""Finds what a text must hold to hold a signed query, or the one character that PostgreSQL cannot hold."""
_MAX_RECORD_CHARS = 100_000


class Row(NamedTuple):
    """A job's scalar fields in the order of the raw table, its nested objects flattened as dlt does.

    `updated` is the time that the protocol orders by: the lastupdate_time, the create_time where the job has none, None where it
    is no time. `extra` holds the fields that nobody knows yet.
    """

    job_id: str
    state: str | None
    job_type: str | None
    start_time: datetime | None
    end_time: datetime | None
    duration: float | None
    output_asset_config__asset_id: str | None
    output_asset_config__asset_name: str | None
    output_asset_config__cover_url: str | None
    output_asset_config__preview_video_url: str | None
    error_info__error_code: str | None
    error_info__error_msg: str | None
    create_time: datetime | None
    lastupdate_time: datetime | None
    updated: datetime | None
    extra: dict[str, Any] | None

    @property
    def key(self) -> str:
        return self.job_id


class Rejected(NamedTuple):
    """A record that could not be loaded, or not whole: without signed queries, with the reason and where it came from."""

    record_hash: str
    record: str
    reason: str
    request_id: str | None
    rejected_at: datetime

    @property
    def key(self) -> str:
        """A key of its own for the record's place in the list; no job_id looks like it."""
        return f"\0{self.record_hash}"


def write_json(value: Any) -> str:
    """Write a JSON value as text that any destination can hold, whatever stands in it."""
    return (
        json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "replace").decode()
    )


class RowParser:
    """Makes rows of the jobs of one answer after the other; with `keep_signed_urls` the URLs stay as they came."""

    _known = frozenset(
        ("job_id", "state", "job_type", "start_time", "end_time", "duration", "output_asset_config")
    ) | frozenset(("error_info", "create_time", "lastupdate_time"))
    _known_asset = frozenset(("asset_id", "asset_name", "cover_url", "preview_video_url"))
    _known_error = frozenset(("error_code", "error_msg"))

    def __init__(self, *, keep_signed_urls: bool = False) -> None:
        self.keep_signed_urls = keep_signed_urls

    def make_row(self, job: Any) -> tuple[Row | None, str | None]:
        """Make the row of one job, and say what was wrong with the record; no row where it has no job_id."""
        if not isinstance(job, dict):
            return None, "the record is no object"
        job_id = job.get("job_id")
        if not isinstance(job_id, str) or not job_id:
            return None, "the record has no job_id"
        wrong: list[str] = []
        asset = self._object(job, "output_asset_config", wrong)
        error = self._object(job, "error_info", wrong)
        create_time = self._time(job, "create_time", wrong)
        lastupdate_time = self._time(job, "lastupdate_time", wrong)
        row = Row(
            self._clean(job_id),
            self._text(job, "state", wrong),
            self._text(job, "job_type", wrong),
            self._time(job, "start_time", wrong),
            self._time(job, "end_time", wrong),
            self._number(job, "duration", wrong),
            self._text(asset, "asset_id", wrong),
            self._text(asset, "asset_name", wrong),
            self._url(asset, "cover_url", wrong),
            self._url(asset, "preview_video_url", wrong),
            self._text(error, "error_code", wrong),
            self._text(error, "error_msg", wrong),
            create_time,
            lastupdate_time,
            create_time if job.get("lastupdate_time") is None else lastupdate_time,
            self._extra(job, asset, error),
        )
        return row, f"not as documented: {', '.join(wrong)}" if wrong else None

    def make_rejected(self, job: Any, reason: str, request_id: str | None, at: datetime) -> Rejected:
        """Make the record of a job that could not be loaded, or not whole; never with a signed query."""
        raw = write_json(strip_signed(job))
        digest = hashlib.sha256(raw.encode()).hexdigest()
        return Rejected(digest, raw[:_MAX_RECORD_CHARS], reason, request_id, at)

    @staticmethod
    def _clean(text: str) -> str:
        """Drop the one character that PostgreSQL cannot hold."""
        return text.replace("\0", "") if "\0" in text else text

    @staticmethod
    def _object(job: dict[str, Any], name: str, wrong: list[str]) -> dict[str, Any]:
        value = job.get(name)
        if isinstance(value, dict):
            return value
        if value is not None:
            wrong.append(name)
        return {}

    def _text(self, job: dict[str, Any], name: str, wrong: list[str]) -> str | None:
        value = job.get(name)
        if isinstance(value, str):
            if not _find_mark(value):
                return value
            return self._clean(value if self.keep_signed_urls else strip_signed(value))
        if value is not None or name == "state":
            wrong.append(name)
        return None

    def _url(self, job: dict[str, Any], name: str, wrong: list[str]) -> str | None:
        value = job.get(name)
        if value is None:
            return None
        if isinstance(value, str) and not self.keep_signed_urls:
            stable = strip_query(value)
            return self._clean(strip_signed(stable)) if _find_mark(stable) else stable
        return self._text(job, name, wrong)

    @staticmethod
    def _time(job: dict[str, Any], name: str, wrong: list[str]) -> datetime | None:
        value = job.get(name)
        if value is None:
            return None
        try:
            return parse_time(value)
        except ValueError:
            wrong.append(name)
            return None

    @staticmethod
    def _number(job: dict[str, Any], name: str, wrong: list[str]) -> float | None:
        value = job.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                pass
        if value is not None:
            wrong.append(name)
        return None

    def _extra(self, job: dict[str, Any], asset: dict[str, Any], error: dict[str, Any]) -> dict[str, Any] | None:
        """Collect the fields that nobody knows: objects flattened one level, as dlt names them."""
        if job.keys() <= self._known and asset.keys() <= self._known_asset and error.keys() <= self._known_error:
            return None
        extra: dict[str, Any] = {}
        for name in [name for name in job if name not in self._known]:
            if isinstance(job[name], dict):
                extra.update((f"{name}__{inner}", value) for inner, value in job[name].items())
            else:
                extra[name] = job[name]
        for prefix, held, known in (
            ("output_asset_config", asset, self._known_asset),
            ("error_info", error, self._known_error),
        ):
            extra.update((f"{prefix}__{name}", held[name]) for name in held if name not in known)
        extra = {name: value for name, value in extra.items() if value is not None}
        return (extra if self.keep_signed_urls else strip_signed(extra)) or None
