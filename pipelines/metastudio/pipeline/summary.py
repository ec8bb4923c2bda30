"""The figures of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from metastudio.extraction.state import State, count_missing
from metastudio.extraction.types import Chunk


@dataclass(slots=True, kw_only=True)
class Summary:
    """The figures of a run. The fields, in their order, are those of `--json` (`docs/cli.md#json`).

    Attributes:
        rejected: records that could not be loaded, or not in full, and that are new in this run.
        gaps: windows that could not be proved complete so far, also by earlier runs.
        missing: jobs that are missing in the gaps, at least.
        scrubbed: jobs read once more to find changes that the API does not show.
        scrub_changed: how many of them had changed.
        lacking: jobs that the destination had lost, and that were read again.
        surplus: loaded jobs that the API no longer counts; the next audit marks them.
    """

    mode: str | None = None
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    windows: int = 0
    rows_read: int = 0
    rows_loaded: int = 0
    rejected: int = 0
    marked_deleted: int = 0
    gaps: int = 0
    missing: int = 0
    scrubbed: int = 0
    scrub_changed: int = 0
    lacking: int = 0
    surplus: int = 0
    watermark: str | None = None
    seconds: float = 0.0
    load_ids: list[str] = field(default_factory=list)

    def add(self, chunk: Chunk, rows: int) -> None:
        """Add the figures of a loaded chunk. `mode` is the last way of reading that was used."""
        if chunk.mode not in ("gap", "scrub") and (self.mode != "backfill" or chunk.mode == "audit"):
            self.mode = chunk.mode
        rows_read = sum(window.rows_read for window in chunk.windows)
        self.windows += len(chunk.windows)
        self.rows_read += rows_read
        self.rows_loaded += rows
        self.lacking += chunk.lacking
        self.marked_deleted += len(chunk.vanished)
        if chunk.mode == "scrub":
            self.scrubbed += rows_read
            self.scrub_changed += sum(window.rows_changed or 0 for window in chunk.windows)
        self.set_state(chunk.state)

    def set_state(self, state: State) -> None:
        """Copy the watermark and the open differences from a state."""
        self.watermark = state.get("watermark")
        gaps = state.get("gaps", [])
        self.gaps, self.missing = len(gaps), count_missing(gaps)
        self.surplus = state.get("backfill", {}).get("surplus", 0)
