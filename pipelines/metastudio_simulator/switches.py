"""Everything about the server that can be made different, nasty or broken while it runs.

Plain values, set from Python or merged from JSON; the modules that read them give them their meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from .tenant import Tenant

Fault = Literal[
    "400", "401", "403", "404", "429", "500", "502", "503", "504",
    "html", "reset", "truncated", "hang", "stall", "garbage", "empty", "not_object",
]  # fmt: skip
FAULTS: frozenset[str] = frozenset(get_args(Fault))
Faults = dict[str, float] | list[str | None]
Between = Callable[["Tenant"], object] | dict[str, int]


@dataclass(slots=True)
class Switches:
    """The server's behaviour, changeable at any moment; the defaults are those of a healthy endpoint.

    A name that is no switch raises AttributeError, a word or a fault that does not exist ValueError.

    Attributes:
        latency_seconds: waited before every list answer; concurrent requests wait side by side.
        latency_jitter_seconds: up to this much more, drawn by seed.
        faults: for list requests that pass credentials and quota: a probability for each kind, or a script that is used
            up one entry a request, None being a healthy answer. Kinds are `FAULTS`: `400`…`500` answer as the API or
            the gateway words them, `502`, `503`, `504` and `html` (a 502) are the gateway's HTML page, `reset` a TCP
            reset, `truncated` half a body, `hang` nothing at all and `stall` half a body for `hang_seconds`, `garbage`
            200 with bytes that are no JSON, `empty` 200 without a body, `not_object` 200 with a JSON list.
        iam_faults: the same for token requests.
        hang_seconds: how long `hang` and `stall` hold the connection before it is closed.
        update_time_sorting: an endpoint may honour, ignore or refuse (400) `sort_key=update_time` (`api/facts.md`).
        job_ids: an older endpoint ignores the parameter.
        page_cap: the most rows on a page, whatever `limit` says.
        quota_per_second: served list requests in one second, past which 429 `APIGW.0308` is answered; None is no quota.
        quota_kind: `sliding` never serves more than the quota in any second; `fixed` counts in seconds of the wall;
            `bucket` refills evenly and holds one second's worth.
        retry_after: the `Retry-After` header of a 429, seconds or any text; None sends none.
        token_life_seconds: of tokens issued from now on; 24 h (`api/facts.md`).
        unknown_fields: shown on top of every job's own fields.
        shown_states: states shown under another name, as `{"SUCCEED": "SUCCESS"}`; the state filter knows both.
        unstable_ties: rows whose shown second is equal come in another order on every request.
        between_requests: run between two list requests: a function of the tenant, or numbers for `Tenant.change_some`.
        date_header: False leaves it out, a text is sent as it is.
        count_offset: added to every `count`, never below 0.
        living: the tenant lives on by itself with the server's clock.
    """

    latency_seconds: float = 0.0
    latency_jitter_seconds: float = 0.0
    faults: Faults = field(default_factory=dict)
    iam_faults: Faults = field(default_factory=dict)
    hang_seconds: float = 30.0
    update_time_sorting: Literal["honoured", "ignored", "refused"] = "honoured"
    job_ids: Literal["honoured", "ignored"] = "honoured"
    page_cap: int | None = None
    quota_per_second: float | None = None
    quota_kind: Literal["sliding", "fixed", "bucket"] = "sliding"
    retry_after: float | str | None = None
    token_life_seconds: float = 86_400.0
    unknown_fields: dict[str, Any] = field(default_factory=dict)
    shown_states: dict[str, str] = field(default_factory=dict)
    unstable_ties: bool = False
    between_requests: Between | None = None
    date_header: bool | str = True
    count_offset: int = 0
    living: bool = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _WORDS and value not in _WORDS[name]:
            raise ValueError(f"{name} is one of {', '.join(_WORDS[name])}")
        if name in ("faults", "iam_faults"):
            strange = {str(kind) for kind in value if kind is not None} - FAULTS
            if strange:
                raise ValueError(f"no such fault: {', '.join(sorted(strange))}; there are {', '.join(sorted(FAULTS))}")
        object.__setattr__(self, name, value)

    def merge(self, values: dict[str, Any]) -> None:
        """Sets the named switches.

        Raises:
            ValueError: a name, a fault or a word that does not exist; nothing is set then.
        """
        unknown = set(values) - {one.name for one in fields(self)}
        if unknown:
            raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
        replace(self, **values)
        for name, value in values.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """The switches as JSON can tell them; a function between requests shows as its repr."""
        shown = asdict(self)
        if callable(self.between_requests):
            shown["between_requests"] = repr(self.between_requests)
        return shown


_WORDS: dict[str, tuple[str, ...]] = {
    "update_time_sorting": ("honoured", "ignored", "refused"),
    "job_ids": ("honoured", "ignored"),
    "quota_kind": ("sliding", "fixed", "bucket"),
}
