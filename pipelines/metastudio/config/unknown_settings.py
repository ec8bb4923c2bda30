"""Warns of unknown settings in the environment and in dlt's files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import dlt

from metastudio.config.settings import SECTION, Settings, list_names
from metastudio.config.tenant import list_tenants

log = logging.getLogger("metastudio")


def warn_of_unknown_settings() -> None:
    """Warn of each unknown setting: a misspelled one would be ignored without a word."""
    known, tenants = list_names(Settings), list_tenants()
    for path, write in _list_given():
        place = 1 if path[0] in tenants and len(path) > 1 else 0
        if path[place] not in (*known, *tenants):
            near = get_close_matches(path[place], known, 1)
            meant = f"; did you mean {write([*path[:place], near[0], *path[place + 1 :]])}?" if near else "."
            log.warning("There is no setting %s%s", write(path), meant)


def _list_given() -> Iterator[tuple[list[str], Callable[[Sequence[str]], str]]]:
    """Yield each setting's path, and a function that writes paths as its source does."""
    for name in sorted(os.environ):
        if name.startswith("SOURCES__METASTUDIO__"):
            yield name.lower().split("__")[2:], lambda path: "__".join((*SECTION, *path)).upper()
    for source in (dlt.config, dlt.secrets):
        section: Any = source.get(".".join(SECTION))
        for name, value in section.items() if isinstance(section, Mapping) else ():
            for inner in value if isinstance(value, Mapping) else (None,):
                yield [name, inner] if inner else [name], lambda path: ".".join((*SECTION, *path))
