"""Airbyte: a declarative manifest, run by PyAirbyte into its DuckDB cache."""

import os

import airbyte
from airbyte.caches import DuckDBCache

TEXT = {"type": ["string", "null"]}
ASSET = dict.fromkeys(("asset_id", "asset_name", "cover_url", "preview_video_url"), TEXT)
ERROR = dict.fromkeys(("error_code", "error_msg"), TEXT)
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        **dict.fromkeys(
            ("job_id", "state", "job_type", "start_time", "end_time", "create_time", "lastupdate_time"), TEXT
        ),
        "duration": {"type": ["number", "null"]},
        "output_asset_config": {"type": ["object", "null"], "properties": ASSET},
        "error_info": {"type": ["object", "null"], "properties": ERROR},
    },
}
JOBS = {
    "type": "DeclarativeStream",
    "name": "jobs",
    "primary_key": ["job_id"],
    "retriever": {
        "type": "SimpleRetriever",
        "requester": {
            "type": "HttpRequester",
            "url_base": os.environ["BENCH_URL"],
            "path": f"/v1/{os.environ['BENCH_PROJECT_ID']}/digital-human-videos",
            "http_method": "GET",
            "request_parameters": {"sort_key": "create_time"},
            "authenticator": {
                "type": "ApiKeyAuthenticator",
                "api_token": "{{ config['token'] }}",
                "inject_into": {"type": "RequestOption", "inject_into": "header", "field_name": "X-Auth-Token"},
            },
        },
        "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["jobs"]}},
        "paginator": {
            "type": "DefaultPaginator",
            "pagination_strategy": {"type": "OffsetIncrement", "page_size": 100},
            "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "offset"},
            "page_size_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "limit"},
        },
    },
    "incremental_sync": {
        "type": "DatetimeBasedCursor",
        "cursor_field": "lastupdate_time",
        "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
        "cursor_datetime_formats": ["%Y-%m-%dT%H:%M:%SZ"],
        "start_datetime": "2000-01-01T00:00:00Z",
        "start_time_option": {
            "type": "RequestOption",
            "inject_into": "request_parameter",
            "field_name": "create_since",
        },
    },
    "schema_loader": {"type": "InlineSchemaLoader", "schema": SCHEMA},
}
MANIFEST = {
    "type": "DeclarativeSource",
    "version": "6.0.0",
    "check": {"type": "CheckStream", "stream_names": ["jobs"]},
    "streams": [JOBS],
    "spec": {
        "type": "Spec",
        "connection_specification": {
            "type": "object",
            "properties": {"token": {"type": "string", "airbyte_secret": True}},
        },
    },
}

source = airbyte.get_source("source-jobs", config={"token": os.environ["BENCH_TOKEN"]}, source_manifest=MANIFEST)
source.select_all_streams()
source.read(cache=DuckDBCache(db_path="jobs.duckdb", schema_name="main", cleanup=True))
