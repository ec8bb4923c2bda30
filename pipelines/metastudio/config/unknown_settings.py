"""Warns about settings without effect, in the environment and in dlt's files."""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import dlt
from dlt.common.configuration.providers.toml import SettingsTomlProvider

from metastudio.config.credentials import CredentialSettings
from metastudio.config.settings import SECTION, Settings, list_names
from metastudio.config.tenant import list_tenants

log = logging.getLogger("metastudio")

Path = Sequence[str]

ROOTS = ("sources", "destination", "pipelines", "load", "extract", "normalize", "runtime", "data_writer", "schema")
"""dlt's own sections."""

DESTINATIONS = ("duckdb", "postgres", "filesystem", "snowflake", "bigquery", "databricks", "redshift", "clickhouse")


def warn_of_unknown_settings() -> None:
    """Warn about each unknown setting: a misspelled one would be silently ignored."""
    tenants = list_tenants()
    for path, write in _list_given():
        if found := _find_unknown(path, tenants):
            what, right = found
            meant = f"; did you mean {write(right)}?" if right else "."
            log.warning("There is no %s %s%s", what, write(path), meant)


def _find_unknown(path: Path, tenants: Sequence[str]) -> tuple[str, Path | None] | None:
    """Return the unknown part of a setting's path, and the path that was probably meant."""
    if tuple(path[:2]) == SECTION:
        right = _find_unknown_setting(path[2:], tenants) if path[2:] else None  # an empty section
        return None if right is None else ("setting", [*SECTION, *right] if right else None)
    right = _find_near_section(path)
    return None if right is None else ("section", right)


def _find_unknown_setting(path: Path, tenants: Sequence[str]) -> Path | None:
    """Return the path probably meant below our section, empty if unclear; None if it is known."""
    known = list_names(Settings)
    place = 1 if path[0] in tenants and len(path) > 1 else 0
    if path[place : place + 1] == ["credentials"] and len(path) > place + 1:
        known, place = list_names(CredentialSettings), place + 1
    elif path[place] in tenants:
        return None
    if path[place] in known:
        return None
    near = get_close_matches(path[place], known, 1)
    return [*path[:place], near[0], *path[place + 1 :]] if near else []


def _find_near_section(path: Path) -> Path | None:
    """Return the path with its section corrected to the similar one of ours or dlt's.

    Other sections are left alone: the files may be shared with other pipelines.
    """
    root, section, rest = path[0], path[1] if len(path) > 1 else "", path[2:]
    if SECTION[1] in (root, section) and root != SECTION[0] and root not in ROOTS[1:]:
        return [*SECTION, *(rest if section == SECTION[1] else path[1:])]
    if root == SECTION[0] and rest and get_close_matches(section, SECTION[1:], 1, 0.8):
        return [*SECTION, *rest]
    if root == "destination" and rest and section not in DESTINATIONS:
        near = get_close_matches(section, DESTINATIONS, 1, 0.8)
        return [root, near[0], *rest] if near else None
    near = get_close_matches(root, ("sources", "destination"), 1, 0.8) if rest and root not in ROOTS else []
    return [near[0], *path[1:]] if near else None


def warn_of_other_credentials(destination: str) -> None:
    """Warn if credentials are set only for destinations other than the one in use."""
    places = (["credentials"], ["bucket_url"])
    given = {path[1] for path, _ in _list_given() if path[0] == "destination" and path[2:3] in places}
    if given and destination not in given:
        names = " and ".join(sorted(given))
        log.warning(
            "Credentials are set for the destination %s, but %s is used: choose the destination with --destination.",
            names,
            destination,
        )


def _list_given() -> Iterator[tuple[list[str], Callable[[Path], str]]]:
    """Yield each setting's path, and a function that writes paths as its source does."""
    for name in sorted(os.environ):
        if name.count("__") > 1 or name.startswith("METASTUDIO__"):
            yield name.lower().split("__"), lambda path: "__".join(path).upper()
    for path in _list_paths(_read_files()):
        yield path, ".".join


def _read_files() -> dict[str, Any]:
    """Return all that is in dlt's configuration files."""
    content: dict[str, Any] = {}
    for source in (dlt.config, dlt.secrets):
        for provider in source.config_providers:
            if isinstance(provider, SettingsTomlProvider):
                _merge(content, tomllib.loads(provider.to_toml()))
    return content


def _merge(content: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(content.setdefault(name, {}), dict):
            _merge(content[name], value)
        else:
            content[name] = value


def _list_paths(section: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from ([name, *path] for path in _list_paths(value))
        else:
            yield [name]
