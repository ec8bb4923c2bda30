"""The peers: how each is run, where its rows are, and what a reader should know about it.

A peer is one command, the same for the first sync and for later ones. It runs in a folder of its
own, where it keeps `jobs.duckdb` and its state, and finds the tenant in environment variables such
as `BENCH_URL`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.environments import program_path
from bench.paths import PEERS as SCRIPTS

NESTED = "output_asset_config.cover_url"
FLATTENED = "output_asset_config__cover_url"


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to load the jobs into DuckDB.

    Attributes:
        environments: the environments that it needs; none if it runs in the project's own.
        cover_url: SQL expression for the `cover_url` of a row in its table.
        note: how it is set up, for the page.
        settings: environment variables in addition to the tenant's.
        uses_postgres: whether it loads into PostgreSQL instead of DuckDB.
    """

    name: str
    title: str
    environments: tuple[str, ...]
    command: tuple[str, ...]
    cover_url: str
    note: str
    table: str = "main.jobs"
    settings: Mapping[str, str] = field(default_factory=dict)
    uses_postgres: bool = False


def _script(environment: str, name: str, *arguments: str) -> tuple[str, ...]:
    return (str(program_path(environment, "python")), str(SCRIPTS / f"{name}.py"), *arguments)


_SYNC = (str(Path(sys.executable).with_name("metastudio")), "sync", "--json")
_TABLE = "metastudio.digital_human_videos"
_NO_MODELS = {"SOURCES__METASTUDIO__BUILD_MODELS": "false"}
_DLT_NOTE = (
    "OffsetPaginator, incremental on `lastupdate_time` sent as `create_since`, merge on `job_id`; one request at a time"
)

METASTUDIO = Peer(
    "metastudio", "this project", (), _SYNC, FLATTENED,
    "`metastudio sync`, reporting models not built; without a quota, its own request limit is set out of reach",
    _TABLE, _NO_MODELS,
)  # fmt: skip
WITH_MODELS = Peer(
    "metastudio-models", "this project, with its reporting models", (), _SYNC, FLATTENED,
    "the default setup: the first sync also builds the reporting models with dbt", _TABLE,
)  # fmt: skip
ON_POSTGRES = Peer(
    "metastudio-postgres", "this project, into PostgreSQL", (), (*_SYNC, "--destination", "postgres"), FLATTENED,
    "`metastudio sync --destination postgres`, reporting models not built", _TABLE, _NO_MODELS, uses_postgres=True,
)  # fmt: skip
BASELINE = Peer(
    "baseline-arrow", "baseline: aiohttp, orjson, Arrow, MERGE", ("baseline",), _script("baseline", "baseline_arrow"),
    NESTED, "16 requests at a time; sorts by update time to find changes; no checks, retries, history or schema",
)  # fmt: skip
DLT = Peer("dlt", "dlt REST source, default loader file", ("dlt",), _script("dlt", "dlt_rest"), FLATTENED, _DLT_NOTE)
DLT_PARQUET = Peer(
    "dlt-parquet", "dlt REST source, parquet loader file", ("dlt",), _script("dlt", "dlt_rest", "parquet"),
    FLATTENED, _DLT_NOTE,
)  # fmt: skip

PEERS = (
    METASTUDIO,
    WITH_MODELS,
    BASELINE,
    Peer(
        "baseline-json", "baseline: saved pages, read_json", ("baseline",), _script("baseline", "baseline_json"), NESTED,
        "the same requests; pages are saved as files, then DuckDB reads all of them in one statement",
    ),
    Peer(
        "duckdb", "DuckDB alone, read_json over URLs", ("duckdb",), _script("duckdb", "duckdb_alone"), NESTED,
        "httpfs, 16 threads, one request for the count; later runs send the newest `create_time` as `create_since`",
    ),
    Peer(
        "sdk", "the vendor's SDK in a loop", ("sdk",), _script("sdk", "sdk"), "cover_url",
        "INSERT OR REPLACE for each page; later runs send the newest `create_time` as `create_since`",
    ),
    DLT,
    DLT_PARQUET,
    Peer(
        "singer", "Singer: tap-rest-api-msdk, target-duckdb", ("singer-tap", "singer-target"),
        _script(
            "singer-tap", "singer",
            str(program_path("singer-tap", "tap-rest-api-msdk")), str(program_path("singer-target", "target-duckdb")),
        ),
        "output_asset_config_cover_url",
        "`lastupdate_time` as replication key, sent as `create_since`; one more request to infer the schema; "
        "peak memory is that of the larger of its two processes",
    ),
    Peer(
        "airbyte", "Airbyte: PyAirbyte with a manifest", ("airbyte",), _script("airbyte", "airbyte_read"),
        "output_asset_config->>'cover_url'",
        "`source_manifest` into PyAirbyte's DuckDB cache; this version saves the cursor but does not pass it to a "
        "source made from a manifest, so every run reads everything",
    ),
)  # fmt: skip
"""The peers that are compared with each other, in the order of the page."""
