"""The simulated service as a Python object: a real HTTP server on loopback, in a thread of its own.

Promises that the server is ready when the `with` block begins and gone when it ends. What it simulates is told by the
modules it puts together.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from types import TracebackType

from aiohttp import web

from .auth import Auth, TemporaryKey
from .clock import Clock
from .server import Server
from .stats import LoggedRequest, Stats
from .switches import Switches
from .tenant import Tenant
from .times import Instant

HOST = "127.0.0.1"
_LIFE_STEP_SECONDS = 1.0


class Simulator:
    """One simulated region with one tenant; `url` serves the API and IAM.

    Args:
        jobs: how many jobs the tenant has at the start.
        days: how far back they reach, in days.
        seed: of everything drawn; equal seeds and a frozen clock give equal tenants, keys and faults.
        now: where the clock stands still until `clock.advance`; None lets it run with the machine's.
        port: 0 takes a free one.
        living: the tenant lives on by itself with the clock.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        jobs: int = 1000,
        days: float = 400,
        seed: int = 1,
        *,
        now: Instant | None = None,
        port: int = 0,
        living: bool = False,
    ) -> None:
        self.clock = Clock(now)
        self.switches = Switches(living=living)
        self.tenant = Tenant(self.clock, self.switches, jobs=jobs, days=days, seed=seed)
        self.project_id = self.tenant.project_id
        self._auth = Auth(self.clock, self.switches, self.project_id, seed)
        self.access_key = self._auth.access_key
        self.secret_key = self._auth.secret_key
        self.username = self._auth.username
        self.password = self._auth.password
        self.domain_name = self._auth.domain_name
        self._server = Server(self.clock, self.switches, self.tenant, self._auth, seed)
        self._port = port
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        """Where API and IAM are served; known once started."""
        return f"http://{HOST}:{self._port}"

    @property
    def stats(self) -> Stats:
        """Counters of the requests so far."""
        return self._server.stats

    @property
    def log(self) -> deque[LoggedRequest]:
        """The last list requests, oldest first."""
        return self._server.log

    def token(self) -> str:
        """A new valid token, as IAM would issue it."""
        with self.tenant.lock:
            return self._auth.issue_token()

    def revoke_tokens(self) -> None:
        """Every token issued so far is refused from now on."""
        with self.tenant.lock:
            self._auth.revoke_tokens()

    def temporary_key(self, life_seconds: float = 900) -> TemporaryKey:
        """A new temporary access key with its security token."""
        with self.tenant.lock:
            return self._auth.issue_temporary_key(life_seconds)

    def start(self) -> Simulator:
        """Starts the server and waits until it listens."""
        self._socket = socket.create_server((HOST, self._port), backlog=1024)
        self._port = self._socket.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="metastudio-simulator", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def stop(self) -> None:
        """Ends the server and every connection; calling it twice does no harm."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._thread = self._loop = None

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        assert self._socket is not None
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        runner = web.ServerRunner(web.Server(self._server.handle, access_log=None), shutdown_timeout=0.05)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        life = asyncio.create_task(self._live())
        ready.set()
        await self._stop.wait()
        life.cancel()
        await runner.cleanup()
        self._socket.close()

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(_LIFE_STEP_SECONDS)
            self.tenant.catch_up()
