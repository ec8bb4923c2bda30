"""What the command line sets in its process: dlt's folder, the log, the signals."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from metastudio.cli.streams import prepare_streams
from metastudio.errors import ConfigurationError
from metastudio.formatting import make_printable


class TerminatedError(BaseException):
    """SIGTERM was received."""


def prepare_process() -> None:
    """Set up the streams, the garbage collector and the signals for every command."""
    prepare_streams()
    gc.set_threshold(50_000)  # imports create many permanent objects: collecting every 700 takes a tenth of the time
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise TerminatedError


def set_up(config_dir: Path | None = None, verbose: int = 0) -> None:
    """Point dlt to its configuration, before it is imported, and the log to the standard error."""
    if config_dir is not None:
        holds_settings = any((config_dir / name).exists() for name in ("secrets.toml", "config.toml"))
        os.environ["DLT_CONFIG_FOLDER" if holds_settings else "DLT_PROJECT_DIR"] = str(config_dir.resolve())
    _warn_of_readable_secrets(config_dir)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("metastudio").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    os.environ.setdefault(
        "RUNTIME__LOG_LEVEL", "WARNING" if verbose else "CRITICAL"
    )  # dlt's own log repeats our errors


def check_working_dir() -> None:
    """Check that the working directory still exists.

    Raises:
        ConfigurationError: it was removed after the shell entered it.
    """
    try:
        Path.cwd()
    except OSError:
        raise ConfigurationError("The working directory does not exist any more.", hint="Go to another one.") from None


class _PrintableFormatter(logging.Formatter):
    """Formats lines of the log without what a terminal would take for commands."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(make_printable(line) for line in super().format(record).split("\n"))


def _warn_of_readable_secrets(config_dir: Path | None) -> None:
    home = Path(os.path.expanduser("~"))  # Path.home() fails where there is none
    for folder in (config_dir, config_dir and config_dir / ".dlt", Path(".dlt"), home / ".dlt"):
        secrets = folder and folder / "secrets.toml"
        with suppress(OSError):  # what this user cannot read is no setting
            if secrets and secrets.stat().st_mode & 0o077:
                sys.stderr.write(f"Warning: {secrets} can be read by others. Protect it: chmod 600 {secrets}\n")


def leave(code: int) -> NoReturn:
    """Exit without waiting for the threads of tenants: a sync may be killed at any moment."""
    if any(thread.name.startswith("metastudio-tenant") for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
