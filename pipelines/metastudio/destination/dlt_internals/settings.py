"""dlt's settings: our defaults, our fixed settings, and the files that dlt reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dlt
import tomlkit
from dlt.common.configuration.container import Container
from dlt.common.configuration.plugins import manager
from dlt.common.configuration.providers import (
    ConfigTomlProvider,
    CustomLoaderDocProvider,
    EnvironProvider,
    SecretsTomlProvider,
)
from dlt.common.configuration.providers.toml import CONFIG_TOML, SECRETS_TOML, SettingsTomlProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from metastudio.destination.capabilities import find_capabilities
from metastudio.destination.session import set_session_variables

_PINNED: dict[str, Any] = {}
"""The fixed settings, by pipeline. They override every variable and file."""
_DEFAULTS: dict[str, Any] = {}
"""Our defaults. Every variable and file overrides them."""


def set_default_settings(defaults: Mapping[str, Any], *, replace: bool = False) -> None:
    """Provide defaults for settings of dlt. Variables and files override them.

    Args:
        replace: whether these settings replace those of an earlier call.
    """
    if replace or not _DEFAULTS:
        _DEFAULTS.update(defaults)
    _provide("defaults of metastudio", _DEFAULTS, first=False)


def list_config_files() -> list[Path]:
    """Return the files that dlt reads its configuration from, whether they exist or not."""
    context = manager().hook.plug_run_context(run_dir=None, runtime_kwargs=None)
    folders = dict.fromkeys((context.settings_dir, context.global_dir))
    return [Path(folder) / name for folder in folders if folder for name in (CONFIG_TOML, SECRETS_TOML)]


def accept_byte_order_marks() -> None:
    """Let dlt read configuration files with a byte-order mark, as Windows writes them."""
    context: Any = manager().hook.plug_run_context(run_dir=None, runtime_kwargs=None)
    folders = context.settings_dir, context.global_dir
    context.initial_providers = lambda: [EnvironProvider(), _Secrets(*folders), _Config(*folders)]
    Container()[PluggableRunContext] = PluggableRunContext(context)


class _MarkReader(SettingsTomlProvider):
    def _read_toml_file(self, toml_path: str) -> Any:
        path = Path(toml_path)
        return tomlkit.parse(path.read_text(encoding="utf-8-sig")) if path.is_file() else None


class _Secrets(_MarkReader, SecretsTomlProvider): ...


class _Config(_MarkReader, ConfigTomlProvider): ...


def pin_settings(pipeline: dlt.Pipeline) -> list[str]:
    """Fix the settings of a pipeline that the guarantee depends on.

    A failed job fails the run, the state is kept in the destination, no run begins by emptying
    tables, and sessions are in UTC and UTF-8. Variables and files do not override these settings.
    Return those that had another value.
    """
    if find_capabilities(pipeline).is_postgres:
        set_session_variables()
    name = pipeline.pipeline_name
    _PINNED.pop(name, None)
    found: list[Any] = [dlt.config.get(f"{section}load.raise_on_failed_jobs") for section in (f"{name}.", "")]
    changed = {
        "load.raise_on_failed_jobs": next((value for value in found if value is not None), True) is not True,
        "restore_from_destination": not pipeline.config.restore_from_destination,
        "refresh": pipeline.refresh is not None,
        "dev_mode": pipeline.config.dev_mode,
    }
    _PINNED[name] = {"load": {"raise_on_failed_jobs": True}}
    _provide("pinned by metastudio", _PINNED, first=True)
    pipeline.config.restore_from_destination = True
    pipeline.refresh = None
    return [setting for setting, is_changed in changed.items() if is_changed]


def _provide(name: str, settings: dict[str, Any], *, first: bool) -> None:
    """Add a provider that reads its settings from a dictionary, unless there is one already."""
    context = Container()[PluggableRunContext].providers
    if name not in context:
        context.add_provider(CustomLoaderDocProvider(name, lambda: settings, locations=[]))
        if first:
            context.providers.insert(0, context.providers.pop())
