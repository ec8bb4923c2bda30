"""Settings of sessions on PostgreSQL, in place of those of the server, role and environment.

Times arrive in UTC and texts in UTF-8, and a session may write.
"""

from __future__ import annotations

import os
from typing import Any

from metastudio.errors import ConfigurationError

_VARIABLES = {"PGTZ": "UTC", "PGDATESTYLE": "ISO, MDY", "PGCLIENTENCODING": "UTF8"}
"""libpq sends these with each connection, also with dbt's. They override `options` and the settings
of the server, the database and the role. PgBouncer supports them.
"""

_OPTIONS = (
    "-cdefault_transaction_read_only=off -cdefault_transaction_isolation=read\\ committed"
    " -cstandard_conforming_strings=on -cextra_float_digits=1"
)


def add_session_settings(credentials: Any) -> None:
    """Add our settings to the credentials of PostgreSQL, after the user's, so that ours win."""
    query = dict(credentials.query or {})
    given = query.get("options", "")
    credentials.query = {**query, "options": f"{given.removesuffix(_OPTIONS).strip()} {_OPTIONS}".strip()}
    credentials.client_encoding = _VARIABLES["PGCLIENTENCODING"]


def set_session_variables() -> None:
    """Set the environment variables from which libpq takes time zone and encoding."""
    os.environ.update(_VARIABLES)


def check_session(client: Any) -> None:
    """Check what the server reported when a session began; no query is needed for that.

    Raises:
        ConfigurationError: the database cannot hold every text, or a connection pooler does not
            pass on our settings.
    """
    find = client.native_connection.get_parameter_status
    if find("server_encoding") not in (None, "UTF8"):
        raise ConfigurationError(
            f"The database {client.database_name} has the encoding {find('server_encoding')}, which lacks characters.",
            hint="Sync into a database with UTF8: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'.",
        )
    if find("client_encoding") != "UTF8" or find("TimeZone") not in ("UTC", "Etc/UTC"):
        raise ConfigurationError(
            f"Sessions in PostgreSQL have the encoding {find('client_encoding')} and the time zone {find('TimeZone')}.",
            hint="Let the connection pooler set client_encoding=UTF8 and timezone=UTC: see docs/destinations.md.",
        )
