"""Turns one job of the API into a row, or into a rejected record. Pure: no I/O, no clock, no dlt.

Only a `job_id` makes a record a row (`docs/extraction.md#rows`). A field that is not as documented
becomes null and is reported. An empty text is null, too, because dlt loads it as null into
PostgreSQL. Presigned URLs lose their query, which is a credential.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from metastudio.records.answer import ErrorInfo, Job, OutputAsset
from metastudio.redaction import strip_query, strip_signed
from metastudio.timestamps import parse_time

TERMINAL_STATES = frozenset({"SUCCEED", "SUCCESS", "FAILED", "CANCELED", "BLOCK"})
"""States in which a job has ended (`docs/api.md#answer`). Jobs in other states are open."""

_MAX_RECORD_CHARS = 100_000
_NO_ASSET, _NO_ERROR = OutputAsset(), ErrorInfo()


class Row(NamedTuple):
    """A job's fields in the order of the raw table. Nested objects are flattened as dlt does it.

    `updated` is the time that the protocol orders by: the lastupdate_time, or the create_time if
    there is none. It is None if the time is not valid. `extra` has the undocumented fields.
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
    """A record that could not be loaded, or not in full. Its signed queries are removed."""

    record_hash: str
    record: str
    reason: str
    request_id: str | None
    rejected_at: datetime

    @property
    def key(self) -> str:
        """Return the key of the record in the list. It cannot equal a job_id."""
        return f"\0{self.record_hash}"


def write_json(value: Any) -> str:
    """Return a JSON value as text that every destination can store."""
    return (
        json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "replace").decode()
    )


def _needs_cleaning(text: str) -> bool:
    """Return whether a text may have a signed query or a NUL."""
    return "?" in text or "%" in text or "\\" in text or "\0" in text


def add_app_user(record_hash: str, app_user_id: str | None) -> str:
    """Return the hash of an app user's record: another app user may have an equal one."""
    return hashlib.sha256(f"{record_hash}/{app_user_id}".encode()).hexdigest() if app_user_id else record_hash


