"""The pipeline and the extraction that dlt is running in this context."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime import signals


def find_active_pipeline() -> dlt.Pipeline | None:
    """Return the pipeline that was made last in this context and can load, or None."""
    context = Container()[PipelineContext]
    pipeline = context.pipeline() if context.is_active() else None
    return pipeline if isinstance(pipeline, dlt.Pipeline) and pipeline.destination else None


def find_changed_dispositions() -> list[str]:
    """Return the resources of the running source whose rows would not be merged."""
    resources = dlt.current.source().resources.selected.items()
    return [name for name, resource in resources if resource.write_disposition != "merge"]


def is_refreshed() -> bool:
    """Return whether the running extraction empties or drops tables before it loads."""
    return bool(dlt.current.load_package_state()["state"].get("refresh"))


@contextmanager
def defer_signals() -> Iterator[None]:
    """Defer a Ctrl-C or a SIGTERM to the end of the block; a second one is delivered at once.

    Otherwise, DuckDB would turn a signal within the block into a RuntimeError, or drop it. dlt's
    own context manager for loads loses a signal that arrives as it ends, so only dlt's handlers are
    used.
    """
    receiver: Any = signals._signal_receiver
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is receiver:
        yield
        return
    handlers: dict[int, Any] = {number: signal.signal(number, receiver) for number in (signal.SIGINT, signal.SIGTERM)}
    signals._original_handlers.update(handlers)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        received = signals._received_signal
        signals._clear_signals()
        if received:
            signal.raise_signal(received)
