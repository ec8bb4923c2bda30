"""Checks a list request's parameters as the API does: names, bounds and defaults of `docs/api.md`.

The checks are pure. Unknown parameters are ignored, as an older endpoint ignores `job_ids`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from metastudio_simulator.behavior import Behavior
from metastudio_simulator.tenant.index import Filters, Query
from metastudio_simulator.timestamps import DAY, END_OF_TIME, HOUR, SECOND, read_shown_time

MAX_OFFSET: Final = 2_147_483_647
MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 10
LAST_MONTH_DAYS: Final = 30

Parameters = Mapping[str, Sequence[str]]


class RefusedQueryError(ValueError):
    """The API answers this request with a fault instead of a list."""

    def __init__(self, fault: str = "400") -> None:
        super().__init__(fault)
        self.fault = fault


def make_query(given: Parameters, *, app_user_id: str | None, now_us: int, behavior: Behavior) -> Query:
    """Return the query of a request.

    Args:
        given: all values of each parameter. A list may be joined by commas, or repeated as in the
            vendor's SDK.
        app_user_id: the `X-App-UserId` header.
        now_us: the time at which the last month ends.

    Raises:
        RefusedQueryError: a value is out of bounds or malformed, or the behavior refuses it.
    """
    if app_user_id is not None and not app_user_id.isascii():
        raise RefusedQueryError
    limit = _read_number(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    offset = _read_number(given, "offset", 0, 0, MAX_OFFSET)
    if behavior.max_offset is not None and offset + limit > behavior.max_offset:
        raise RefusedQueryError(behavior.max_offset_refusal)
    since_us, until_us = _read_range(given, now_us, behavior)
    return Query(
        filters=_make_filters(given, app_user_id, behavior),
        since_us=since_us,
        until_us=until_us,
        sort_key=_read_sort_key(given, behavior),
        descending=_read_descending(given, behavior),
        offset=offset,
        limit=limit if behavior.page_cap is None else min(limit, behavior.page_cap),
    )


def _read_sort_key(given: Parameters, behavior: Behavior) -> str:
    sort_key = _read_word(given, "sort_key", ("create_time", "update_time", "asset_order"))
    if sort_key == "update_time" and behavior.update_time_sorting != "honored":
        if behavior.update_time_sorting == "refused":
            raise RefusedQueryError
        return "create_time"
    return sort_key


def _read_descending(given: Parameters, behavior: Behavior) -> bool:
    descending = _read_word(given, "sort_dir", ("asc", "desc")) == "desc"
    if descending and behavior.sort_direction == "refused":
        raise RefusedQueryError
    return descending and behavior.sort_direction == "honored"


def _read_range(given: Parameters, now_us: int, behavior: Behavior) -> tuple[int, int]:
    """Return the first and the last instant of the range of create_time."""
    shift_us = round(behavior.filter_utc_offset_hours * HOUR)
    since_us, until_us = _read_time(given, "create_since", shift_us), _read_time(given, "create_until", shift_us)
    if behavior.future_until_refusal and until_us is not None and until_us > now_us:
        raise RefusedQueryError(behavior.future_until_refusal)
    begin_us = now_us - LAST_MONTH_DAYS * DAY if since_us is None else since_us
    end_us = now_us if until_us is None else until_us
    if behavior.max_range_days is not None and end_us - begin_us > behavior.max_range_days * DAY:
        raise RefusedQueryError(behavior.max_range_refusal)
    step = SECOND if behavior.filter_precision == "seconds" else 1
    if behavior.create_since_exclusive and since_us is not None:
        begin_us += step
    if until_us is None:
        return begin_us, END_OF_TIME
    return begin_us, until_us - 1 if behavior.create_until_exclusive else until_us + step - 1


def _make_filters(given: Parameters, app_user_id: str | None, behavior: Behavior) -> Filters:
    return Filters(
        states=_read_states(given, behavior),
        job_type=_read_text(given, "job_type"),
        script_id=_read_text(given, "script_id"),
        asset_name=_read_text(given, "asset_name"),
        job_id=_read_text(given, "job_id"),
        job_ids=_read_job_ids(given, behavior),
        app_user_id=app_user_id or None,
        fuzzy=_read_items(given, "fuzzy_query_field"),
    )


def _read_states(given: Parameters, behavior: Behavior) -> frozenset[str]:
    states = _read_items(given, "state")
    if states & set(behavior.refused_states):
        raise RefusedQueryError
    if unknown := states & set(behavior.unfilterable_states):
        states = states - unknown | {f"not {state}" for state in unknown}
    return states | {inner for inner, shown in behavior.shown_states.items() if shown in states}


def _read_job_ids(given: Parameters, behavior: Behavior) -> frozenset[str] | None:
    values = given.get("job_ids")
    if not values or behavior.job_ids == "ignored":
        return None
    if behavior.job_ids == "refused":
        raise RefusedQueryError(behavior.job_ids_refusal)
    if behavior.job_ids == "repeated_only":
        return frozenset(value for value in values if value) or None
    if behavior.job_ids == "comma_joined_only":
        given = {"job_ids": values[:1]}
    return _read_items(given, "job_ids") or None


def _read_text(given: Parameters, name: str) -> str | None:
    values = given.get(name)
    return values[0] or None if values else None


def _read_items(given: Parameters, name: str) -> frozenset[str]:
    return frozenset(item.strip() for value in given.get(name, ()) for item in value.split(",") if item.strip())


def _read_word(given: Parameters, name: str, words: tuple[str, ...]) -> str:
    values = given.get(name)
    if not values:
        return words[0]
    if values[0] not in words:
        raise RefusedQueryError
    return values[0]


def _read_number(given: Parameters, name: str, default: int, least: int, most: int) -> int:
    values = given.get(name)
    if not values:
        return default
    text = values[0]
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise RefusedQueryError
    return int(text)


def _read_time(given: Parameters, name: str, shift_us: int) -> int | None:
    values = given.get(name)
    if not values:
        return None
    try:
        return read_shown_time(values[0]) - shift_us
    except (ValueError, OverflowError):
        raise RefusedQueryError from None
