"""Everything about the server that can be changed or broken while it runs.

The values are plain, set from Python or merged from JSON. The modules that read them implement
them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

Fault = Literal[
    "400", "401", "403", "404", "414", "429", "500", "502", "503", "504",
    "html", "reset", "truncated", "hang", "stall", "garbage", "empty", "not_object",
    "broken_json", "error_body",
]  # fmt: skip
FAULTS: Final[frozenset[str]] = frozenset(get_args(Fault))
Faults = dict[str, float] | list[str | None]
JobSelection = list[str] | int | Literal["all"]
BetweenRequests = Callable[[Any], object] | dict[str, int]

_FAULT_WITH_CODE = re.compile(r"[2-5]\d\d:[A-Z]+\.\d+", re.ASCII)


@dataclass(slots=True)
class Behavior:
    """How the server behaves. The defaults are those of a healthy endpoint.

    Every field can be changed at any moment.

    An unknown name raises AttributeError. An unknown word or fault raises ValueError.

    A fault is one of `FAULTS`, or a status with an error code, such as `403:MSS.00022009`. `400` to
    `500` answer in the API's or the gateway's words. `414`, `502`, `503`, `504` and `html` (a 502)
    are the gateway's HTML pages. `reset` is a TCP reset, `truncated` half a body, `hang` nothing at
    all and `stall` half a body for `hang_seconds`. `garbage` is a 200 with bytes that are not JSON,
    `empty` a 200 without a body, `not_object` a 200 with a JSON list, `broken_json` the page with
    its JSON broken, `error_body` a 200 with an error for a body.

    A `JobSelection` is a list of job_ids, a number of jobs drawn by seed at the next request, or
    "all". `Tenant.selected` returns the job_ids.

    Attributes:
        latency_seconds: delay before every list answer. Concurrent requests wait side by side.
        latency_jitter_seconds: the maximum of an additional random delay, drawn by seed.
        hang_seconds: how long `hang` and `stall` hold the connection before it is closed.
        faults: for list requests that pass credentials and quota: a probability for each fault, or
            a script of which each request uses up one entry; None is a healthy answer.
        iam_faults: the same for token requests.
        unavailable_seconds: the gateway answers 503 to everything for this long, in real time from
            the next request on. It is set back to 0 at the end.
        quota_per_second: served list requests a second, above which 429 is answered; None for no
            quota.
        quota_kind: `sliding` never serves more than the quota in any second. `fixed` counts in
            seconds of the wall clock. `bucket` refills evenly and holds one second's worth.
        retry_after: the `Retry-After` header of a 429, seconds or any text; None sends none.
        max_url_bytes: path and query longer than this are a 414.

        token_life_seconds: life of tokens issued from now on; 24 h (`docs/api.md`).
        token_length: characters of tokens issued from now on, up to 60,000.
        unauthenticated_refusal: fault for an unknown, expired or missing token.
        wrong_project_refusal: fault for a token of another project than the path's, or of none.
            None: 404 for another one, 401 for none.
        isolation: what `/tenants/service-configs` says: IAM-user isolation `on`, `off`, or
            `not_found` (404). With `on`, only the jobs of `iam_user` are listed, whatever
            `X-App-UserId` says.
        iam_user: the caller's own IAM user, as jobs name it in `app_user_id`.
        visible_share: the share of the jobs that the key may see, from 0 to 1.

        update_time_sorting: `honored`, `ignored` (create_time instead) or `refused` (400).
        sort_direction: `honored`, `ignored` (ascending) or `refused` (400 for `desc`).
        unstable_ties: rows of the same second come in a different order on every request.
        page_cap: the maximum number of rows on a page, whatever `limit` says.
        max_offset: `offset + limit` beyond this is refused.
        max_offset_refusal: fault for it.
        max_range_days: a wider range of create_time is refused; an absent end counts as now.
        max_range_refusal: fault for it; `hang` leaves it to the client's time-out.
        future_until_refusal: fault for a create_until later than the server's clock; None accepts
            it.
        filter_utc_offset_hours: create_since and create_until are read as local times of this zone.
        filter_precision: `microseconds` compares exact create times, `seconds` the shown ones.
        create_since_exclusive: jobs whose create time equals create_since are left out.
        create_until_exclusive: jobs whose create time equals create_until are left out.
        job_ids: `honored` repeated and comma-joined, `repeated_only`, `comma_joined_only` (the
            first value counts), `ignored`, or `refused`.
        job_ids_refusal: fault for a refused job_ids.
        unknown_job_ids_refusal: fault for a job_ids with an unknown ID; None skips such IDs.
        unfilterable_states: shown states that the filter does not know: 0 jobs.
        refused_states: shown states that the filter refuses with 400.

        count_offset: added to every count, never below 0.
        count_cap: the count stops at this number. The list goes on.
        list_cap: the list stops after this number of rows. The count goes on.
        count_given: False leaves `count` out of every answer.
        empty_page: `jobs` is an empty list (`empty_list`), is absent (`no_jobs`), is null
            (`null_jobs`), or both `jobs` and `count` are absent (`empty_object`).
        hidden_jobs: jobs that are counted and never listed.
        hidden_jobs_leave_holes: whether a page lacks its hidden jobs; otherwise the next jobs move
            up.
        doubled_jobs: jobs that are listed twice in a row and counted twice.
        poisonous_jobs: jobs whose pages are answered by `poison`.
        poison: a fault, for example `500` or `broken_json`.
        blank_jobs: jobs that are counted, and listed as `blank_row`.
        blank_row: `empty` ({}), `null`, or `no_job_id` (the row without its job_id).

        replica_lags_seconds: seconds by which each replica lags; if empty, one up-to-date replica
            answers. Replicas begin equal at the next request.
        replica_choice: requests go to the replicas `by_turns` or at `random`.
        count_from_another_replica: the count comes from the next replica, not from that of the
            list.

        unknown_fields: fields that are shown in addition to every job's own.
        shown_states: states shown under another name, as `{"SUCCEED": "SUCCESS"}`. The filter knows
            both names.
        shown_job_types: job types shown under another name. The filter knows the real name only.
        time_format: how rows write times. `utc` 2026-01-15T12:00:00Z, `offset` …T20:00:00+08:00,
            `compact_offset` …T20:00:00+0800, `milliseconds` …T12:00:00.123Z, `blank` 2026-01-15
            12:00:00Z, `no_seconds` …T12:00Z, `mixed` all of them.
        empty_times: a missing time is "" instead of null or absent.
        untraced_changes: changes do not move lastupdate_time.

        date_header: False leaves `Date` out; a text is sent unchanged.
        date_skew_seconds: how far the `Date` header alone is off.
        date_skew_answers: for how many more list answers; None for all.
        body_charset: list answers are encoded and declared in another charset, such as `gbk`.
        content_encoding: list answers come as `br` or `gzip`, whatever the client accepts. Any
            other name is declared and not applied.

        between_requests: run between two list requests: a function of the tenant, or arguments of
            `Tenant.change_some`.
        living: whether jobs of the tenant progress by themselves with the server's clock.
    """

    latency_seconds: float = 0.0
    latency_jitter_seconds: float = 0.0
    hang_seconds: float = 30.0
    faults: Faults = field(default_factory=dict)
    iam_faults: Faults = field(default_factory=dict)
    unavailable_seconds: float = 0.0
    quota_per_second: float | None = None
    quota_kind: Literal["sliding", "fixed", "bucket"] = "sliding"
    retry_after: float | str | None = None
    max_url_bytes: int | None = None

    token_life_seconds: float = 86_400.0
    token_length: int = 9_000
    unauthenticated_refusal: str = "401"
    wrong_project_refusal: str | None = None
    isolation: Literal["off", "on", "not_found"] = "off"
    iam_user: str = "user-1"
    visible_share: float = 1.0

    update_time_sorting: Literal["honored", "ignored", "refused"] = "honored"
    sort_direction: Literal["honored", "ignored", "refused"] = "honored"
    unstable_ties: bool = False
    page_cap: int | None = None
    max_offset: int | None = None
    max_offset_refusal: str = "400"
    max_range_days: float | None = None
    max_range_refusal: str = "400"
    future_until_refusal: str | None = None
    filter_utc_offset_hours: float = 0.0
    filter_precision: Literal["microseconds", "seconds"] = "microseconds"
    create_since_exclusive: bool = False
    create_until_exclusive: bool = False
    job_ids: Literal["honored", "repeated_only", "comma_joined_only", "ignored", "refused"] = "honored"
    job_ids_refusal: str = "400"
    unknown_job_ids_refusal: str | None = None
    unfilterable_states: list[str] = field(default_factory=list)
    refused_states: list[str] = field(default_factory=list)

    count_offset: int = 0
    count_cap: int | None = None
    list_cap: int | None = None
    count_given: bool = True
    empty_page: Literal["empty_list", "no_jobs", "null_jobs", "empty_object"] = "empty_list"
    hidden_jobs: JobSelection = 0
    hidden_jobs_leave_holes: bool = True
    doubled_jobs: JobSelection = 0
    poisonous_jobs: JobSelection = 0
    poison: str = "500"
    blank_jobs: JobSelection = 0
    blank_row: Literal["empty", "null", "no_job_id"] = "empty"

    replica_lags_seconds: list[float] = field(default_factory=list)
    replica_choice: Literal["by_turns", "random"] = "by_turns"
    count_from_another_replica: bool = False

    unknown_fields: dict[str, Any] = field(default_factory=dict)
    shown_states: dict[str, str] = field(default_factory=dict)
    shown_job_types: dict[str, str] = field(default_factory=dict)
    time_format: Literal["utc", "offset", "compact_offset", "milliseconds", "blank", "no_seconds", "mixed"] = "utc"
    empty_times: bool = False
    untraced_changes: bool = False

    date_header: bool | str = True
    date_skew_seconds: float = 0.0
    date_skew_answers: int | None = None
    body_charset: str = "utf-8"
    content_encoding: str | None = None

    between_requests: BetweenRequests | None = None
    living: bool = False

    def __setattr__(self, name: str, value: Any) -> None:
        if check := _CHECKS.get(name):
            check(name, value)
        object.__setattr__(self, name, value)

    def merge(self, values: dict[str, Any]) -> None:
        """Set the named fields; if one is wrong, set none of them.

        Raises:
            ValueError: a name, a fault or a word is unknown.
        """
        unknown = set(values) - {one.name for one in fields(self)}
        if unknown:
            raise ValueError(f"no such behavior: {', '.join(sorted(unknown))}")
        replace(self, **values)
        for name, value in values.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values. A function shows as its repr."""
        shown = asdict(self)
        if callable(self.between_requests):
            shown["between_requests"] = repr(self.between_requests)
        return shown


