"""Who is measured: how each is run, where its rows are, and what a reader should know about it.

A peer is one command, the same for the first sync and for later ones, run in a folder of its own, where it keeps its
`jobs.duckdb` and whatever else it remembers. It finds the tenant in the environment (`BENCH_URL` and so on).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ..environments import program_of, python_of
from ..places import PEERS

NESTED = "output_asset_config.cover_url"
FLATTENED = "output_asset_config__cover_url"


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to bring the jobs into DuckDB.

    Attributes:
        environments: names of those it needs; none where it runs in the project's own.
        cover_url: where its table keeps a job's cover_url, an SQL expression.
        settings: of the environment, on top of the tenant's.
    """

    name: str
    title: str
    environments: tuple[str, ...]
    command: tuple[str, ...]
    cover_url: str
    note: str
    table: str = "main.jobs"
    settings: tuple[tuple[str, str], ...] = ()


def _script(environment: str, name: str, *arguments: str) -> tuple[str, ...]:
    return (str(python_of(environment)), str(PEERS / f"{name}.py"), *arguments)


_OURS = (str(Path(sys.executable).with_name("metastudio")), "sync", "--json")
_OUR_TABLE = "metastudio.digital_human_videos"
_DLT = (
    "OffsetPaginator, incremental on `lastupdate_time` sent as `create_since`, merge on `job_id`; one request at a time"
)

OURS = Peer(
    "ours", "this project", (), _OURS, FLATTENED,
    "`metastudio sync`, a request limit beyond reach where there is no quota; reporting models not built",
    _OUR_TABLE, (("SOURCES__METASTUDIO__BUILD_MODELS", "false"),),
)  # fmt: skip
WITH_MODELS = Peer(
    "ours-models", "this project, with its reporting models", (), _OURS, FLATTENED,
    "the same as users have it by default: the first sync also builds the reporting models with dbt", _OUR_TABLE,
)  # fmt: skip
FLOOR = Peer(
    "floor-arrow", "floor: aiohttp, orjson, Arrow, MERGE", ("floor",), _script("floor", "floor_arrow"), NESTED,
    "16 requests at a time; knows to ask by update time; no proofs, no retries, no history, no schema",
)  # fmt: skip
DLT = Peer("dlt", "dlt REST source, default loader file", ("dlt",), _script("dlt", "dlt_rest"), FLATTENED, _DLT)

PEERS_BY_NAME = {
    peer.name: peer
    for peer in (
        OURS,
        WITH_MODELS,
        FLOOR,
        Peer(
            "floor-json", "floor: saved pages, read_json", ("floor",), _script("floor", "floor_json"), NESTED,
            "the same requests; bodies saved as files, then read by DuckDB in one statement",
        ),
        Peer(
            "duckdb", "DuckDB alone, read_json over URLs", ("duckdb",), _script("duckdb", "duckdb_alone"), NESTED,
            "httpfs, 16 threads, one request for the count; later runs ask for `create_since` the newest `create_time`",
        ),
        Peer(
            "sdk", "the vendor's SDK in a loop", ("sdk",), _script("sdk", "sdk"), "cover_url",
            "INSERT OR REPLACE a page; later runs ask for `create_since` the newest `create_time`",
        ),
        DLT,
        Peer(
            "dlt-parquet", "dlt REST source, parquet loader file", ("dlt",), _script("dlt", "dlt_rest", "parquet"),
            FLATTENED, _DLT,
        ),
        Peer(
            "singer", "Singer: tap-rest-api-msdk, target-duckdb", ("singer-tap", "singer-target"),
            _script(
                "singer-tap", "singer",
                str(program_of("singer-tap", "tap-rest-api-msdk")), str(program_of("singer-target", "target-duckdb")),
            ),
            "output_asset_config_cover_url",
            "`lastupdate_time` as replication key, sent as `create_since`; one request more to infer the schema; "
            "peak memory is that of the larger of its two processes",
        ),
        Peer(
            "airbyte", "Airbyte: PyAirbyte with a manifest", ("airbyte",), _script("airbyte", "airbyte_read"),
            "output_asset_config->>'cover_url'",
            "`source_manifest` into PyAirbyte's DuckDB cache; this version saves the cursor but does not hand it to a source made "
            "of a manifest, so each run reads everything",
        ),
    )
}  # fmt: skip
