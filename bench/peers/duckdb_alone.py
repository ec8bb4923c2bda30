"""DuckDB alone: read_json over the URLs of the pages, through its httpfs extension.

Later runs ask for the jobs created since the newest one.
"""

import os
from urllib.parse import urlencode

import duckdb
from duckdb_extensions import import_extension

JOB = """STRUCT(job_id TEXT, state TEXT, job_type TEXT, start_time TEXT, end_time TEXT, duration DOUBLE,
    output_asset_config STRUCT(asset_id TEXT, asset_name TEXT, cover_url TEXT, preview_video_url TEXT),
    error_info STRUCT(error_code TEXT, error_msg TEXT), create_time TEXT, lastupdate_time TEXT)"""
PAGES = f"read_json(?, columns = {{count: 'BIGINT', jobs: '{JOB}[]'}})"
LIST = f"{os.environ['BENCH_URL']}/v1/{os.environ['BENCH_PROJECT_ID']}/digital-human-videos?"


def main() -> None:
    database = duckdb.connect("jobs.duckdb")
    import_extension("httpfs", con=database)
    database.execute("LOAD httpfs")
    database.execute("SET force_download = true")  # one GET per page: the API supports neither HEAD nor ranges
    database.execute("SET threads = 16")
    token = os.environ["BENCH_TOKEN"]
    database.execute(f"CREATE SECRET (TYPE http, EXTRA_HTTP_HEADERS MAP {{'X-Auth-Token': '{token}'}})")
    exists = database.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'jobs'").fetchone()[0]
    since = database.execute("SELECT max(create_time) FROM jobs").fetchone()[0] if exists else "2000-01-01T00:00:00Z"
    query = {"create_since": since, "sort_key": "create_time"}
    count = database.execute(f"SELECT count FROM {PAGES}", [LIST + urlencode({**query, "limit": 1})]).fetchone()[0]
    urls = [LIST + urlencode({**query, "limit": 100, "offset": offset}) for offset in range(0, count, 100)]
    jobs = f"SELECT unnest(job) FROM (SELECT unnest(jobs) AS job FROM {PAGES})"
    rows = f"SELECT DISTINCT ON (job_id) * FROM ({jobs})"
    if exists:
        database.execute("CREATE TEMP TABLE news AS " + rows, [urls])
        database.execute("DELETE FROM jobs WHERE job_id IN (SELECT job_id FROM news)")
        database.execute("INSERT INTO jobs FROM news")
    else:
        database.execute("CREATE TABLE jobs AS " + rows, [urls])


main()
