"""Shared by both baselines: downloads pages, 16 at a time; later runs read changes only.

There are no checks, no retries and no framework.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import aiohttp
import orjson

LIST = f"{os.environ['BENCH_URL']}/v1/{os.environ['BENCH_PROJECT_ID']}/digital-human-videos"
CONCURRENCY = 16
BATCH = 100
PREFETCHED = 2


class Pages:
    """Downloads the list as bodies of 100 jobs, within the quota if there is one."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        quota = float(os.environ.get("BENCH_QUOTA") or 0)
        self.interval = 1.02 / quota if quota else 0.0
        self.next_request = 0.0

    async def fetch(self, offset: int, **query: str) -> bytes:
        if self.interval:
            now = asyncio.get_running_loop().time()
            self.next_request = max(self.next_request + self.interval, now)
            await asyncio.sleep(self.next_request - now)
        params = {"create_since": "2000-01-01T00:00:00Z", "limit": "100", "offset": str(offset), **query}
        async with self.session.get(LIST, params=params) as response:
            response.raise_for_status()
            return await response.read()

    async def read_all(self) -> AsyncIterator[list[bytes]]:
        """Yield all pages by creation time, in batches of 100. Two batches are prefetched."""
        first = await self.fetch(0, sort_key="create_time")
        offsets = list(range(100, orjson.loads(first)["count"], 100))
        semaphore = asyncio.Semaphore(CONCURRENCY)

        async def fetch(offset: int) -> bytes:
            async with semaphore:
                return await self.fetch(offset, sort_key="create_time")

        batches = [offsets[start : start + BATCH] for start in range(0, len(offsets), BATCH)]
        pending = [asyncio.gather(*map(fetch, batch)) for batch in batches[:PREFETCHED]]
        yield [first]
        for number in range(len(batches)):
            bodies = await pending.pop(0)
            pending += [
                asyncio.gather(*map(fetch, batch)) for batch in batches[number + PREFETCHED : number + PREFETCHED + 1]
            ]
            yield bodies

    async def read_changes(self, since: str) -> AsyncIterator[list[bytes]]:
        """Yield the pages by update time, newest first, back to `since`."""
        offset = 0
        while True:
            body = await self.fetch(offset, sort_key="update_time", sort_dir="desc")
            yield [body]
            jobs = orjson.loads(body)["jobs"]
            if len(jobs) < 100 or jobs[-1]["lastupdate_time"] < since:
                return
            offset += 100


async def read(since: str | None) -> AsyncIterator[list[bytes]]:
    """Yield batches of page bodies: all jobs, or those that changed since a time."""
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    headers = {"X-Auth-Token": os.environ["BENCH_TOKEN"]}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        pages = Pages(session)
        async for bodies in pages.read_changes(since) if since else pages.read_all():
            yield bodies


def find_since(database: object) -> str | None:
    """Return the newest loaded `lastupdate_time`, or None before the first load."""
    return database.execute("SELECT max(lastupdate_time) FROM jobs").fetchone()[0]


if __name__ == "__main__":
    sys.exit("Run baseline_arrow.py or baseline_json.py.")