def _check_faults(name: str, value: Any) -> None:
    faults = [value] if isinstance(value, str) else [one for one in value or () if one is not None]
    for fault in faults:
        if fault not in FAULTS and not _FAULT_WITH_CODE.fullmatch(str(fault)):
            raise ValueError(f"{name}: no such fault: {fault}; use {', '.join(sorted(FAULTS))} or 400:MSS.00010008")


def _check_selection(name: str, value: Any) -> None:
    if value != "all" and not isinstance(value, int | list):
        raise ValueError(f'{name} is a list of job_ids, a number, or "all"')


def _check_token_length(name: str, value: Any) -> None:
    if not 100 <= value <= 60_000:
        raise ValueError(f"{name} is between 100 and 60000")


def _check_charset(name: str, value: Any) -> None:
    try:
        codecs.lookup(value)
    except LookupError as error:
        raise ValueError(f"{name}: {error}") from None


def _check_word(words: tuple[str, ...]) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in words:
            raise ValueError(f"{name} is one of {', '.join(words)}")

    return check


def _make_checks() -> dict[str, Callable[[str, Any], None]]:
    checks: dict[str, Callable[[str, Any], None]] = {
        "token_length": _check_token_length,
        "body_charset": _check_charset,
    }
    for name, hint in get_type_hints(Behavior).items():
        if get_origin(hint) is Literal:
            checks[name] = _check_word(get_args(hint))
        elif name.endswith(("faults", "_refusal")) or name == "poison":
            checks[name] = _check_faults
        elif hint == JobSelection:
            checks[name] = _check_selection
    return checks


_CHECKS: dict[str, Callable[[str, Any], None]] = {}
_CHECKS.update(_make_checks())
