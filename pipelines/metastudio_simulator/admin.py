"""The admin path: everything of the Python API that JSON can express, for those who run the server as a process.

GET /_admin/ state, credentials, switches, stats, log, visible. POST /_admin/ switches, clock, advance, live, create, update,
vanish, reappear, change, inside, spoil, raw, token, temporary_key, revoke_tokens, reset_stats, with the arguments as a JSON
object. Every answer is `{"result": …}`. Asks for no credentials: the server listens on loopback only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from .answers import Answer, make_error, make_json
from .times import show_time

if TYPE_CHECKING:
    from .server import Server

LOGGED = 1000


class Admin:
    """Turns admin requests into calls of the Python API."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._routes: dict[tuple[str, str], Callable[..., Any]] = {
            ("GET", "state"): self._state,
            ("GET", "credentials"): self._credentials,
            ("GET", "switches"): lambda: server.switches.as_json(),
            ("GET", "stats"): lambda: server.stats.as_json(),
            ("GET", "log"): self._log,
            ("GET", "visible"): lambda: server.tenant.visible(everything=True),
            ("POST", "switches"): self._merge,
            ("POST", "clock"): self._set_clock,
            ("POST", "advance"): lambda seconds: server.clock.advance(seconds),
            ("POST", "live"): lambda seconds: server.tenant.live(seconds),
            ("POST", "create"): lambda **given: server.tenant.create(**given),
            ("POST", "update"): lambda job_id, **given: server.tenant.update(job_id, **given),
            ("POST", "vanish"): lambda job_id: server.tenant.vanish(job_id),
            ("POST", "reappear"): lambda job_id: server.tenant.reappear(job_id),
            ("POST", "change"): lambda **given: server.tenant.change_some(**given),
            ("POST", "inside"): lambda job_id: server.tenant.inside(job_id),
            ("POST", "spoil"): lambda job_id, **given: server.tenant.spoil(job_id, **given),
            ("POST", "raw"): lambda row, at=None: server.tenant.add_raw(row, at=at),
            ("POST", "token"): lambda: server.auth.issue_token(),
            ("POST", "temporary_key"): lambda life_seconds=900: server.auth.issue_temporary_key(life_seconds),
            ("POST", "revoke_tokens"): lambda: server.auth.revoke_tokens(),
            ("POST", "reset_stats"): self._reset,
        }

    def answer(self, method: str, name: str, body: bytes) -> Answer:
        """200 with `{"result": …}`, or 400 or 404 with what was wrong."""
        call = self._routes.get((method, name))
        if call is None:
            return make_error(404, "ADMIN.404", f"no {method} /_admin/{name}")
        try:
            given = orjson.loads(body) if body else {}
            with self._server.tenant.lock:
                result = call(**given)
        except (TypeError, ValueError, KeyError) as error:
            return make_error(400, "ADMIN.400", f"{type(error).__name__}: {error}")
        return make_json(200, {"result": result})

    def _state(self) -> dict[str, Any]:
        server = self._server
        return {
            "project_id": server.tenant.project_id,
            "now": show_time(server.clock.now_us()),
            "frozen": server.clock.frozen,
            "skew_seconds": server.clock.skew_seconds,
            "date_skew_seconds": server.clock.date_skew_seconds,
            "jobs": len(server.tenant.listing),
            "switches": server.switches.as_json(),
            "stats": server.stats.as_json(),
        }

    def _credentials(self) -> dict[str, str]:
        auth = self._server.auth
        names = ("project_id", "access_key", "secret_key", "username", "password", "domain_name")
        return {name: getattr(auth, name) for name in names}

    def _merge(self, **values: Any) -> dict[str, Any]:
        self._server.switches.merge(values)
        return self._server.switches.as_json()

    def _set_clock(self, skew_seconds: float | None = None, date_skew_seconds: float | None = None) -> None:
        clock = self._server.clock
        if skew_seconds is not None:
            clock.skew_seconds = float(skew_seconds)
        if date_skew_seconds is not None:
            clock.date_skew_seconds = float(date_skew_seconds)

    def _log(self) -> list[dict[str, Any]]:
        last = list(self._server.log)[-LOGGED:]
        return [
            {"params": one.params, "status": one.status, "at": one.at, "request_id": one.request_id} for one in last
        ]

    def _reset(self) -> None:
        self._server.stats.reset()
        self._server.log.clear()
