"""A progress bar for a terminal. Anything else gets the log lines of `commands.progress`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from metastudio.commands.progress import LogProgress
from metastudio.config.tenant import Tenant
from metastudio.extraction.types import Chunk
from metastudio.pipeline.summary import Summary
from metastudio.source.stream import Reader


class BarProgress(LogProgress):
    """Shows a progress bar, or one for each of several tenants."""

    def __init__(self, display: Progress, label: str = "") -> None:
        self._display = display
        self._label = label

    def of(self, tenant: str) -> LogProgress:
        return BarProgress(self._display, f"{tenant}: ")

    def start(self, tenant: Tenant, reader: Reader) -> None:
        super().start(tenant, reader)
        self._task = self._display.add_task(f"{self._label}asking the API", total=None)
        self._display.start()

    def on_chunk_loaded(self, summary: Summary, chunk: Chunk) -> None:
        self._display.update(
            self._task,
            description=self._label + self.describe(summary, chunk),
            total=chunk.expected_rows,
            completed=min(summary.rows_read, chunk.expected_rows or summary.rows_read),
        )


@contextmanager
def show_bar() -> Iterator[LogProgress]:
    """Show a progress bar for as long as the block lasts."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    display = Progress(*columns, console=Console(stderr=True), transient=True)
    try:
        yield BarProgress(display)
    finally:
        display.stop()
