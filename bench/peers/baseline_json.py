"""The JSON baseline: save the pages, then load all of them with read_json and one MERGE."""

import asyncio
import shutil
from itertools import count
from pathlib import Path

import duckdb
from baseline import find_since, read

JOB = """STRUCT(job_id TEXT, state TEXT, job_type TEXT, start_time TEXT, end_time TEXT, duration DOUBLE,
    output_asset_config STRUCT(asset_id TEXT, asset_name TEXT, cover_url TEXT, preview_video_url TEXT),
    error_info STRUCT(error_code TEXT, error_msg TEXT), create_time TEXT, lastupdate_time TEXT)"""
ROWS = f"SELECT unnest(jobs) AS job FROM read_json('pages/*.json', columns = {{jobs: '{JOB}[]'}})"
MERGE = f"""MERGE INTO jobs USING
(SELECT DISTINCT ON (job_id) * FROM (SELECT unnest(job) FROM ({ROWS})) ORDER BY lastupdate_time DESC) AS batch USING (job_id)
WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT"""


PAGES = Path("pages")


def save(number: int, body: bytes) -> None:
    (PAGES / f"{number:08}.json").write_bytes(body)


async def save_all(since: str | None) -> None:
    numbers = count()
    async for bodies in read(since):
        for body in bodies:
            save(next(numbers), body)


def main() -> None:
    database = duckdb.connect("jobs.duckdb")
    database.execute(f"CREATE TABLE IF NOT EXISTS jobs AS SELECT unnest(x) FROM (SELECT NULL::{JOB} AS x) LIMIT 0")
    PAGES.mkdir()
    asyncio.run(save_all(find_since(database)))
    database.execute(MERGE)
    shutil.rmtree(PAGES)


main()
