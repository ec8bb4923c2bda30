"""Holds a pipeline for one run at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from metastudio.destination.dlt_internals.working_dir import find_pipelines_dir
from metastudio.errors import BusyError, ConfigurationError
from metastudio.pipeline.options import Options


@contextmanager
def lock_pipeline(options: Options) -> Iterator[None]:
    """Hold the pipeline within the block.

    Raises:
        BusyError: another run holds the pipeline.
        ConfigurationError: the state directory cannot be written.
    """
    folder = find_pipelines_dir()
    lock = FileLock(folder / f"{options.name}.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise BusyError(
            f"Another run of the pipeline {options.name} is under way.",
            hint="Nothing was changed. Wait for that run, or for the next scheduled one.",
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"The state directory cannot be written: {error.strerror}.",
            hint="Make it writable, or set DLT_DATA_DIR to one that is.",
        ) from None
    try:
        yield
    finally:
        lock.release()
