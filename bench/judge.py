"""Whether the rows are right: a peer's table against what the tenant showed. Knows neither times nor peers."""

from __future__ import annotations

from pathlib import Path

import duckdb

_COMPARE = """
WITH here AS (SELECT job_id, state, epoch(CAST(lastupdate_time AS TIMESTAMPTZ))::BIGINT AS stamp, {cover_url} AS url FROM peer.{table}),
there AS (SELECT job_id, state, epoch(CAST(lastupdate_time AS TIMESTAMPTZ))::BIGINT AS stamp
          FROM read_csv(?, header = true, all_varchar = true)),
once AS (SELECT DISTINCT job_id, state, stamp FROM here)
SELECT
    (SELECT count(*) FROM here) AS rows,
    (SELECT count(*) FROM there ANTI JOIN here USING (job_id)) AS missing,
    (SELECT count(*) FROM there JOIN once USING (job_id)
     WHERE once.state IS DISTINCT FROM there.state OR once.stamp IS DISTINCT FROM there.stamp) AS stale,
    (SELECT count(*) FROM here ANTI JOIN there USING (job_id)) AS extra,
    (SELECT count(*) - count(DISTINCT job_id) FROM here) AS doubled,
    (SELECT count(*) FROM here WHERE contains(url, '?')) AS signed_urls
"""


def judge(database: Path, table: str, cover_url: str, shown: Path) -> dict[str, int]:
    """Compare a table with what a tenant showed.

    Args:
        table: with its schema.
        cover_url: the SQL expression that gives a row's cover_url.
        shown: a CSV file of job_id, state, lastupdate_time.

    Returns:
        `rows` in the table; jobs `missing` from it; `stale` ones, of another state or time; `extra` rows that the tenant
        does not show; `doubled` ones; `signed_urls`, rows that store a URL with its signature.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{database}' AS peer (READ_ONLY)")
        found = connection.execute(_COMPARE.format(table=table, cover_url=cover_url), [str(shown)])
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone() or (), strict=True))


def is_right(record: dict[str, object]) -> bool:
    """Whether a judged run left exactly the tenant's rows."""
    return not any(record.get(name) for name in ("missing", "stale", "extra", "doubled"))
