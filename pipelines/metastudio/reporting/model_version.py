"""The reporting models in the destination: their version, and queries over them.

The queries go through dlt's SQL client. This module never imports dbt.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import orjson
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.connection import Client
from metastudio.destination.jobs import Destination
from metastudio.error_mapping import iter_causes
from metastudio.reporting import PROJECT

Row = dict[str, Any]

MODELS = (
    "video_jobs",
    "output_assets",
    "job_errors",
    "job_state_history",
    "daily_production",
    "daily_completions",
    "failure_reasons",
    "failure_trend",
    "backlog",
    "sync_health",
    "models_version",
)
SHARED = ("daily_production", "daily_completions", "failure_trend", "sync_health")
"""Expensive models with few rows that several queries of a report read."""

UTC = "UTC"
SETTINGS = "reporting_settings"
"""The table, beside the raw ones, with the settings of the last build."""
SLA_SECONDS = 3_600

OUTCOMES = ", ".join(
    f"cast(sum({column}) AS bigint) AS {name}"
    for column, name in (
        ("created", "created"), ("succeeded", "succeeded"), ("failed", "failed"), ("canceled", "canceled"),
        ("blocked", "frozen"), ("still_open", "still_open"),
    )
)  # fmt: skip
"""The columns of `daily_production` that add up, as the queries sum them: `{outcomes}`."""


class TenantName(NamedTuple):
    """A name from the setting `tenants`, and whose jobs it stands for."""

    project_id: str
    app_user_id: str | None
    name: str


class Version(NamedTuple):
    """The version of built models: the fingerprint of their project, and the values of its
    variables.
    """

    fingerprint: str = ""
    time_zone: str = UTC
    sla_seconds: int = SLA_SECONDS
    tenants: tuple[TenantName, ...] = ()


@cache
def make_fingerprint() -> str:
    """Return the fingerprint of the dbt project in this package; it changes with every model."""
    digest = hashlib.sha256()
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in {".sql", ".yml"}:
            digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def merge_names(old: Iterable[TenantName], new: Iterable[TenantName]) -> tuple[TenantName, ...]:
    """Return the names of all tenants; the new name of a tenant replaces its old one."""
    return tuple(sorted({name[:2]: name for name in (*old, *new)}.values(), key=lambda name: name.name))


def _parse_names(text: str) -> tuple[TenantName, ...]:
    return tuple(TenantName(*name) for name in orjson.loads(text))


class Models:
    """The models of a pipeline's dataset."""

    def __init__(self, destination: Destination) -> None:
        self.pipeline = destination.pipeline
        self._destination = destination
        self._version: Version | None = None
        self._copied: tuple[str, ...] = ()

    def query(self, sql: str, *params: Any, **values: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a query that writes models as `{video_jobs}`, and other `values` likewise.

        Return the names of the columns, and the rows.
        """
        with self._destination.connect() as client:
            if not self._destination.capabilities.is_postgres:  # a pooler may share the session
                client.execute_sql("SET TIME ZONE 'UTC'")
            names = self._name_models(client)
            with client.execute_query(sql.format(**{**values, **names}), *params) as cursor:
                return [column[0] for column in cursor.description], [tuple(row) for row in cursor.fetchall()]

    @contextmanager
    def copy_shared(self) -> Iterator[None]:
        """Within the block, compute a model only once even if several queries read it.

        On PostgreSQL, a transaction holds the copies, because a pooler gives its session to nobody
        else.
        """
        is_postgres = self._destination.capabilities.is_postgres
        with (
            self._destination.share_connection(),
            self._destination.connect() as client,
            client.begin_transaction() if is_postgres else nullcontext(),
        ):
            self._copied = self._copy(client, is_postgres=is_postgres)
            try:
                yield
            finally:
                self._copied = ()

    def _copy(self, client: Client, *, is_postgres: bool) -> tuple[str, ...]:
        """Return the models that were copied.

        There are none if temporary tables are forbidden, as on a standby. dlt rolls back after the
        error.
        """
        names = self._name_models(client)
        options = "ON COMMIT DROP " if is_postgres else ""
        try:
            for model in SHARED:
                client.execute_sql(f"CREATE TEMP TABLE {model} {options}AS SELECT * FROM {names[model]}")
        except DatabaseException:
            return ()
        return SHARED

    def _name_models(self, client: Client) -> dict[str, str]:
        """Return the name of each model in a query: of its copy, if it has one."""
        with client.with_alternative_dataset_name(make_dataset_name(str(client.dataset_name))):
            names = {model: client.make_qualified_table_name(model) for model in MODELS}
        temporary = "pg_temp" if self._destination.capabilities.is_postgres else "temp"
        return names | {model: f"{temporary}.{model}" for model in self._copied}

    def query_dicts(self, sql: str, *params: Any, **values: Any) -> list[Row]:
        """Run a query as `query` does, and return each row as a dictionary."""
        names, rows = self.query(sql, *params, **values)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def query_tenants(self, name: str, tenants: Sequence[TenantName], **values: Any) -> list[Row]:
        """Run one of the package's queries (`queries/NAME.sql`) over the rows of some tenants.

        Args:
            tenants: the tenants whose rows are read; at least one.
            values: literals for the names in braces.
        """
        sql = resources.files(__package__).joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
        marks = ", ".join(["(%s, %s)"] * len(tenants))
        condition = f"(project_id, coalesce(app_user_id, '')) IN ({marks})"
        params = [value or "" for tenant in tenants for value in tenant[:2]] * sql.count("{tenants}")
        return self.query_dicts(sql, *params, tenants=condition, outcomes=OUTCOMES, **values)

    def version(self) -> Version | None:
        """Return the version of the models, or None if they are missing or broken.

        A version that was found is kept, because a database plans all models to answer the query.
        """
        self._version = self._version or self._read_version()
        return self._version

    def _read_version(self) -> Version | None:
        try:
            rows = self.query_dicts("SELECT * FROM {models_version}")
        except DatabaseException:
            return None
        if not rows:
            return None
        found = Version(rows[0]["version"], rows[0]["time_zone"])
        if "tenants" not in rows[0]:  # built by an earlier release
            return found
        return found._replace(sla_seconds=int(rows[0]["sla_seconds"]), tenants=_parse_names(rows[0]["tenants"]))

    def last_settings(self) -> Version:
        """Return the settings of the last build. A table keeps them, because views can break."""
        with self._destination.connect() as client:
            try:
                rows = client.execute_sql(f"SELECT name, value FROM {client.make_qualified_table_name(SETTINGS)}")
            except DestinationUndefinedEntity:  # the models were built by an older release, or never
                rows = None
        if not rows:
            return self.version() or Version()
        kept = {str(name): str(value) for name, value in rows}
        return Version(
            time_zone=kept["time_zone"],
            sla_seconds=int(kept.get("sla_seconds", SLA_SECONDS)),
            tenants=_parse_names(kept.get("tenants", "[]")),
        )

    def keep_settings(self, version: Version) -> None:
        """Keep the settings of a build for later builds."""
        kept = {
            "time_zone": version.time_zone,
            "sla_seconds": str(version.sla_seconds),
            "tenants": orjson.dumps([list(name) for name in version.tenants]).decode(),
        }
        with self._destination.connect() as client:
            table = client.make_qualified_table_name(SETTINGS)
            client.execute_sql(f"CREATE TABLE IF NOT EXISTS {table} (name varchar PRIMARY KEY, value varchar)")
            for name, value in kept.items():
                client.execute_sql(
                    f"INSERT INTO {table} (name, value) VALUES (%s, %s)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    name,
                    value,
                )

    def is_current(self, names: Collection[TenantName]) -> bool:
        """Return whether the models work, are of this release's version, and know these names."""
        version = self.version()
        return version is not None and version.fingerprint == make_fingerprint() and {*names} <= {*version.tenants}


def find_missing(error: BaseException) -> str | None:
    """Return the model or column that a query names and the models lack; None for other errors."""
    pattern = r'(?:with name|relation|column) "?([\w.]+)"? (?:does not exist|not found)|a column named "(\w+)"'
    matches = (re.search(pattern, str(cause)) for cause in iter_causes(error))
    return next((str(found[1] or found[2]).rpartition(".")[2] for found in matches if found), None)


def make_dataset_name(dataset: str) -> str:
    """Return the name of the schema in which the models of a dataset are built."""
    return f"{dataset}_reporting"
