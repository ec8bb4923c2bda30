"""Puts one simulated service together, with an admin path for use as a separate process.

GET /_admin/ state, credentials, behavior, stats, log, visible, selected/NAME. POST /_admin/
behavior, clock, advance, live, create, update, update_some, vanish, reappear, change,
hidden_fields, corrupt, raw, token, temporary_key, revoke_tokens, reset_stats, with the arguments as
a JSON object. Every answer is `{"result": …}`. No credentials: the server listens on loopback only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from metastudio_simulator.behavior import Behavior
from metastudio_simulator.clock import Clock
from metastudio_simulator.http.auth import Auth
from metastudio_simulator.http.responses import Response, make_error, make_json
from metastudio_simulator.http.server import Server
from metastudio_simulator.tenant.tenant import Tenant
from metastudio_simulator.timestamps import Instant, show_time

LOGGED: Final = 1000
_CREDENTIALS: Final = ("project_id", "access_key", "secret_key", "username", "password", "domain_name")


class Service:
    """The parts of one simulated region with one tenant."""

    def __init__(self, jobs: int, days: float, seed: int, now: Instant | None, living: bool) -> None:
        self.clock = Clock(now)
        self.behavior = Behavior(living=living)
        self.tenant = Tenant(self.clock, self.behavior, jobs=jobs, days=days, seed=seed)
        self.auth = Auth(self.clock, self.behavior, self.tenant.project_id, seed)
        self.server = Server(self.clock, self.behavior, self.tenant, self.auth, self.control, seed)
        self._commands = self._make_commands()

    def control(self, method: str, name: str, body: bytes) -> Response:
        """Answer an admin request: 200 with `{"result": …}`, or 400 or 404 with the reason."""
        name, _, argument = name.partition("/")
        command = self._commands.get((method, name))
        if command is None:
            return make_error(404, "ADMIN.404", f"no {method} /_admin/{name}")
        try:
            arguments = orjson.loads(body) if body else {}
            with self.tenant.lock:
                result = command(argument) if argument else command(**arguments)
                return make_json(200, {"result": result})
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            return make_error(400, "ADMIN.400", f"{type(error).__name__}: {error}")

    def _make_commands(self) -> dict[tuple[str, str], Callable[..., Any]]:
        server, tenant = self.server, self.tenant
        return {
            ("GET", "state"): self._describe,
            ("GET", "credentials"): lambda: {name: getattr(self.auth, name) for name in _CREDENTIALS},
            ("GET", "behavior"): self.behavior.as_json,
            ("GET", "stats"): server.stats.as_json,
            ("GET", "log"): lambda: [logged.as_json() for logged in list(server.log)[-LOGGED:]],
            ("GET", "visible"): lambda: tenant.visible(everything=True),
            ("GET", "selected"): tenant.selected,
            ("POST", "behavior"): self._set_behavior,
            ("POST", "clock"): self._set_clock,
            ("POST", "advance"): self.clock.advance,
            ("POST", "live"): tenant.live,
            ("POST", "create"): tenant.create,
            ("POST", "update"): tenant.update,
            ("POST", "update_some"): tenant.update_some,
            ("POST", "vanish"): tenant.vanish,
            ("POST", "reappear"): tenant.reappear,
            ("POST", "change"): tenant.change_some,
            ("POST", "hidden_fields"): tenant.hidden_fields,
            ("POST", "corrupt"): tenant.corrupt,
            ("POST", "raw"): tenant.add_raw,
            ("POST", "token"): self.auth.issue_token,
            ("POST", "temporary_key"): self.auth.issue_temporary_key,
            ("POST", "revoke_tokens"): self.auth.revoke_tokens,
            ("POST", "reset_stats"): self.reset_stats,
        }

    def _describe(self) -> dict[str, Any]:
        return {
            "project_id": self.tenant.project_id,
            "now": show_time(self.clock.now_us()),
            "frozen": self.clock.frozen,
            "skew_seconds": self.clock.skew_seconds,
            "jobs": len(self.tenant.index),
            "behavior": self.behavior.as_json(),
            "stats": self.server.stats.as_json(),
        }

    def _set_behavior(self, **values: Any) -> dict[str, Any]:
        self.behavior.merge(values)
        return self.behavior.as_json()

    def _set_clock(self, skew_seconds: float) -> None:
        self.clock.skew_seconds = float(skew_seconds)

    def reset_stats(self) -> None:
        """Forget the requests so far."""
        self.server.stats.reset()
        self.server.log.clear()
