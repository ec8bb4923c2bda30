"""Logs to the standard error: as text for people, or one JSON object per line for collectors.

Times are in UTC, with a Z.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from metastudio.formatting import make_printable

_SECOND = "%Y-%m-%dT%H:%M:%S"
_LOG = logging.getLogger("metastudio")


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        at = f"{time.strftime(_SECOND, time.gmtime(record.created))}.{int(record.msecs):03d}Z"
        line = {"at": at, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class StderrHandler(logging.Handler):
    """Writes lines to the current `sys.stderr`."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def set_up_log(log_format: str, level: int) -> None:
    """Point the log to the standard error. Other packages log warnings only."""
    handler = StderrHandler()
    text = TextFormatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", _SECOND)
    text.converter = time.gmtime
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    root = logging.getLogger()
    for earlier in _find_handlers():
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    _LOG.setLevel(level)


def _find_handlers() -> list[StderrHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, StderrHandler)]


class TextFormatter(logging.Formatter):
    """Formats lines without characters that a terminal would treat as commands."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(make_printable(line) for line in super().format(record).split("\n"))


def is_json() -> bool:
    """Return whether the log is for collectors."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in _find_handlers())


def is_quiet() -> bool:
    """Return whether only warnings and errors are to be printed."""
    return _LOG.level >= logging.WARNING


def write_message(level: int, text: str, tenant: str = "") -> None:
    """Write a message that ends a command or comes before its log. As text, it has no time.

    Args:
        tenant: the prefix of the message: the tenant's name and a separator.
    """
    kind = logging.getLevelName(level)
    if is_json():
        line = JsonFormatter().format(logging.LogRecord(_LOG.name, level, "", 0, tenant + text, None, None))
    else:
        line = f"{tenant}{kind.capitalize()}: {make_printable(text)}"
    sys.stderr.write(line + "\n")
