"""Updates tables that an older release wrote, if dlt does not do so by itself."""

from __future__ import annotations

from metastudio.destination.connection import TenantTables
from metastudio.records.parser import add_app_user
from metastudio.records.schema import REJECTED, VIDEOS, WINDOWS


def migrate_app_user(tables: TenantTables, app_user_id: str) -> None:
    """Write the app user into the rows of schema version 1, which had no column for it."""
    with tables.connect() as client:
        for table in (VIDEOS, WINDOWS, REJECTED):
            name = client.make_qualified_table_name(table)
            client.execute_sql(f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS app_user_id varchar")
            client.execute_sql(
                f"UPDATE {name} SET app_user_id = %s WHERE project_id = %s", app_user_id, tables.project_id
            )
        name = client.make_qualified_table_name(REJECTED)
        for (old,) in tables.query("SELECT record_hash FROM {rejected} WHERE project_id = %s", tables.project_id):
            new = add_app_user(old, app_user_id)
            client.execute_sql(f"UPDATE {name} SET record_hash = %s WHERE record_hash = %s", new, old)
