"""The settings of `docs/configuration.md`, resolved by dlt (environment, TOML files) and checked, for one tenant or several.

No message of this module ever holds a setting's value.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

import dlt
from dlt.common.configuration import configspec
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration

from metastudio.api.auth import AccessKey, Password, Token, check_credentials
from metastudio.api.endpoints import check_app_user_id, check_project_id, find_region, make_base_url
from metastudio.config.credentials import CredentialSettings, make_credentials
from metastudio.errors import ConfigurationError
from metastudio.extraction.types import ExtractionSettings
from metastudio.records.schema import TenantKey
from metastudio.timestamps import parse_user_time

log = logging.getLogger("metastudio")

SECTION = ("sources", "metastudio")
EVERYTHING = "2000-01-01T00:00:00Z"
"""Default of `start_date`: before any job the service can hold; an empty decade costs one request."""


@configspec
class Settings(BaseConfiguration):
    """All settings of the section `sources.metastudio`; meaning and defaults as in `docs/configuration.md`."""

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
    schema_contract: str = "evolve"
    build_models: bool = True
    retry_seconds: float = 120.0
    request_timeout_seconds: float = 30.0
    schedule: str = "*/15 * * * *"
    stale_after_seconds: int = 3_600


_BOUNDS: dict[str, tuple[float, float]] = {
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


_CONTRACTS = ("evolve", "freeze", "discard_row", "discard_value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant(ExtractionSettings):
    """One tenant's settings, checked: whose jobs are synced, from where, how, and with which credentials.

    This is the only object that carries settings: extraction, client and loader read it.
    """

    project_id: str
    region: str
    base_url: str
    iam_base_url: str
    credentials: AccessKey | Token | Password
    requests_per_second: float
    filters: Mapping[str, str]
    app_user_id: str | None
    keep_signed_urls: bool
    max_rejected: int
    max_missing: int
    lock_seconds: float
    schema_contract: str
    build_models: bool
    retry_seconds: float
    request_timeout_seconds: float

    @property
    def origin(self) -> TenantKey:
        """What the tables say in each row of where it comes from."""
        return TenantKey(self.project_id, self.region, self.app_user_id)

    @property
    def identity(self) -> dict[str, str | None]:
        """What a pipeline's state belongs to; with any of it changed, the tables would hold two different things."""
        return {
            "project_id": self.project_id,
            "region": self.region,
            "app_user_id": self.app_user_id,
            "job_type": self.filters.get("job_type"),
            "state": self.filters.get("state"),
        }


def find_setting(name: str) -> Any:
    """Give a setting by its full name from wherever dlt would find it; None where nobody set it."""
    value: Any = dlt.secrets.get(name)
    return dlt.config.get(name) if value is None else value


def list_tenants() -> tuple[str, ...]:
    """Give the names in the setting `tenants`; none where there is only one tenant, which needs no name.

    Raises:
        ConfigurationError: they are no list of names, or a name is not allowed or given twice.
    """
    given = find_setting("sources.metastudio.tenants") or ()
    if isinstance(given, str):
        given = given.strip().removeprefix("[").removesuffix("]").split(",")
    names = tuple(str(name).strip(" \"'") for name in given)
    taken = list_names(Settings)
    for name in names:
        if not re.fullmatch("[a-z](_?[a-z0-9]){0,29}", name) or name in taken or names.count(name) > 1:
            raise ConfigurationError(
                "A name in sources.metastudio.tenants cannot be used, or is there twice.",
                hint="Use lower-case letters, digits and single underscores, 30 at most, and no name of a setting: berlin, team_2.",
            )
    return names


def resolve_tenants_at_once() -> int:
    """Give how many tenants one process works for at a time.

    Raises:
        ConfigurationError: it is no number, or out of bounds.
    """
    settings = _resolve(SECTION)
    _check_bounds(settings, "tenants_at_once")
    return settings.tenants_at_once


def resolve_tenant(name: str | None = None, **overrides: Any) -> Tenant:
    """Resolve the settings of a tenant and check them; keyword arguments come before what is configured.

    A named tenant's own section `sources.metastudio.NAME` comes before `sources.metastudio`, setting by setting; credentials are taken
    whole, from the one or the other.

    Raises:
        ConfigurationError: a setting is missing, of the wrong type or out of bounds, or there is no such tenant.
    """
    tenants = list_tenants()
    if name is not None and name not in tenants:
        raise ConfigurationError(
            "There is no tenant of this name.", hint=f"sources.metastudio.tenants has: {', '.join(tenants) or 'none'}."
        )
    settings = resolve_settings(name, **overrides)
    if name:
        own = {
            part: find_setting(f"sources.metastudio.{name}.credentials.{part}")
            for part in list_names(CredentialSettings)
        }
        if any(own.values()):
            settings.credentials = CredentialSettings(**own)
    return check_settings(settings)


