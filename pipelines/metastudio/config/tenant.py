"""A tenant: the one object that carries the settings, checked.

No message of this module contains a setting's value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from metastudio.api.auth import Credentials, check_credentials
from metastudio.api.endpoints import check_app_user_id, check_project_id, find_region, make_base_url
from metastudio.config.credentials import CredentialSettings, make_credentials
from metastudio.config.settings import Settings, find_setting, list_names, resolve_settings
from metastudio.errors import ConfigurationError
from metastudio.extraction.types import ExtractionSettings
from metastudio.records.schema import TenantKey
from metastudio.timestamps import parse_user_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant(ExtractionSettings):
    """One tenant's settings: whose jobs are synced, from where, how, with which credentials.

    Extraction, client and loader read their settings from this object.
    """

    project_id: str
    region: str
    base_url: str
    iam_base_url: str
    credentials: Credentials
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
        """Return the columns that say in each row whose job it is."""
        return TenantKey(self.project_id, self.region, self.app_user_id)

    @property
    def identity(self) -> dict[str, str | None]:
        """Return the settings that a pipeline's state belongs to: changing one would mix jobs."""
        return {
            "project_id": self.project_id,
            "region": self.region,
            "app_user_id": self.app_user_id,
            "job_type": self.filters.get("job_type"),
            "state": self.filters.get("state"),
        }


def list_tenants() -> tuple[str, ...]:
    """Return the names in the setting `tenants`. A single tenant needs no name.

    Raises:
        ConfigurationError: a name is not valid, or occurs twice.
    """
    given = find_setting("sources.metastudio.tenants") or ()
    if isinstance(given, str):
        given = given.strip().removeprefix("[").removesuffix("]").split(",")
    names = tuple(str(name).strip(" \"'") for name in given)
    taken = list_names(Settings)
    for name in names:
        if not re.fullmatch("[a-z](_?[a-z0-9]){0,29}", name) or name in taken or names.count(name) > 1:
            raise ConfigurationError(
                "A name in sources.metastudio.tenants is not valid, or occurs twice.",
                hint="Use at most 30 lower-case letters, digits and single underscores, and not the name of a"
                " setting: berlin, team_2.",
            )
    return names


def resolve_tenant(name: str | None = None, **overrides: Any) -> Tenant:
    """Return a tenant with its settings checked. Keyword arguments override what is configured.

    The section `sources.metastudio.NAME` of a named tenant overrides `sources.metastudio`, setting
    by setting. Credentials come from one of the two and are never mixed.

    Raises:
        ConfigurationError: a setting is missing or not valid, or there is no such tenant.
    """
    check_name(name)
    settings = resolve_settings(name, **overrides)
    if name and any((own := _find_own_credentials(name)).values()):
        settings.credentials = CredentialSettings(**own)
    return make_tenant(settings)


def check_name(name: str | None) -> None:
    """Check that a tenant with this name exists, if a name is given.

    Raises:
        ConfigurationError: there is no such tenant.
    """
    tenants = list_tenants()
    if name is not None and name not in tenants:
        raise ConfigurationError(
            "There is no tenant of this name.", hint=f"sources.metastudio.tenants has: {', '.join(tenants) or 'none'}."
        )


def find_tenant_keys() -> dict[str, tuple[str, str | None]]:
    """Return the project and app user of each named tenant whose project is configured.

    No credentials are needed for that.

    Raises:
        ConfigurationError: a name is not valid.
    """
    keys = {}
    for name in list_tenants():
        project_id, app_user_id = (
            find_setting(f"sources.metastudio.{name}.{setting}") or find_setting(f"sources.metastudio.{setting}")
            for setting in ("project_id", "app_user_id")
        )
        if project_id := project_id or os.environ.get("HUAWEICLOUD_SDK_PROJECT_ID"):
            keys[name] = str(project_id), str(app_user_id) if app_user_id else None
    return keys


def _find_own_credentials(name: str) -> dict[str, Any]:
    section = f"sources.metastudio.{name}.credentials"
    return {part: find_setting(f"{section}.{part}") for part in list_names(CredentialSettings)}


def make_tenant(settings: Settings) -> Tenant:
    """Return the tenant that settings describe.

    Raises:
        ConfigurationError: a setting is missing or not valid.
    """
    region = find_region(settings.region, settings.endpoint)
    given = settings.credentials or CredentialSettings()
    check_credentials(credentials := make_credentials(given))
    derived: dict[str, Any] = {
        "project_id": check_project_id(settings.project_id or os.environ.get("HUAWEICLOUD_SDK_PROJECT_ID")),
        "app_user_id": check_app_user_id(settings.app_user_id),
        "credentials": credentials,
        "base_url": make_base_url(settings.endpoint or region.endpoint),
        "iam_base_url": make_base_url(given.iam_endpoint or region.iam),
        "requests_per_second": settings.requests_per_second or region.requests_per_second,
        "start_date": parse_user_time(settings.start_date, "sources.metastudio.start_date"),
        "overlap": timedelta(seconds=settings.overlap_seconds),
        "rescan": timedelta(days=settings.rescan_days),
        "scrub": timedelta(days=settings.scrub_days),
        "filters": {name: value for name in ("job_type", "state") if (value := getattr(settings, name))},
    }
    same = {field.name for field in fields(Tenant)} & {*list_names(Settings)} - derived.keys()
    return Tenant(**{name: getattr(settings, name) for name in same}, **derived)
