"""The Arrow baseline: aiohttp, orjson, pyarrow, and one MERGE into DuckDB per 100 pages."""

import asyncio

import duckdb
import orjson
import pyarrow as pa
from baseline import find_since, read

TEXT = pa.string()
ASSET = pa.struct({"asset_id": TEXT, "asset_name": TEXT, "cover_url": TEXT, "preview_video_url": TEXT})
ERROR = pa.struct({"error_code": TEXT, "error_msg": TEXT})
SCHEMA = pa.schema(
    dict.fromkeys(("job_id", "state", "job_type", "start_time", "end_time", "create_time", "lastupdate_time"), TEXT)
    | {"duration": pa.float64(), "output_asset_config": ASSET, "error_info": ERROR}
)
MERGE = """MERGE INTO jobs USING (SELECT DISTINCT ON (job_id) * FROM batch ORDER BY lastupdate_time DESC) AS batch USING (job_id)
WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT"""


def load(database: duckdb.DuckDBPyConnection, bodies: list[bytes]) -> None:
    jobs = [job for body in bodies for job in orjson.loads(body)["jobs"]]
    database.register("batch", pa.Table.from_pylist(jobs, SCHEMA))
    database.execute(MERGE)


async def main() -> None:
    database = duckdb.connect("jobs.duckdb")
    database.register("batch", SCHEMA.empty_table())
    database.execute("CREATE TABLE IF NOT EXISTS jobs AS FROM batch")
    async for bodies in read(find_since(database)):
        await asyncio.to_thread(load, database, bodies)


asyncio.run(main())
