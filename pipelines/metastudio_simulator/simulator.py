"""The simulated service as a Python object: a real HTTP server on loopback, in a thread of its own.

The server is ready when the `with` block begins, and has stopped when the block ends.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from types import TracebackType
from typing import Final

from aiohttp import web

from metastudio_simulator.http.auth import TemporaryKey
from metastudio_simulator.http.request_log import LoggedRequest, RequestStats
from metastudio_simulator.http.server import MAX_HEADER_BYTES
from metastudio_simulator.service import Service
from metastudio_simulator.timestamps import Instant

HOST: Final = "127.0.0.1"
_LIFE_STEP_SECONDS: Final = 1.0


class Simulator:
    """One simulated region with one tenant. `url` serves the API and IAM.

    Args:
        jobs: the number of jobs at the start.
        days: the number of days that their history covers.
        seed: the seed of everything random. Equal seeds and a frozen clock give equal tenants and
            faults.
        now: the time at which the clock stands still until `clock.advance`; None runs with the
            machine's time.
        port: the port; 0 for a free one.
        living: whether jobs of the tenant progress by themselves with the clock.

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
        self._service = Service(jobs, days, seed, now, living)
        self.clock = self._service.clock
        self.behavior = self._service.behavior
        self.tenant = self._service.tenant
        self._auth = self._service.auth
        self.project_id = self._auth.project_id
        self.access_key = self._auth.access_key
        self.secret_key = self._auth.secret_key
        self.username = self._auth.username
        self.password = self._auth.password
        self.domain_name = self._auth.domain_name
        self._port = port
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        """Return the base URL of the API and IAM, which is known once the server has started."""
        return f"http://{HOST}:{self._port}"

    @property
    def stats(self) -> RequestStats:
        """Return the counters of the requests so far."""
        return self._service.server.stats

    @property
    def log(self) -> deque[LoggedRequest]:
        """Return the last list requests, oldest first."""
        return self._service.server.log

    def token(self) -> str:
        """Return a new valid token, as IAM issues it."""
        with self.tenant.lock:
            return self._auth.issue_token()

    def revoke_tokens(self) -> None:
        """Refuse every token issued so far."""
        with self.tenant.lock:
            self._auth.revoke_tokens()

    def temporary_key(self, life_seconds: float = 900) -> TemporaryKey:
        """Return a new temporary access key with its security token."""
        with self.tenant.lock:
            return self._auth.issue_temporary_key(life_seconds)

    def start(self) -> Simulator:
        """Start the server, and wait until it listens."""
        self._socket = socket.create_server((HOST, self._port), backlog=1024)
        self._port = self._socket.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="metastudio-simulator", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def stop(self) -> None:
        """Stop the server and close every connection. A second call does no harm."""
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
        server = web.Server(
            self._service.server.handle,
            access_log=None,
            max_field_size=MAX_HEADER_BYTES,
            max_line_size=MAX_HEADER_BYTES,
        )
        runner = web.ServerRunner(server, shutdown_timeout=0.05)
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
