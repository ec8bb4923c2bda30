"""Makes the raw tables on PostgreSQL ready for publications.

PostgreSQL refuses to update and delete rows of a published table without a replica identity.
"""

from __future__ import annotations

import logging

from dlt.destinations.exceptions import DatabaseException

from metastudio.destination.connection import TenantTables
from metastudio.records.schema import TABLES

log = logging.getLogger("metastudio")

LOCK_TIMEOUT = "2s"
"""How long to wait for readers of a table: while the statement waits, it blocks all others."""

_WITHOUT_IDENTITY = f"""
SELECT relname
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
    AND relname IN ({", ".join(["%s"] * len(TABLES))})
    AND relkind IN ('r', 'p')
    AND relreplident = 'd'
    AND pg_has_role(relowner, 'USAGE')
    AND NOT EXISTS (SELECT 1 FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)
"""
"""Those of our tables that have neither a primary key nor an identity that somebody chose."""


def write_replica_identity(tables: TenantTables) -> None:
    """Set the replica identity FULL, all columns, on each raw table that has no identity.

    A primary key would do as well, but a table with two rows of one job cannot get one. If a table
    is in use, or the statement fails, the next run tries again: only a publication needs it.
    """
    if not tables.capabilities.is_postgres:
        return
    with tables.connect() as client:
        names = (table.name for table in TABLES)
        for (name,) in client.execute_sql(_WITHOUT_IDENTITY, client.dataset_name, *names) or ():
            try:
                with client.begin_transaction():
                    client.execute_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                    client.execute_sql(f"ALTER TABLE {client.make_qualified_table_name(name)} REPLICA IDENTITY FULL")
            except DatabaseException as error:
                reason = type(error.dbapi_exception).__name__
                log.warning("The table %s has no replica identity yet, for publications: %s.", name, reason)
