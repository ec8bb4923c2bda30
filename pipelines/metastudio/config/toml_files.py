"""Checks the configuration files before dlt reads them: dlt names neither the file nor the line."""

from __future__ import annotations

import re
import tomllib
from codecs import BOM_UTF8
from collections.abc import Iterable
from pathlib import Path

from metastudio.errors import ConfigurationError


def check_files(paths: Iterable[Path]) -> bool:
    """Check that the files that exist are valid TOML. Return whether one has a byte-order mark.

    Raises:
        ConfigurationError: a file is not valid; the message names it and the line.
    """
    has_mark = False
    for path in paths:
        if path.is_file():
            content = _read(path)
            has_mark |= content.startswith(BOM_UTF8)
            _check(path, content.removeprefix(BOM_UTF8))
    return has_mark


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The configuration file {path} cannot be read: {error.strerror}.", hint="Let this user read it."
        ) from None


def _check(path: Path, content: bytes) -> None:
    try:
        tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"The configuration file {path} is not valid TOML: line {line} is not UTF-8.",
            hint="Save it with the encoding UTF-8.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else content.count(b"\n") + 1
        raise ConfigurationError(
            f"The configuration file {path} is not valid TOML: see line {line}.",
            hint="Write one setting per line as name = value, with texts in quotes.",
        ) from None
