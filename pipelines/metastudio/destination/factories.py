"""dlt's destinations DuckDB and PostgreSQL, with less work in each run and our session settings."""

from __future__ import annotations

from typing import Any

from dlt.destinations import duckdb, postgres

from metastudio.destination.session import add_session_settings


class _PlainCapabilities:
    """Skips the configuration for a destination's capabilities, which do not depend on it.

    dlt would resolve it dozens of times in each run.
    """

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:
        """Return the resolved configuration; for the capabilities, the unresolved one."""
        resolve: Any = super().configuration  # type: ignore[misc]
        return initial_config if accept_partial else resolve(initial_config)


class DuckDb(_PlainCapabilities, duckdb):
    """dlt's DuckDB destination."""

    @property
    def destination_type(self) -> str:
        return "dlt.destinations.duckdb"


class Postgres(_PlainCapabilities, postgres):
    """dlt's PostgreSQL destination. Its sessions have our settings."""

    @property
    def destination_type(self) -> str:
        return "dlt.destinations.postgres"

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:
        """Return the resolved configuration. Our settings come after the user's, so ours win."""
        config = super().configuration(initial_config, accept_partial)
        if config.credentials is not None:
            add_session_settings(config.credentials)
        return config


BY_TYPE = {"dlt.destinations.duckdb": DuckDb, "dlt.destinations.postgres": Postgres}
"""The classes that replace dlt's, by the type of the destination."""