def resolve_settings(name: str | None = None, **overrides: Any) -> Settings:
    """Resolve the settings of a tenant and check their numbers; whose jobs they name, and with which credentials, is not looked at.

    Raises:
        ConfigurationError: a setting is of the wrong type or out of bounds.
    """
    settings = _resolve((*SECTION, name) if name else SECTION, overrides)
    _check_bounds(settings, *_BOUNDS)
    return settings


def list_names(spec: type[BaseConfiguration]) -> list[str]:
    """Give the names of a configuration's fields."""
    return [field.name for field in fields(spec) if not field.name.startswith("_")]


def _resolve(sections: tuple[str, ...], overrides: Mapping[str, Any] | None = None) -> Settings:
    try:
        return resolve_configuration(Settings(), sections=sections, explicit_value=overrides or None)
    except ConfigurationException as error:
        raise ConfigurationError(
            f"A setting could not be read: {_name_setting(error)}.",
            hint="See the list of settings in docs/configuration.md.",
        ) from None


def _name_setting(error: ConfigurationException) -> str:
    """Say which setting is wrong without its value, which may be a secret."""
    name = getattr(error, "field_name", None)
    return f"sources.metastudio.{name} is of the wrong type" if name else type(error).__name__


def check_settings(settings: Settings) -> Tenant:
    """Make a tenant of settings.

    Raises:
        ConfigurationError: a setting is missing or out of bounds.
    """
    if settings.schema_contract not in _CONTRACTS:
        raise ConfigurationError(
            "sources.metastudio.schema_contract is none that dlt knows.", hint=f"Use one of {', '.join(_CONTRACTS)}."
        )
    project_id = check_project_id(settings.project_id or os.environ.get("HUAWEICLOUD_SDK_PROJECT_ID"))
    app_user_id = check_app_user_id(settings.app_user_id)
    credentials = make_credentials(settings.credentials or CredentialSettings())
    check_credentials(credentials)
    base_url, iam_base_url, quota = _find_endpoints(settings)
    return Tenant(
        project_id=project_id,
        region=settings.region,
        base_url=base_url,
        iam_base_url=iam_base_url,
        credentials=credentials,
        requests_per_second=settings.requests_per_second or quota,
        start_date=parse_user_time(settings.start_date, "sources.metastudio.start_date"),
        overlap=timedelta(seconds=settings.overlap_seconds),
        rescan=timedelta(days=settings.rescan_days),
        scrub=timedelta(days=settings.scrub_days),
        max_rows_per_window=settings.max_rows_per_window,
        chunk_rows=settings.chunk_rows,
        page_size=settings.page_size,
        max_concurrency=settings.max_concurrency,
        max_reread_requests=settings.max_reread_requests,
        max_deleted_share=settings.max_deleted_share,
        max_missing=settings.max_missing,
        lock_seconds=settings.lock_seconds,
        filters={name: value for name in ("job_type", "state") if (value := getattr(settings, name))},
        app_user_id=app_user_id,
        keep_signed_urls=settings.keep_signed_urls,
        max_rejected=settings.max_rejected,
        schema_contract=settings.schema_contract,
        build_models=settings.build_models,
        retry_seconds=settings.retry_seconds,
        request_timeout_seconds=settings.request_timeout_seconds,
    )


def _check_bounds(settings: Settings, *names: str) -> None:
    for name in names:
        low, high = _BOUNDS[name]
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            raise ConfigurationError(
                f"sources.metastudio.{name} is out of bounds.", hint=f"It must lie between {low:g} and {high:g}."
            )


def _find_endpoints(settings: Settings) -> tuple[str, str, float]:
    """Give the API's and IAM's base URLs and the quota in requests/s."""
    region = find_region(settings.region, settings.endpoint)
    base_url = make_base_url(settings.endpoint or region.endpoint)
    iam_endpoint = settings.credentials.iam_endpoint if settings.credentials else None
    return base_url, make_base_url(iam_endpoint or region.iam), region.requests_per_second
