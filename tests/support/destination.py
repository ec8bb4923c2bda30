"""A destination in memory: the tables, the state committed with them, and `LoadedJobs`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from metastudio.extraction.state import State
from metastudio.extraction.types import Books, Chunk
from metastudio.records.parser import TERMINAL_STATES, Row


@dataclass
class Destination:
    """The tables of one tenant, loaded chunk by chunk as by the loader."""

    rows: dict[str, Row] = field(default_factory=dict)
    deleted: dict[str, datetime] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    state: State = field(default_factory=State)
    largest_chunk: int = 0

    def load(self, chunk: Chunk) -> None:
        assert len({row.job_id for row in chunk.rows}) == len(chunk.rows), "a chunk holds each job once"
        assert {row.job_id for row in chunk.rows} <= {row.job_id for row in chunk.seen}
        text = json.dumps(chunk.state)
        assert len(text) < 20_000
        self.largest_chunk = max(self.largest_chunk, len(chunk.seen))
        for row in chunk.rows:
            self.rows[row.job_id] = row
            self.deleted.pop(row.job_id, None)
        self.deleted.update(chunk.vanished)
        self.rejected |= {item.key for item in chunk.rejected}
        self.state = json.loads(text)

    @property
    def live(self) -> list[Row]:
        return [row for job_id, row in self.rows.items() if job_id not in self.deleted]

    async def open_jobs(self, before: datetime) -> list[tuple[str, datetime | None]]:
        return [
            (row.job_id, row.create_time)
            for row in self.live
            if row.state not in TERMINAL_STATES and (row.create_time is None or row.create_time < before)
        ]

    async def books(self, since: datetime, expected: int | None) -> Books:
        live = sum((await self.counts(since)).values())
        return Books(live, len(self.live) - live, 0)

    async def doubled(self) -> list[tuple[str, datetime | None]]:
        return []

    async def count_new(self, job_ids: Sequence[str]) -> int:
        return len(set(job_ids) - {row.job_id for row in self.live})

    async def inversion(self) -> int | None:
        rows = [row for row in self.live if row.create_time and row.updated]
        rows.sort(key=lambda row: row.updated, reverse=True)
        for place, (above, below) in enumerate(pairwise(rows), 1):
            if above.create_time < below.create_time and above.updated > below.updated:
                return place
        return None

    async def counts(self, since: datetime | None = None) -> dict[str | None, int]:
        return Counter(
            row.state for row in self.live if since is None or row.create_time is None or row.create_time >= since
        )

    async def states(self, since: datetime, before: datetime) -> dict[str, str | None]:
        return {
            row.job_id: row.state
            for row in self.live
            if row.create_time is not None and since <= row.create_time < before
        }

    async def changed(self, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if row.job_id in self.deleted or self.rows.get(row.job_id) != row]

    async def nth_created(self, before: datetime, place: int) -> datetime | None:
        times = sorted(
            (row.create_time for row in self.live if row.create_time and row.create_time < before), reverse=True
        )
        return times[place - 1] if len(times) >= place else None
