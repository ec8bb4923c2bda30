"""Prepares the process of the command line: dlt's folder, the log, the signals."""

from __future__ import annotations

import atexit
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

from metastudio.cli.log import set_up_log, write_message
from metastudio.cli.streams import prepare_streams
from metastudio.errors import ConfigurationError, TerminatedError


def prepare_process() -> None:
    """Set up the streams, the garbage collector and the signals for every command."""
    prepare_streams()
    gc.set_threshold(50_000)  # imports create many permanent objects: collecting every 700 takes a tenth of the time
    atexit.register(gc.freeze)  # a last collection of all objects takes 0.2 s
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise TerminatedError


def set_up(config_dir: Path | None = None, verbose: int = 0, *, quiet: bool = False, log_format: str = "text") -> None:
    """Point dlt to its configuration, before dlt is imported, and the log to the standard error."""
    set_up_log(log_format, level=logging.WARNING if quiet else logging.DEBUG if verbose > 1 else logging.INFO)
    if config_dir is not None:
        holds_settings = any((config_dir / name).exists() for name in ("secrets.toml", "config.toml"))
        os.environ["DLT_CONFIG_FOLDER" if holds_settings else "DLT_PROJECT_DIR"] = str(config_dir.resolve())
    _warn_of_readable_secrets(config_dir)
    if log_format == "json":
        os.environ.setdefault("RUNTIME__LOG_FORMAT", "JSON")
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


def _warn_of_readable_secrets(config_dir: Path | None) -> None:
    home = Path(os.path.expanduser("~"))  # Path.home() fails if there is none
    for folder in (config_dir, config_dir and config_dir / ".dlt", Path(".dlt"), home / ".dlt"):
        secrets = folder and folder / "secrets.toml"
        with suppress(OSError):  # a file that this user cannot read sets nothing
            if secrets and secrets.stat().st_mode & 0o077:
                write_message(logging.WARNING, f"{secrets} can be read by others. Protect it: chmod 600 {secrets}")


def exit_process(code: int) -> NoReturn:
    """Exit without waiting for the threads of tenants: a sync may be killed at any moment."""
    if any(thread.name.startswith("metastudio-tenant") for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
