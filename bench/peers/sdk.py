"""The vendor's SDK in a loop, with INSERT OR REPLACE into DuckDB for each page.

Later runs ask for the jobs created since the newest one.
"""

import os

import duckdb
import pyarrow as pa
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkmetastudio.v1 import ListDigitalHumanVideoRequest, MetaStudioClient

FIELDS = ("job_id", "state", "job_type", "start_time", "end_time", "duration", "create_time", "lastupdate_time")
ASSET = ("asset_id", "asset_name", "cover_url", "preview_video_url")
ERROR = ("error_code", "error_msg")


SCHEMA = pa.schema({name: pa.float64() if name == "duration" else pa.string() for name in FIELDS + ASSET + ERROR})


def make_row(job: object) -> dict[str, object]:
    parts = ((job, FIELDS), (job.output_asset_config, ASSET), (job.error_info, ERROR))
    return {name: getattr(part, name, None) for part, names in parts for name in names}


def main() -> None:
    credentials = BasicCredentials(
        os.environ["BENCH_ACCESS_KEY"], os.environ["BENCH_SECRET_KEY"], os.environ["BENCH_PROJECT_ID"]
    )
    client = MetaStudioClient.new_builder().with_credentials(credentials).with_endpoint(os.environ["BENCH_URL"]).build()
    database = duckdb.connect("jobs.duckdb")
    columns = ", ".join(f"{name} {'DOUBLE' if name == 'duration' else 'TEXT'}" for name in FIELDS + ASSET + ERROR)
    database.execute(f"CREATE TABLE IF NOT EXISTS jobs ({columns}, PRIMARY KEY (job_id))")
    since = database.execute("SELECT max(create_time) FROM jobs").fetchone()[0] or "2000-01-01T00:00:00Z"
    offset = 0
    while True:
        request = ListDigitalHumanVideoRequest(create_since=since, sort_key="create_time", offset=offset, limit=100)
        page = client.list_digital_human_video(request)
        if page.jobs:
            rows = pa.Table.from_pylist([make_row(job) for job in page.jobs], SCHEMA)
            database.register("rows", rows)
            database.execute("INSERT OR REPLACE INTO jobs BY NAME FROM rows")
        offset += len(page.jobs)
        if not page.jobs or offset >= page.count:
            break


main()
