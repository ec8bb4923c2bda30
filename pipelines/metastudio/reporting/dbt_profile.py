"""Turns dlt's settings of a destination into a dbt profile.

The profile refers to environment variables, so that no password is written to disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import dlt
from dlt.common.typing import TSecretStrValue

from metastudio.errors import ConfigurationError
from metastudio.reporting.model_version import make_dataset_name

ADAPTERS = {"dlt.destinations.duckdb": "duckdb", "dlt.destinations.postgres": "postgres"}
"""dbt adapters of dlt's destinations on which the models run."""

_PREFIX = "METASTUDIO_MODELS_"
_HIDDEN_PREFIX = "DBT_ENV_SECRET_METASTUDIO_"
"""dbt keeps the values of variables with this prefix out of its logs and messages."""
_ATTACHED = "metastudio_duckdb_file"
_POSTGRES_OPTIONS = ("sslmode", "sslcert", "sslkey", "sslrootcert", "connect_timeout", "keepalives_idle")


def find_adapter(pipeline: dlt.Pipeline) -> str | None:
    """Return the dbt adapter of a destination, or None if the models do not run there."""
    return ADAPTERS.get(pipeline.destination.destination_type)


class Connection:
    """The dbt profile of a pipeline's destination, and the values that the profile refers to.

    Attributes:
        names: those of adapter, database and dataset, of which dbt makes those of the tables.
        profile: the content of profiles.yml; every value refers to an environment variable.
    """

    def __init__(self, pipeline: dlt.Pipeline) -> None:
        adapter = find_adapter(pipeline)
        if adapter is None:
            raise ConfigurationError(
                f"The reporting models run on DuckDB and PostgreSQL, not on {pipeline.destination.destination_name}.",
                hint="Use the dbt project as a package of your own one, with the adapter of your destination.",
            )
        self.adapter = adapter
        with pipeline.sql_client() as client:
            self.dataset = str(client.dataset_name)
        credentials: Any = pipeline.destination_client().config.credentials
        make = _make_duckdb_fields if adapter == "duckdb" else _make_postgres_fields
        fields: dict[str, Any] = {"schema": make_dataset_name(self.dataset), "threads": 1, **make(credentials)}
        options = str((getattr(credentials, "query", None) or {}).get("options", ""))
        self._values: dict[str, str] = {"PGOPTIONS": options} if options else {}
        self.names = (adapter, str(fields.get("dbname", _ATTACHED)), self.dataset)
        self.profile = _make_profile({name: self._refer(name, value) for name, value in fields.items()})

    def _refer(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {inner: self._refer(f"{name}_{inner}", each) for inner, each in value.items()}
        if isinstance(value, list):
            return [self._refer(f"{name}_{place}", each) for place, each in enumerate(value)]
        name = name.upper()
        prefix = _HIDDEN_PREFIX if name == "PASSWORD" else _PREFIX
        self._values[prefix + name] = str(value)
        convert = " | as_number" if isinstance(value, int) else ""
        return f"{{{{ env_var('{prefix}{name}'){convert} }}}}"

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Set the environment variables that the profile refers to, and restore them at the end."""
        before = {name: os.environ.pop(name) for name in self._values if name in os.environ}
        os.environ.update(self._values)
        try:
            yield
        finally:
            for name in self._values:
                os.environ.pop(name, None)
            os.environ.update(before)


def make_offline_profile(adapter: str, dataset: str) -> dict[str, Any]:
    """Return the content of a profiles.yml that suffices to parse the project."""
    nowhere = {"host": "localhost", "port": 5432, "user": "", "password": "", "dbname": ""}
    fields = {"path": ":memory:"} if adapter == "duckdb" else nowhere
    return _make_profile({"type": adapter, "schema": make_dataset_name(dataset), "threads": 1, **fields})


def _make_profile(output: dict[str, Any]) -> dict[str, Any]:
    return {"metastudio": {"target": "metastudio", "outputs": {"metastudio": output}}}


def _make_duckdb_fields(credentials: Any) -> dict[str, Any]:
    """Return the fields that attach the file under a name of ours.

    dbt guesses the name that DuckDB gives to a file, and refuses the file if the guess is wrong.
    """
    return {
        "type": "duckdb",
        "path": ":memory:",
        "database": _ATTACHED,
        "attach": [{"path": str(credentials.database), "alias": _ATTACHED}],
        "settings": {"search_path": f"{_ATTACHED}.main"},
    }


def _make_postgres_fields(credentials: Any) -> dict[str, Any]:
    password: TSecretStrValue = credentials.password
    query = credentials.query or {}
    return {
        "type": "postgres",
        "host": unquote(credentials.host or "localhost"),  # the folder of a socket is URL-quoted
        "port": int(credentials.port or 5432),
        "user": credentials.username,
        "password": str(password),
        "dbname": credentials.database,
        **{
            name: int(query[name]) if str(query[name]).isdigit() else query[name]
            for name in _POSTGRES_OPTIONS
            if name in query
        },
    }
