"""What the command line sets in its process: dlt's folder, the log, the signals."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn


class TerminatedError(BaseException):
    """SIGTERM was received."""


def prepare_process() -> None:
    """Set up the garbage collector and the signals for every command."""
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
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("metastudio").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    os.environ.setdefault(
        "RUNTIME__LOG_LEVEL", "WARNING" if verbose else "CRITICAL"
    )  # dlt's own log repeats our errors


def _warn_of_readable_secrets(config_dir: Path | None) -> None:
    for folder in (config_dir, config_dir and config_dir / ".dlt", Path(".dlt"), Path("~/.dlt").expanduser()):
        secrets = folder and folder / "secrets.toml"
        if secrets and secrets.exists() and secrets.stat().st_mode & 0o077:
            sys.stderr.write(f"Warning: {secrets} can be read by others. Protect it: chmod 600 {secrets}\n")


def leave(code: int) -> NoReturn:
    """Exit without waiting for the threads of tenants: a sync may be killed at any moment."""
    if any(thread.name.startswith("metastudio-tenant") for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
