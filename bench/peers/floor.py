"""What both floors share: the pages, 16 at a time, and only what changed since the last run. No proofs, no retries, no framework."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import aiohttp
import orjson

LIST = f"{os.environ['BENCH_URL']}/v1/{os.environ['BENCH_PROJECT_ID']}/digital-human-videos"
AT_A_TIME = 16
BATCH = 100
AHEAD = 2


class Pages:
    """Reads the list as bodies of 100 jobs; `pace` is the seconds between two requests, where there is a quota."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        quota = float(os.environ.get("BENCH_QUOTA") or 0)
        self.pace = 1.02 / quota if quota else 0.0
        self.due = 0.0

    async def fetch(self, offset: int, **query: str) -> bytes:
        if self.pace:
            now = asyncio.get_running_loop().time()
            self.due = max(self.due + self.pace, now)
            await asyncio.sleep(self.due - now)
        params = {"create_since": "2000-01-01T00:00:00Z", "limit": "100", "offset": str(offset), **query}
        async with self.session.get(LIST, params=params) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def read_all(self) -> AsyncIterator[list[bytes]]:
        """All pages in order of creation, in batches of 100; the next ones are on their way while one is loaded."""
        first = await self.fetch(0, sort_key="create_time")
        offsets = list(range(100, orjson.loads(first)["count"], 100))
        gate = asyncio.Semaphore(AT_A_TIME)

        async def fetch(offset: int) -> bytes:
            async with gate:
                return await self.fetch(offset, sort_key="create_time")

        batches = [offsets[start : start + BATCH] for start in range(0, len(offsets), BATCH)]
        coming = [asyncio.gather(*map(fetch, batch)) for batch in batches[:AHEAD]]
        yield [first]
        for number in range(len(batches)):
            bodies = await coming.pop(0)
            coming += [asyncio.gather(*map(fetch, batch)) for batch in batches[number + AHEAD : number + AHEAD + 1]]
            yield bodies

    async def read_changes(self, since: str) -> AsyncIterator[list[bytes]]:
        """The pages by update time, newest first, until one reaches back to `since`."""
        offset = 0
        while True:
            body = await self.fetch(offset, sort_key="update_time", sort_dir="desc")
            yield [body]
            jobs = orjson.loads(body)["jobs"]
            if len(jobs) < 100 or jobs[-1]["lastupdate_time"] < since:
                return
            offset += 100


async def read(since: str | None) -> AsyncIterator[list[bytes]]:
    """Batches of page bodies: everything, or what changed since then."""
    connector = aiohttp.TCPConnector(limit=AT_A_TIME)
    headers = {"X-Auth-Token": os.environ["BENCH_TOKEN"]}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        pages = Pages(session)
        async for bodies in pages.read_changes(since) if since else pages.read_all():
            yield bodies


def find_since(database: object) -> str | None:
    """The newest lastupdate_time that was loaded, None before the first load."""
    return database.execute("SELECT max(lastupdate_time) FROM jobs").fetchone()[0]


if __name__ == "__main__":
    sys.exit("run floor_arrow.py or floor_json.py")
