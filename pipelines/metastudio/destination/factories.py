"""dlt's destinations DuckDB and PostgreSQL, as this project uses them."""

from __future__ import annotations

from typing import Any

from dlt.destinations import duckdb, postgres

from metastudio.destination.session import add_session_settings


class _KnownCapabilities:
    """Resolves the configuration behind a destination's capabilities once.

    dlt asks for the capabilities dozens of times in each run, and resolves it each time.
    """

    _partial: Any = None

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:
        """Return the resolved configuration; a partial one, which capabilities need, only once."""
        resolve: Any = super().configuration  # type: ignore[misc]
        if not accept_partial:
            return resolve(initial_config)
        if self._partial is None:
            self._partial = resolve(initial_config, accept_partial=True)
        return self._partial


class DuckDb(_KnownCapabilities, duckdb):
    """dlt's DuckDB destination."""

    @property
    def destination_type(self) -> str:
        return "dlt.destinations.duckdb"


class Postgres(_KnownCapabilities, postgres):
    """dlt's PostgreSQL destination, with sessions whose settings are ours."""

    @property
    def destination_type(self) -> str:
        return "dlt.destinations.postgres"

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:
        """Return the resolved configuration. Our settings follow the user's, and hence count."""
        config = super().configuration(initial_config, accept_partial)
        if config.credentials is not None:
            add_session_settings(config.credentials)
        return config


BY_TYPE = {"dlt.destinations.duckdb": DuckDb, "dlt.destinations.postgres": Postgres}
