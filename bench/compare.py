"""Compares a peer's table with the jobs that the tenant showed, without measuring time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

DIFFERENCES = ("missing", "stale", "extra", "doubled")

_COMPARE = """
WITH loaded AS (
    SELECT job_id, state, epoch(CAST(lastupdate_time AS TIMESTAMPTZ))::BIGINT AS updated, {cover_url} AS url
    FROM peer.{table}),
shown AS (
    SELECT job_id, state, epoch(CAST(lastupdate_time AS TIMESTAMPTZ))::BIGINT AS updated
    FROM read_csv(?, header = true, all_varchar = true)),
distinct_loaded AS (SELECT DISTINCT job_id, state, updated FROM loaded)
SELECT
    (SELECT count(*) FROM loaded) AS rows,
    (SELECT count(*) FROM shown ANTI JOIN loaded USING (job_id)) AS missing,
    (SELECT count(*) FROM shown JOIN distinct_loaded AS loaded USING (job_id)
     WHERE loaded.state IS DISTINCT FROM shown.state OR loaded.updated IS DISTINCT FROM shown.updated) AS stale,
    (SELECT count(*) FROM loaded ANTI JOIN shown USING (job_id)) AS extra,
    (SELECT count(*) - count(DISTINCT job_id) FROM loaded) AS doubled,
    (SELECT count(*) FROM loaded WHERE contains(url, '?')) AS signed_urls
"""


def compare_rows(database: Path, table: str, cover_url: str, shown: Path) -> dict[str, int]:
    """Return how a table differs from what the tenant showed.

    Args:
        table: its name, with the schema.
        cover_url: SQL expression for the `cover_url` of a row.
        shown: CSV file with the columns job_id, state and lastupdate_time.

    Returns:
        `rows` of the table; `missing` jobs; `stale` jobs, whose state or update time differs;
        `extra` rows that the tenant does not show; `doubled` rows; `signed_urls`, the rows that
        store a URL together with its signature.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{database}' AS peer (READ_ONLY)")
        found = connection.execute(_COMPARE.format(table=table, cover_url=cover_url), [str(shown)])
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone() or (), strict=True))


def has_right_rows(record: Mapping[str, object]) -> bool:
    """Return whether a measured run left exactly the tenant's rows."""
    return not any(record.get(name) for name in DIFFERENCES)
