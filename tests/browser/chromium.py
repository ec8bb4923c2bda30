"""Headless Chromium, controlled over its debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--proxy-server=127.0.0.1:1",  # nothing listens there: loopback addresses only
)


class Tab:
    """One page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session: str | None = None
        self._number = 0
        self.requested: list[str] = []
        """URLs that the page requested."""

    async def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params}
        await self._socket.send_json(message | ({"sessionId": self._session} if self._session else {}))
        return await self._read(lambda answer: answer.get("id") == number)

    async def _read(self, wanted: Any) -> Any:
        while True:
            answer = json.loads((await self._socket.receive()).data)
            if answer.get("method") == "Network.requestWillBeSent":
                self.requested.append(answer["params"]["request"]["url"])
            if "error" in answer:
                raise AssertionError(answer["error"])
            if wanted(answer):
                return answer.get("result")

    async def open(self, url: str, *, width: int, height: int, dark: bool = False) -> None:
        """Open a page in a window of a size, and wait for its load event."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        await self.call("Page.enable")
        await self.call("Network.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        await self.call("Page.navigate", url=url)
        await self._read(lambda answer: answer.get("method") == "Page.loadEventFired")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    async def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        look = f"() => {{ if ({condition}) done(); else setTimeout(look, 50); }}"
        await self.evaluate(f"new Promise(done => {{ const look = {look}; look(); }})")

    async def shoot(self) -> bytes:
        """Return a picture of the whole page as PNG."""
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


@asynccontextmanager
async def open_chromium(folder: Path) -> AsyncIterator[Tab]:
    """Start a browser with an empty profile in a folder, and close it at the end."""
    process = await asyncio.create_subprocess_exec(
        "chromium", *FLAGS, f"--user-data-dir={folder}", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async for line in process.stderr:
            if b"DevTools listening on " in line:
                break
        address = line.decode().split()[-1]
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            yield Tab(socket)
            await socket.send_json({"id": 0, "method": "Browser.close"})
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