def is_blank(value: Any) -> bool:
    """Return whether a value is null or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


class RowParser:
    """Parses jobs into rows.

    Args:
        keep_signed_urls: whether URLs keep their signed query.
        app_user_id: the app user whose jobs are read; None for all.
    """

    _known = frozenset(Job.__struct_fields__)
    _known_asset = frozenset(OutputAsset.__struct_fields__)
    _known_error = frozenset(ErrorInfo.__struct_fields__)

    def __init__(self, *, keep_signed_urls: bool = False, app_user_id: str | None = None) -> None:
        self.keep_signed_urls = keep_signed_urls
        self.app_user_id = app_user_id

    def parse(self, job: Any) -> tuple[Row | None, str | None]:
        """Return the row of a job, and its problems as text. Without a job_id, there is no row.

        Args:
            job: a documented job, which has no problems, or any JSON value.
        """
        if isinstance(job, Job):
            if (row := self._flatten(job)) is not None:
                return row, None
            job = msgspec.to_builtins(job)
        if not isinstance(job, dict):
            return None, "the record is not an object"
        job_id = job.get("job_id")
        if not isinstance(job_id, str) or not job_id:
            return None, "the record has no job_id"
        problems: list[str] = []
        asset = self._object(job, "output_asset_config", problems)
        error = self._object(job, "error_info", problems)
        create_time = self._time(job, "create_time", problems)
        lastupdate_time = self._time(job, "lastupdate_time", problems)
        updated = lastupdate_time
        if updated is None and is_blank(job.get("lastupdate_time")):
            updated = create_time
        row = Row(
            self._clean(job_id),
            self._text(job, "state", problems),
            self._text(job, "job_type", problems),
            self._time(job, "start_time", problems),
            self._time(job, "end_time", problems),
            self._number(job, "duration", problems),
            self._text(asset, "asset_id", problems),
            self._text(asset, "asset_name", problems),
            self._url(asset, "cover_url", problems),
            self._url(asset, "preview_video_url", problems),
            self._text(error, "error_code", problems),
            self._text(error, "error_msg", problems),
            create_time,
            lastupdate_time,
            updated,
            self._extra(job, asset, error),
        )
        return row, f"not as documented: {', '.join(problems)}" if problems else None

    def _flatten(self, job: Job) -> Row | None:
        """Return the row of a documented job; None if something has to be removed from a text."""
        asset, error = job.output_asset_config or _NO_ASSET, job.error_info or _NO_ERROR
        cover_url, preview_url = asset.cover_url, asset.preview_video_url
        if not self.keep_signed_urls:
            cover_url = cover_url and strip_query(cover_url)
            preview_url = preview_url and strip_query(preview_url)
        row = Row(
            job.job_id,
            job.state,
            job.job_type or None,
            job.start_time,
            job.end_time,
            job.duration,
            asset.asset_id or None,
            asset.asset_name or None,
            cover_url or None,
            preview_url or None,
            error.error_code or None,
            error.error_msg or None,
            job.create_time,
            job.lastupdate_time,
            job.lastupdate_time or job.create_time,
            None,
        )
        texts = (job.job_id, job.state, job.job_type, asset.asset_id, asset.asset_name, cover_url, preview_url)
        text = "".join([text or "" for text in (*texts, error.error_code, error.error_msg)])
        return None if _needs_cleaning(text) else row

    def make_rejected(self, job: Any, reason: str, request_id: str | None, at: datetime) -> Rejected:
        """Return the record of a job that could not be loaded, or not in full."""
        raw = write_json(strip_signed(job))
        digest = hashlib.sha256(raw.encode()).hexdigest()
        return Rejected(add_app_user(digest, self.app_user_id), raw[:_MAX_RECORD_CHARS], reason, request_id, at)

    @staticmethod
    def _clean(text: str) -> str:
        """Remove NUL, which PostgreSQL cannot store."""
        return text.replace("\0", "") if "\0" in text else text

    @staticmethod
    def _object(job: dict[str, Any], name: str, problems: list[str]) -> dict[str, Any]:
        value = job.get(name)
        if isinstance(value, dict):
            return value
        if value is not None:
            problems.append(name)
        return {}

    def _text(self, job: dict[str, Any], name: str, problems: list[str]) -> str | None:
        value = job.get(name)
        if isinstance(value, str) and value:
            if not _needs_cleaning(value):
                return value
            return self._clean(value if self.keep_signed_urls else strip_signed(value)) or None
        if value not in (None, "") or name == "state":
            problems.append(name)
        return None

    def _url(self, job: dict[str, Any], name: str, problems: list[str]) -> str | None:
        value = job.get(name)
        if value is None:
            return None
        if isinstance(value, str) and not self.keep_signed_urls:
            stable = strip_query(value)
            return (self._clean(strip_signed(stable)) if _needs_cleaning(stable) else stable) or None
        return self._text(job, name, problems)

    @staticmethod
    def _time(job: dict[str, Any], name: str, problems: list[str]) -> datetime | None:
        value = job.get(name)
        if value is None:
            return None
        try:
            return parse_time(value)
        except ValueError:
            if not is_blank(value):
                problems.append(name)
            return None

    @staticmethod
    def _number(job: dict[str, Any], name: str, problems: list[str]) -> float | None:
        value = job.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                pass
        if value is not None:
            problems.append(name)
        return None

    def _extra(self, job: dict[str, Any], asset: dict[str, Any], error: dict[str, Any]) -> dict[str, Any] | None:
        """Return the undocumented fields, with objects flattened by one level."""
        if job.keys() <= self._known and asset.keys() <= self._known_asset and error.keys() <= self._known_error:
            return None
        extra: dict[str, Any] = {}
        for name in [name for name in job if name not in self._known]:
            if isinstance(job[name], dict):
                extra.update((f"{name}__{inner}", value) for inner, value in job[name].items())
            else:
                extra[name] = job[name]
        for prefix, values, known in (
            ("output_asset_config", asset, self._known_asset),
            ("error_info", error, self._known_error),
        ):
            extra.update((f"{prefix}__{name}", values[name]) for name in values if name not in known)
        stable = extra if self.keep_signed_urls else strip_signed(extra)
        return {name: value for name, value in stable.items() if value is not None and value != ""} or None
