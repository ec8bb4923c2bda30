"""The settings of the section `sources.metastudio`, resolved by dlt from environment and files.

`docs/configuration.md` has their meaning. No message of this module contains a setting's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import dlt
from dlt.common.configuration import configspec
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration

from metastudio.config.credentials import CredentialSettings
from metastudio.errors import ConfigurationError

SECTION = ("sources", "metastudio")
EVERYTHING = "2000-01-01T00:00:00Z"
"""Default of `start_date`. A decade without jobs costs one request."""


@configspec
class Settings(BaseConfiguration):
    """All settings, with their types and defaults."""

    tenants: Any | None = None
    tenants_at_once: int = 4
    project_id: str | None = None
    region: str = "cn-north-4"
    endpoint: str | None = None
    credentials: CredentialSettings | None = None
    start_date: str = EVERYTHING
    overlap_seconds: int = 600
    rescan_days: int = 30
    requests_per_second: float | None = None
    max_concurrency: int = 16
    max_rows_per_window: int = 2_000
    chunk_rows: int = 50_000
    page_size: int = 100
    app_user_id: str | None = None
    job_type: str | None = None
    state: str | None = None
    keep_signed_urls: bool = False
    max_rejected: int = 100
    max_missing: int = 0
    max_reread_requests: int = 2_000
    max_deleted_share: float = 0.1
    scrub_days: int = 30
    lock_seconds: float = 60.0
    publish_dir: str | None = None
    schema_contract: str = "evolve"
    build_models: bool = True
    retry_seconds: float = 120.0
    request_timeout_seconds: float = 30.0
    schedule: str = "*/15 * * * *"
    stale_after_seconds: int = 3_600


BOUNDS: Mapping[str, tuple[float, float]] = {
    "tenants_at_once": (1, 64),
    "overlap_seconds": (0, 86_400),
    "rescan_days": (0, 3_650),
    "requests_per_second": (0.01, 1_000),
    "max_concurrency": (1, 256),
    "max_rows_per_window": (1, 1_000_000),
    "chunk_rows": (1, 10_000_000),
    "page_size": (1, 100),
    "max_rejected": (0, 1_000_000_000),
    "max_missing": (0, 1_000_000_000),
    "max_reread_requests": (0, 1_000_000_000),
    "max_deleted_share": (0, 1),
    "scrub_days": (0, 3_650),
    "lock_seconds": (0, 86_400),
    "retry_seconds": (0, 86_400),
    "request_timeout_seconds": (0.1, 3_600),
    "stale_after_seconds": (1, 31_536_000),
}
"""Smallest and largest value of each setting that is a number."""

SCHEMA_CONTRACTS = ("evolve", "freeze", "discard_row", "discard_value")


def find_setting(name: str) -> Any:
    """Return a setting by its full name, from any of dlt's sources, or None."""
    value: Any = dlt.secrets.get(name)
    return dlt.config.get(name) if value is None else value


def resolve_settings(name: str | None = None, **overrides: Any) -> Settings:
    """Return the settings of a tenant, with numbers and choices checked.

    Raises:
        ConfigurationError: a setting is of the wrong type or out of bounds.
    """
    settings = _resolve((*SECTION, name) if name else SECTION, overrides)
    for setting, (low, high) in BOUNDS.items():
        value = getattr(settings, setting)
        if value is not None and not low <= value <= high:
            raise ConfigurationError(
                f"sources.metastudio.{setting} is out of bounds.", hint=f"Set it between {low:g} and {high:g}."
            )
    if settings.schema_contract not in SCHEMA_CONTRACTS:
        raise ConfigurationError(
            "sources.metastudio.schema_contract is not a valid contract.",
            hint=f"Use one of {', '.join(SCHEMA_CONTRACTS)}.",
        )
    return settings


def list_names(spec: type[BaseConfiguration]) -> list[str]:
    """Return the names of a configuration's fields."""
    return [field.name for field in fields(spec) if not field.name.startswith("_")]


def _resolve(sections: tuple[str, ...], overrides: Mapping[str, Any]) -> Settings:
    try:
        return resolve_configuration(Settings(), sections=sections, explicit_value=overrides or None)
    except ConfigurationException as error:
        raise ConfigurationError(
            f"A setting could not be read: {_describe(error)}.",
            hint="See docs/configuration.md for the settings and their types.",
        ) from None


def _describe(error: ConfigurationException) -> str:
    """Name the wrong setting without its value, which may be a secret."""
    name = getattr(error, "field_name", None)
    return f"sources.metastudio.{name} is of the wrong type" if name else type(error).__name__
