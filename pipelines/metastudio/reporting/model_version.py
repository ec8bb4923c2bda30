"""The reporting models as the destination has them: which version they are, and queries over them.

Asks through dlt's SQL client and never imports dbt.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, NamedTuple

from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.jobs import Destination
from metastudio.reporting import PROJECT

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


class Version(NamedTuple):
    """What built models are: the fingerprint of their project, and the time zone in which their days begin."""

    fingerprint: str
    time_zone: str


@cache
def make_fingerprint() -> str:
    """Give the fingerprint of the project in this package: it changes with every model."""
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
        """Run a query over the models, written as `{video_jobs}` and so on; the names of its columns, and its rows."""
        with self._destination.connect() as client:
            client.execute_sql("SET TIME ZONE 'UTC'")
            with client.with_alternative_dataset_name(make_dataset_name(str(client.dataset_name))):
                names = {model: client.make_qualified_table_name(model) for model in MODELS}
            with client.execute_query(sql.format(**names), *params) as cursor:
                return [column[0] for column in cursor.description], [tuple(row) for row in cursor.fetchall()]

    def query_dicts(self, sql: str, *params: Any) -> list[dict[str, Any]]:
        """Run a query as `query` does; each row as an object."""
        names, rows = self.query(sql, *params)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def version(self) -> Version | None:
        """Give the version of the models; None where they are missing, or do not work any more."""
        try:
            rows = self.query("SELECT version, time_zone FROM {models_version}")[1]
        except DatabaseException:
            return None
        return Version(*rows[0]) if rows else None


def make_dataset_name(dataset: str) -> str:
    """Give the name of the schema that the models of a dataset are built in."""
    return f"{dataset}_reporting"
