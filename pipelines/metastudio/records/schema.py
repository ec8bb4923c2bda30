"""The five raw tables (`docs/data-model.md`): each column with its type and its meaning.

The tables are available as dlt hints and as Arrow schemas. Column names are the API's own words.
Times are timestamps in UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 4
"""Version of the raw tables, which the pipeline's state records.

A release that adds a column, or changes the meaning of one, raises the version.
"""

LEDGER_VERSION = 3
"""First version whose ledger says which gaps are open."""

VIDEOS = "digital_human_videos"
STATES = "digital_human_video_states"
WINDOWS = "extraction_windows"
ATTEMPTS = "sync_attempts"
REJECTED = "rejected_records"


class TenantKey(NamedTuple):
    """The columns that identify the tenant of a row."""

    project_id: str
    region: str
    app_user_id: str | None


class Column(NamedTuple):
    """A declared column. `data_type` is dlt's."""

    name: str
    data_type: str
    description: str
    nullable: bool = True


class Table(NamedTuple):
    """A declared table, with its columns in order."""

    name: str
    primary_key: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def hints(self) -> dict[str, Any]:
        """Return the columns as dlt's column hints."""
        return {
            column.name: {
                "name": column.name,
                "data_type": column.data_type,
                "nullable": column.nullable,
                "description": column.description,
                **({"timezone": True, "precision": 6} if column.data_type == "timestamp" else {}),
            }
            for column in self.columns
        }

    def arrow_schema(self) -> pa.Schema:
        """Return the Arrow schema of every batch of this table."""
        import pyarrow as pa  # imported late: a sync that finds nothing to load does not need it

        types = {
            "text": pa.string(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "double": pa.float64(),
            "bigint": pa.int64(),
            "bool": pa.bool_(),
        }
        return pa.schema(
            [pa.field(column.name, types[column.data_type], nullable=column.nullable) for column in self.columns]
        )


PROJECT_ID = Column("project_id", "text", "The project (tenant) that the job belongs to", nullable=False)
APP_USER_ID = Column(
    "app_user_id", "text", "The third-party user whose jobs were read; null if those of all users were"
)

VIDEOS_TABLE = Table(
    VIDEOS,
    ("project_id", "job_id"),
    "The current version of each video production job",
    (
        PROJECT_ID,
        Column("job_id", "text", "The job's ID", nullable=False),
        Column("region", "text", "The Huawei Cloud region that was asked", nullable=False),
        Column("state", "text", "WAITING, PROCESSING, SUCCEED, FAILED, CANCELED, BLOCK (frozen), or one not known yet"),
        Column("job_type", "text", "2D_DIGITAL_HUMAN_VIDEO, or a photo job in one of the API's two spellings"),
        Column("start_time", "timestamp", "Start of the rendering, UTC"),
        Column("end_time", "timestamp", "End of the rendering, UTC"),
        Column("duration", "double", "Length of the video, seconds"),
        Column("output_asset_config__asset_id", "text", "ID of the video asset that the job made"),
        Column("output_asset_config__asset_name", "text", "Name of the video asset; may be changed later"),
        Column("output_asset_config__cover_url", "text", "The cover's URL, without its signed query"),
        Column(
            "output_asset_config__preview_video_url",
            "text",
            "The preview's URL (photo jobs only), without its signed query",
        ),
        Column("error_info__error_code", "text", "The API's code of the failure; null once the job succeeded"),
        Column("error_info__error_msg", "text", "The API's description of the failure"),
        Column("create_time", "timestamp", "When the job was created, UTC"),
        Column("lastupdate_time", "timestamp", "When the job last changed, UTC"),
        Column(
            "deleted_at", "timestamp", "When a run found that the API no longer shows the job, UTC; null for live jobs"
        ),
        APP_USER_ID,
    ),
)

STATES_TABLE = Table(
    STATES,
    ("project_id", "job_id", "state", "lastupdate_time"),
    "Every state in which a job was seen, with the time of that version",
    (
        PROJECT_ID,
        Column("job_id", "text", "The job's ID", nullable=False),
        Column("state", "text", "The state seen", nullable=False),
        Column(
            "lastupdate_time",
            "timestamp",
            "The job's lastupdate_time in that version (create_time where it had none), UTC",
            nullable=False,
        ),
    ),
)

WINDOWS_TABLE = Table(
    WINDOWS,
    ("run_id", "window"),
    "The ledger: what each run asked for, and the proof that it was read whole",
    (
        Column("run_id", "text", "One run of the connector", nullable=False),
        Column("window", "bigint", "Number of the window within the run, from 1", nullable=False),
        PROJECT_ID,
        Column("mode", "text", "backfill, changes, rescan, reread, gap, scrub or audit", nullable=False),
        Column(
            "since", "timestamp", "Start of the window's create_time range; in mode changes, of the update_time range"
        ),
        Column("until", "timestamp", "End of the same range, exclusive"),
        Column("count", "bigint", "The API's count of jobs from since to until; it counts both ends"),
        Column("rows_read", "bigint", "Distinct jobs read from it"),
        Column(
            "rows_changed",
            "bigint",
            "Jobs among them that were new or differed from the destination; null if not compared",
        ),
        Column("requests", "bigint", "Requests made for it, retries included"),
        Column("retries", "bigint", "Requests repeated after a failure"),
        Column("throttled", "bigint", "Requests that the gateway refused for the quota (429)"),
        Column("complete", "bool", "Whether it is proved that nothing of the window is missing"),
        Column("reason", "text", "Why the window is a gap; null if it is complete"),
        Column("open_gaps", "bigint", "Number of gaps that were open after this line"),
        Column("missing", "bigint", "Number of jobs that were missing in those gaps"),
        Column("started_at", "timestamp", "The server's clock at the first answer, UTC"),
        Column("finished_at", "timestamp", "The server's clock at the last answer, UTC"),
        APP_USER_ID,
    ),
)

ATTEMPTS_TABLE = Table(
    ATTEMPTS,
    ("run_id",),
    "Every run of sync, backfill and audit, failed ones too, and how it ended",
    (
        Column("run_id", "text", "The run, as in extraction_windows", nullable=False),
        Column("pipeline", "text", "Name of the pipeline that ran", nullable=False),
        Column("project_id", "text", "The project (tenant) that was asked for; null if no valid one was set"),
        APP_USER_ID,
        Column("command", "text", "sync, backfill or audit", nullable=False),
        Column("mode", "text", "backfill, changes, rescan, reread or audit; null if nothing was read"),
        Column("exit_code", "bigint", "How it ended (docs/cli.md#exit-codes); null if it was killed"),
        Column("error_code", "text", "The API's code of the error"),
        Column("error_message", "text", "What failed; null if nothing did"),
        Column("requests", "bigint", "Requests made"),
        Column("rows_loaded", "bigint", "Jobs written"),
        Column("seconds", "double", "How long it took; null if it was killed"),
        Column("started_at", "timestamp", "The local clock at its start, UTC", nullable=False),
        Column("finished_at", "timestamp", "The local clock at its end, UTC; null if it was killed"),
    ),
)

REJECTED_TABLE = Table(
    REJECTED,
    ("project_id", "record_hash"),
    "Records that could not be loaded, or only in part, as the API gave them",
    (
        PROJECT_ID,
        Column(
            "record_hash",
            "text",
            "SHA-256 of the record without signed queries, and of the app user if only one was asked for",
            nullable=False,
        ),
        Column("record", "text", "The record as JSON, without signed queries", nullable=False),
        Column("reason", "text", "What was wrong with it", nullable=False),
        Column("request_id", "text", "The X-Request-Id of the answer it came in"),
        Column("rejected_at", "timestamp", "The server's clock when it was read, UTC"),
        APP_USER_ID,
    ),
)

TABLES = (VIDEOS_TABLE, STATES_TABLE, WINDOWS_TABLE, ATTEMPTS_TABLE, REJECTED_TABLE)
