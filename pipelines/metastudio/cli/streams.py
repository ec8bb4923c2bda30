"""Prepares the standard streams, whatever they are connected to."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO

ERRORS = "metastudio"
"""Name of the error handler for characters that a stream's encoding lacks."""

_SUBSTITUTES = {"✓": "ok", "✗": "x", "▲": "+", "▼": "-", "…": "...", "–": "-", "—": "-", "’": "'"}


class _Output(io.RawIOBase):
    """A file descriptor that accepts output even after its reader has ended.

    A command continues when its reader ends (`| head -1`). Any other failure is raised only once,
    so that text left in the buffers does not fail again while the process exits.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_broken = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any, /) -> int:
        if not self._is_broken:
            try:
                return os.write(self._descriptor, data)
            except OSError as error:
                self._is_broken = True
                if not isinstance(error, BrokenPipeError):
                    raise
        return memoryview(data).nbytes


def prepare_streams() -> None:
    """Make both output streams accept every character and outlive their readers.

    A closed descriptor is opened first: otherwise a database file would become the standard output.
    A stream that a caller has replaced is left alone.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream: TextIO | None = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, open_stream(descriptor, stream.encoding if stream else None))


def open_stream(descriptor: int, encoding: str | None) -> io.TextIOWrapper:
    """Return a stream that writes to a descriptor; UTF-8 without an encoding."""
    codecs.register_error(ERRORS, _substitute)
    output = io.BufferedWriter(_Output(descriptor))
    return io.TextIOWrapper(output, encoding or "utf-8", ERRORS, line_buffering=descriptor == 2 or output.isatty())


def takes_unicode(stream: TextIO) -> bool:
    """Return whether a stream's encoding has all characters."""
    return codecs.lookup(stream.encoding or "ascii").name.startswith("utf")


def can_show(stream: TextIO, text: str) -> bool:
    """Return whether a stream's encoding has the characters of a text."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _substitute(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return a substitute for a character that the encoding lacks: a similar one, or its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    escaped = (_SUBSTITUTES.get(each) or each.encode("ascii", "backslashreplace").decode() for each in text)
    return "".join(escaped), error.end
