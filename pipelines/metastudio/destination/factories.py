"""dlt's destinations DuckDB and PostgreSQL, with less work in each run and our session settings."""

from __future__ import annotations

from typing import Any

from dlt.destinations import duckdb, postgres

from metastudio.destination.session import add_session_settings


class _CachedConfiguration:
    """Resolves the configuration behind a destination's capabilities once.

    dlt asks for the capabilities dozens of times in each run, and would resolve the configuration
    each time.
    """

    _partial: Any = None

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:
        """Return the resolved configuration. A partial one is resolved only once."""
        resolve: Any = super().configuration  # type: ignore[misc]
        if not accept_partial:
            return resolve(initial_config)
        if self._partial is None:
            self._partial = resolve(initial_config, accept_partial=True)
        return self._partial


class DuckDb(_CachedConfiguration, duckdb):
    """dlt's DuckDB destination."""

    @property
    def destination_type(self) -> str:
        return "dlt.destinations.duckdb"


class Postgres(_CachedConfiguration, postgres):
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
"""The classes that take the place of dlt's, by the type of the destination."""
