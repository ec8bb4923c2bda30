"""The reporting models in the destination: their version, and queries over them.

The queries go through dlt's SQL client. This module never imports dbt.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.jobs import Destination
from metastudio.reporting import PROJECT

Row = dict[str, Any]

MODELS = (
    "video_jobs",
    "output_assets",
    "job_errors",
    "daily_production",
    "failure_reasons",
    "backlog",
    "sync_health",
    "models_version",
)
UTC = "UTC"
SETTINGS = "reporting_settings"
"""The table, beside the raw ones, that keeps what a build was told."""


class Version(NamedTuple):
    """The version of built models: the fingerprint of their project, and the time zone of days."""

    fingerprint: str
    time_zone: str


@cache
def make_fingerprint() -> str:
    """Return the fingerprint of the dbt project in this package; it changes with every model."""
    digest = hashlib.sha256()
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in {".sql", ".yml"}:
            digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class Models:
    """The models of a pipeline's dataset."""

    def __init__(self, destination: Destination) -> None:
        self.pipeline = destination.pipeline
        self._destination = destination

    def query(self, sql: str, *params: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a query that names the models `{video_jobs}` and so on.

        Returns the names of the columns, and the rows.
        """
        with self._destination.connect() as client:
            if not self._destination.capabilities.is_postgres:  # a pooler would give the session to others
                client.execute_sql("SET TIME ZONE 'UTC'")
            with client.with_alternative_dataset_name(make_dataset_name(str(client.dataset_name))):
                names = {model: client.make_qualified_table_name(model) for model in MODELS}
            with client.execute_query(sql.format(**names), *params) as cursor:
                return [column[0] for column in cursor.description], [tuple(row) for row in cursor.fetchall()]

    def query_dicts(self, sql: str, *params: Any) -> list[Row]:
        """Run a query as `query` does, and return each row as a dictionary."""
        names, rows = self.query(sql, *params)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def query_project(self, name: str, project_id: str) -> list[Row]:
        """Run one of the package's queries (`queries/NAME.sql`) for a project."""
        sql = resources.files(__package__).joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
        return self.query_dicts(sql, project_id)

    def version(self) -> Version | None:
        """Return the version of the models, or None if they are missing or broken."""
        try:
            rows = self.query("SELECT version, time_zone FROM {models_version}")[1]
        except DatabaseException:
            return None
        return Version(*rows[0]) if rows else None

    def time_zone(self) -> str:
        """Return the time zone of the last build, which a table keeps when the views break."""
        with self._destination.connect() as client:
            name = client.make_qualified_table_name(SETTINGS)
            try:
                if rows := client.execute_sql(f"SELECT value FROM {name} WHERE name = 'time_zone'"):
                    return str(rows[0][0])
            except DestinationUndefinedEntity:
                pass  # the models were built by an older release, or never
        version = self.version()
        return version.time_zone if version else UTC

    def keep_time_zone(self, time_zone: str) -> None:
        """Keep the time zone for later builds."""
        with self._destination.connect() as client:
            name = client.make_qualified_table_name(SETTINGS)
            client.execute_sql(f"CREATE TABLE IF NOT EXISTS {name} (name varchar PRIMARY KEY, value varchar)")
            client.execute_sql(
                f"INSERT INTO {name} (name, value) VALUES ('time_zone', %s)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                time_zone,
            )

    def is_current(self) -> bool:
        """Return whether the models work and are of this release's version."""
        version = self.version()
        return version is not None and version.fingerprint == make_fingerprint()


def make_dataset_name(dataset: str) -> str:
    """Return the name of the schema in which the models of a dataset are built."""
    return f"{dataset}_reporting"
