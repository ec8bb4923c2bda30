"""Singer: tap-rest-api-msdk piped into target-duckdb; the state is kept in a file between runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

TAP, TARGET = sys.argv[1:3]
STATE = Path("state.json")


def main() -> None:
    tap_config = {
        "api_url": os.environ["BENCH_URL"],
        "headers": {"X-Auth-Token": os.environ["BENCH_TOKEN"]},
        "start_date": "2000-01-01T00:00:00Z",
        "pagination_request_style": "simple_offset_paginator",
        "pagination_response_style": "offset",
        "pagination_page_size": 100,
        "pagination_initial_offset": 0,
        "pagination_limit_per_page_param": "limit",
        "pagination_next_page_param": "offset",
        "offset_records_jsonpath": "$.jobs",
        "streams": [
            {
                "name": "jobs",
                "path": f"/v1/{os.environ['BENCH_PROJECT_ID']}/digital-human-videos",
                "params": {"sort_key": "create_time"},
                "primary_keys": ["job_id"],
                "records_path": "$.jobs[*]",
                "num_inference_records": 100,
                "replication_key": "lastupdate_time",
                "source_search_field": "create_since",
                "source_search_query": "$last_run_date",
            }
        ],
    }
    Path("tap.json").write_text(json.dumps(tap_config))
    Path("target.json").write_text(json.dumps({"path": "jobs.duckdb", "default_target_schema": "main"}))
    tap_command = [TAP, "--config", "tap.json", *(["--state", str(STATE)] if STATE.exists() else [])]
    tap = subprocess.Popen(tap_command, stdout=subprocess.PIPE)
    target = subprocess.Popen([TARGET, "--config", "target.json"], stdin=tap.stdout, stdout=subprocess.PIPE, text=True)
    assert tap.stdout is not None and target.stdout is not None
    tap.stdout.close()
    states = [line for line in target.stdout if line.strip()]
    if tap.wait() or target.wait():
        sys.exit(1)
    if states:
        STATE.write_text(states[-1])


main()
