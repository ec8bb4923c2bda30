"""dlt's declarative REST source: offset paginator, incremental cursor, merge.

`dlt_rest.py [parquet]` chooses the format of the loader file.
"""

import os
import sys

import dlt
from dlt.sources.rest_api import rest_api_source

source = rest_api_source(
    {
        "client": {
            "base_url": os.environ["BENCH_URL"],
            "auth": {
                "type": "api_key",
                "name": "X-Auth-Token",
                "api_key": os.environ["BENCH_TOKEN"],
                "location": "header",
            },
            "paginator": {"type": "offset", "limit": 100, "total_path": "count"},
        },
        "resources": [
            {
                "name": "jobs",
                "primary_key": "job_id",
                "write_disposition": "merge",
                "endpoint": {
                    "path": f"v1/{os.environ['BENCH_PROJECT_ID']}/digital-human-videos",
                    "data_selector": "jobs",
                    "params": {"sort_key": "create_time", "create_since": "{incremental.start_value}"},
                    "incremental": {"cursor_path": "lastupdate_time", "initial_value": "2000-01-01T00:00:00Z"},
                },
            }
        ],
    }
)
pipeline = dlt.pipeline("jobs", destination=dlt.destinations.duckdb("jobs.duckdb"), dataset_name="main")
pipeline.run(source, loader_file_format=sys.argv[1] if len(sys.argv) > 1 else None)
