"""The credentials, as settings. The settings that are present decide the kind.

The variables of the vendor's SDK are the fallback.

No message of this module contains a setting's value.
"""

from __future__ import annotations

import logging
import os
from functools import cache

from dlt.common.configuration import configspec
from dlt.common.configuration.specs import CredentialsConfiguration
from dlt.common.typing import TSecretStrValue

from metastudio.api.auth import AccessKey, Credentials, Password, Token
from metastudio.errors import ConfigurationError

log = logging.getLogger("metastudio")


@configspec
class CredentialSettings(CredentialsConfiguration):
    """An access key (with a security token if it is temporary), a token, or an IAM user."""

    access_key: TSecretStrValue | None = None
    secret_key: TSecretStrValue | None = None
    security_token: TSecretStrValue | None = None
    token: TSecretStrValue | None = None
    username: str | None = None
    password: TSecretStrValue | None = None
    domain_name: str | None = None
    iam_endpoint: str | None = None

    def on_resolved(self) -> None:
        """Accept partial credentials: `make_credentials` says what is missing."""


def make_credentials(settings: CredentialSettings) -> Credentials:
    """Return the credentials of the kind that is set.

    Raises:
        ConfigurationError: nothing is set, or only a part of one kind.
    """
    _warn_of_several_kinds(settings)
    if settings.access_key or settings.secret_key:
        if not (settings.access_key and settings.secret_key):
            raise _incomplete("access_key and secret_key")
        return AccessKey(settings.access_key, settings.secret_key, settings.security_token or None)
    if settings.token:
        return Token(settings.token)
    if (
        settings.password or settings.domain_name
    ):  # not username: dlt also reads a bare USERNAME, which many machines set
        if not (settings.username and settings.password and settings.domain_name):
            raise _incomplete("username, password and domain_name")
        return Password(settings.username, settings.password, settings.domain_name)
    for prefix in ("HUAWEICLOUD_SDK", "CLOUD_SDK"):
        access_key, secret_key = os.environ.get(f"{prefix}_AK"), os.environ.get(f"{prefix}_SK")
        if access_key and secret_key:
            token = os.environ.get("HUAWEICLOUD_SDK_SECURITY_TOKEN") if prefix == "HUAWEICLOUD_SDK" else None
            return AccessKey(access_key, secret_key, token)
        if access_key or secret_key:
            raise _incomplete(f"{prefix}_AK and {prefix}_SK")
    raise ConfigurationError(
        "No credentials are set.",
        hint="Set SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY and …__SECRET_KEY, or …__TOKEN, or …__USERNAME, …__PASSWORD"
        " and …__DOMAIN_NAME, or put them into .dlt/secrets.toml (see .dlt/example.secrets.toml).",
    )


def _warn_of_several_kinds(settings: CredentialSettings) -> None:
    given = {
        "an access key": settings.access_key or settings.secret_key,
        "a token": settings.token,
        "an IAM user": settings.password or settings.domain_name,
    }
    kinds = [kind for kind, value in given.items() if value]
    if len(kinds) > 1:
        _warn_once(f"Credentials of several kinds are set: {' and '.join(kinds)}. {kinds[0].capitalize()} is used.")


@cache
def _warn_once(text: str) -> None:
    log.warning("%s", text)


def _incomplete(names: str) -> ConfigurationError:
    return ConfigurationError(f"The credentials are incomplete: {names} belong together.", hint="Set the missing one.")
