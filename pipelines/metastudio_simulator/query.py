"""Judges a list request's parameters as the API does: names, bounds and defaults of `api/facts.md`.

Pure. Unknown parameters are ignored, as an older endpoint ignores `job_ids`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .listing import Filters, Query
from .switches import Switches
from .times import DAY, END_OF_TIME, read_shown_time

MAX_OFFSET: Final = 2_147_483_647
MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 10
LAST_MONTH_DAYS: Final = 30

Parameters = Mapping[str, Sequence[str]]


class InvalidParameterError(ValueError):
    """The API answers this request with 400 MSS.00000003."""


def make_query(given: Parameters, *, app_user_id: str | None, now_us: int, switches: Switches) -> Query:
    """The query that a request means.

    Args:
        given: every value of every parameter; a list may come joined by commas, or as the vendor's SDK sends it,
            repeated.
        app_user_id: the `X-App-UserId` header.
        now_us: from which the last month counts.

    Raises:
        InvalidParameterError: a value out of its bounds or of the wrong form.
    """
    if app_user_id is not None and not app_user_id.isascii():
        raise InvalidParameterError("X-App-UserId")
    sort_key = _word(given, "sort_key", ("create_time", "update_time", "asset_order"))
    if sort_key == "update_time" and switches.update_time_sorting != "honoured":
        if switches.update_time_sorting == "refused":
            raise InvalidParameterError("sort_key")
        sort_key = "create_time"
    limit = _number(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    return Query(
        filters=_make_filters(given, app_user_id, switches),
        since_us=_time(given, "create_since", now_us - LAST_MONTH_DAYS * DAY),
        until_us=_time(given, "create_until", END_OF_TIME),
        sort_key=sort_key,
        descending=_word(given, "sort_dir", ("asc", "desc")) == "desc",
        offset=_number(given, "offset", 0, 0, MAX_OFFSET),
        limit=limit if switches.page_cap is None else min(limit, switches.page_cap),
    )


def _make_filters(given: Parameters, app_user_id: str | None, switches: Switches) -> Filters:
    ids = _items(given, "job_ids") if switches.job_ids == "honoured" else frozenset()
    states = _items(given, "state")
    for inner, shown in switches.shown_states.items():
        if shown in states:
            states |= {inner}
    return Filters(
        states=states,
        job_type=_text(given, "job_type"),
        script_id=_text(given, "script_id"),
        asset_name=_text(given, "asset_name"),
        job_id=_text(given, "job_id"),
        job_ids=ids or None,
        app_user_id=app_user_id or None,
        fuzzy=_items(given, "fuzzy_query_field"),
    )


def _text(given: Parameters, name: str) -> str | None:
    values = given.get(name)
    return values[0] or None if values else None


def _items(given: Parameters, name: str) -> frozenset[str]:
    return frozenset(item.strip() for value in given.get(name, ()) for item in value.split(",") if item.strip())


def _word(given: Parameters, name: str, words: tuple[str, ...]) -> str:
    values = given.get(name)
    if not values:
        return words[0]
    if values[0] not in words:
        raise InvalidParameterError(name)
    return values[0]


def _number(given: Parameters, name: str, default: int, least: int, most: int) -> int:
    values = given.get(name)
    if not values:
        return default
    text = values[0]
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise InvalidParameterError(name)
    return int(text)


def _time(given: Parameters, name: str, default: int) -> int:
    values = given.get(name)
    if not values:
        return default
    try:
        return read_shown_time(values[0])
    except (ValueError, OverflowError):
        raise InvalidParameterError(name) from None
