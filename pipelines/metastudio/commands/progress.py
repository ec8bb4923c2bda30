"""Shows how far a run has got: one log line per chunk, for schedulers and files."""

from __future__ import annotations

import logging
import time

from metastudio.config.tenant import Tenant
from metastudio.extraction.types import Chunk
from metastudio.formatting import format_count
from metastudio.pipeline.summary import Summary
from metastudio.source.stream import Reader

log = logging.getLogger("metastudio")


class LogProgress:
    """Logs one line per chunk. The base of all progress displays."""

    def of(self, tenant: str) -> LogProgress:
        """Return the progress display for one of several tenants."""
        return LogProgress()

    def start(self, tenant: Tenant, reader: Reader) -> None:
        self._tenant = tenant
        self._reader = reader
        self._started = time.monotonic()

    def on_chunk_loaded(self, summary: Summary, chunk: Chunk) -> None:
        log.info("%s: %s", chunk.mode, self.describe(summary, chunk))

    def describe(self, summary: Summary, chunk: Chunk) -> str:
        """Describe how far the run has got: windows, rows, pace, share of the quota, time left."""
        seconds = max(time.monotonic() - self._started, 0.001)
        client = self._reader.client
        requests = client.counters.requests if client else 0
        parts = [
            format_count(summary.windows, "window"),
            f"{summary.rows_read:,} rows read" + (f" of {chunk.expected_rows:,}" if chunk.expected_rows else ""),
            f"{summary.rows_read / seconds:,.0f} rows/s",
            format_count(requests, "request"),
            f"{requests / max(seconds, 1) / self._tenant.requests_per_second:.0%} of the quota",
        ]
        if client and client.counters.throttled:
            parts.append(f"{client.counters.throttled:,} throttled, pace now {client.pace:.1f} requests/s")
        left = (chunk.expected_rows or 0) - summary.rows_read
        if left > 0 and summary.rows_read:
            parts.append(f"about {left / summary.rows_read * seconds:,.0f} s left")
        return ", ".join(parts)
