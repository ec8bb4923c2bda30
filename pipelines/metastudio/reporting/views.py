"""The models' views in PostgreSQL, which others may have granted or built on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseException

from metastudio.error_mapping import find_sqlstate
from metastudio.errors import ConfigurationError
from metastudio.reporting.model_version import make_dataset_name

_COLUMNS_CHANGED = "metastudio: the columns of a view changed"
"""The error of the dbt project if a view cannot be replaced: `macros/views.sql`."""

_DEPENDENT_OBJECTS = "2BP01"
_VIEWS = "SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = to_regnamespace(quote_ident(%s))"
_GRANTS = """
SELECT format(
    'GRANT %%s ON %%I.%%I TO %%s%%s', privilege_type, nspname, relname,
    CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
), relname
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
CROSS JOIN aclexplode(relacl)
WHERE nspname = %s AND grantee <> relowner
"""


def find_unreplaceable(results: Iterable[Any]) -> set[str]:
    """Return, from dbt's results, the views whose columns changed and those that select from them.

    The set is empty if anything else went wrong.
    """
    failed = [result for result in results if str(result.status) == "error"]
    if not all(_COLUMNS_CHANGED in str(result.message) for result in failed):
        return set()
    return {result.node.name for result in results if str(result.status) in ("error", "skipped")}


@contextmanager
def drop_views(pipeline: dlt.Pipeline, names: AbstractSet[str], *, force: bool) -> Iterator[None]:
    """Drop views of models, and restore the grants on them at the end of the block.

    Args:
        force: whether to drop what others have built on the views.

    Raises:
        ConfigurationError: something was built on them, and `force` is not set. Nothing was
            dropped.
    """
    with pipeline.sql_client() as client:
        schema = make_dataset_name(str(client.dataset_name))
        views = names & _list_views(client, schema)
        grants = client.execute_sql(_GRANTS, schema) or ()
        _drop(client, schema, views, force=force)
    yield
    with pipeline.sql_client() as client:
        for grant, name in grants:
            if name in views & _list_views(client, schema):
                client.execute_sql(grant)


def _list_views(client: Any, schema: str) -> set[str]:
    return {name for (name,) in client.execute_sql(_VIEWS, schema) or ()}


def _drop(client: Any, schema: str, views: Iterable[str], *, force: bool) -> None:
    """Drop views in one statement, which fails as a whole if others depend on one of them."""
    with client.with_alternative_dataset_name(schema):
        names = ", ".join(client.make_qualified_table_name(name) for name in views)
    try:
        client.execute_sql(f"DROP VIEW {names} {'CASCADE' if force else 'RESTRICT'}")
    except DatabaseException as error:
        if find_sqlstate(error) != _DEPENDENT_OBJECTS:
            raise
        details = getattr(error.dbapi_exception, "diag").message_detail or ""  # noqa: B009 - psycopg2's
        raise ConfigurationError(
            f"The models have other columns now, and somebody has built on them: {'; '.join(details.splitlines())}.",
            hint="Nothing was dropped. metastudio models --force drops what is named here and builds the models.",
        ) from None
