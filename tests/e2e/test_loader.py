"""The loader writes figures, gaps, scrubs and rejected records into a real DuckDB file."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

from metastudio.cli.output import describe_summary
from metastudio.commands.progress import LogProgress
from metastudio.config.tenant import resolve_tenant
from metastudio.errors import IncompleteError
from metastudio.extraction.types import Chunk, LedgerEntry
from metastudio.pipeline.loader import ChunkLoader
from metastudio.pipeline.lock import lock_pipeline
from metastudio.pipeline.options import PIPELINE, Options
from metastudio.pipeline.summary import Summary
from metastudio.records.parser import RowParser
from metastudio.source.state import read_state

SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
GAP = {
    "since": "2026-01-01T00:00:00Z",
    "until": "2026-01-02T00:00:00Z",
    "count": 5,
    "rows_read": 2,
    "reason": "counted, not listed",
    "found_at": "2026-01-02T12:00:00Z",
    "tries": 1,
    "next_try_at": "2026-01-02T13:00:00Z",
}


def make_rows(number, **fields):
    jobs = [
        {"job_id": f"job-{index}", "create_time": "2026-01-01T06:00:00Z", "state": "SUCCEED", **fields}
        for index in range(number)
    ]
    return [RowParser().parse(job)[0] for job in jobs]


def make_entry(mode, **fields):
    times = {"since": SINCE, "until": UNTIL, "started_at": NOON, "finished_at": NOON}
    return LedgerEntry(mode=mode, requests=1, **{**times, **fields})


def make_rejected(*records, app_user_id=None):
    parser = RowParser(app_user_id=app_user_id)
    return [parser.make_rejected(record, "the record has no job_id", "request", NOON) for record in records]


@contextmanager
def load(*chunks, pipeline=PIPELINE):
    """Load chunks as one run. The result is checked at the end of the block."""

    async def steps(_context, emit):
        for chunk in chunks:
            await emit(chunk)

    options, tenant = Options(pipeline=pipeline), resolve_tenant()
    with lock_pipeline(options):
        loader = ChunkLoader(Summary(), options, LogProgress(), tenant, run_id=uuid4().hex)
        with loader.destination.keep_connection():
            loader.prepare()
            loader.load(steps)
            yield loader


def make_chunk(**fields):
    rows = fields.pop("rows", [])
    return Chunk(
        **{"mode": "changes", "rows": rows, "seen": list(rows), "windows": [make_entry("changes", complete=True)]}
        | {"state": {"watermark": "2026-01-02T12:00:00Z"}}
        | fields
    )


def test_a_gap_is_loaded_and_counted_and_fails_the_run_at_its_end(settings, query):
    entry = make_entry("backfill", count=5, rows_read=2, reason="counted, not listed")
    state = {"watermark": "2026-01-02T12:00:00Z", "gaps": [GAP, {**GAP, "count": 2, "reason": "kept moving"}]}
    with load(make_chunk(mode="backfill", rows=make_rows(2), windows=[entry], state=state)) as loader:
        assert (loader.summary.gaps, loader.summary.missing) == (2, 4)
        assert "; 4 jobs missing in 2 gaps " in describe_summary("sync", loader.summary)
        error = loader.find_incompleteness()

    assert isinstance(error, IncompleteError)
    assert "4 jobs missing in 2 gaps; the first gap: " in error.message
    assert "2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z, counted, not listed" in error.message
    for word in ("metastudio status", "by themselves", "max_missing"):
        assert word in error.hint
    assert query("SELECT count(*) FROM metastudio.digital_human_videos") == [(2,)]
    assert query('SELECT complete, reason, "count", rows_read FROM metastudio.extraction_windows') == [
        (False, "counted, not listed", 5, 2)
    ]


def test_max_missing_accepts_known_gaps_until_one_more_job_is_missing(settings, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__MAX_MISSING", "3")
    with load(make_chunk(state={"watermark": "2026-01-02T12:00:00Z", "gaps": [GAP]})) as loader:
        assert loader.find_incompleteness() is None
    one_more = make_chunk(state={"watermark": "2026-01-02T12:00:00Z", "gaps": [{**GAP, "count": 6}]})
    with load(one_more) as loader:
        assert "4 jobs missing in 1 gap" in loader.find_incompleteness().message


def test_a_run_that_reads_nothing_still_reports_open_gaps(settings):
    with load(make_chunk(state={"watermark": "2026-01-02T12:00:00Z", "gaps": [GAP]})):
        pass
    with load() as loader:
        assert (loader.summary.gaps, loader.summary.missing) == (1, 3)
        assert isinstance(loader.find_incompleteness(), IncompleteError)


def test_the_ledger_line_of_a_gap_is_inserted_where_nothing_else_is_new(settings, query):
    state = {"watermark": "2026-01-02T12:00:00Z", "gaps": [GAP]}
    with load(make_chunk(state=state)):
        pass
    entry = make_entry("backfill", count=5, rows_read=2, reason="kept moving")
    with load(make_chunk(mode="backfill", windows=[entry], state={**loaded_state(), **state})) as loader:
        assert loader.summary.load_ids == []

    assert query('SELECT complete, reason FROM metastudio.extraction_windows WHERE "count" = 5') == [
        (False, "kept moving")
    ]


def loaded_state():
    with load() as loader:
        return read_state(loader.pipeline)


def test_a_scrub_counts_what_it_read_and_what_had_changed(settings, query):
    with load(make_chunk(rows=make_rows(150))):
        pass
    rows = [*make_rows(2, output_asset_config={"asset_name": "renamed"}), *make_rows(150)[2:]]
    scrub = make_entry("scrub", count=150, rows_read=150, rows_changed=2, complete=True)
    with load(make_chunk(state=loaded_state()), make_chunk(mode="scrub", rows=rows, windows=[scrub])) as loader:
        summary = loader.summary

    assert (summary.mode, summary.scrubbed, summary.scrub_changed) == ("changes", 150, 2)
    assert "; scrub: 2 of 150 jobs had changed unseen;" in describe_summary("sync", summary)
    assert query(
        "SELECT count(*) FROM metastudio.digital_human_videos WHERE output_asset_config__asset_name = 'renamed'"
    ) == [(2,)]


def test_each_rejected_record_received_counts_against_the_limit_at_the_end_of_the_run(settings, query, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__MAX_REJECTED", "2")
    chunks = [
        make_chunk(rejected=make_rejected({}, {})),
        make_chunk(rejected=make_rejected({}, {"state": "FAILED"})),
        make_chunk(rows=make_rows(3)),
    ]
    with load(*chunks) as loader:
        assert loader.summary.rejected == 4
        error = loader.find_incompleteness()

    assert isinstance(error, IncompleteError)
    assert "4 records were rejected, more than max_rejected (2)" in error.message

    assert query("SELECT count(*) FROM metastudio.digital_human_videos") == [(3,)]
    assert query("SELECT count(*) FROM metastudio.rejected_records") == [(2,)]


def test_equal_records_of_two_app_users_are_two_rows_and_each_counts_its_own(settings, query, monkeypatch):
    for name in ("one", "two"):
        monkeypatch.setenv("SOURCES__METASTUDIO__APP_USER_ID", name)
        with load(make_chunk(rejected=make_rejected({}, app_user_id=name)), pipeline=name) as loader:
            assert loader.summary.rejected == 1
            assert loader.destination.count_rows("rejected_records") == 1

    rows = query("SELECT app_user_id, record FROM metastudio.rejected_records ORDER BY 1")
    assert rows == [("one", "{}"), ("two", "{}")]


def test_records_that_an_earlier_run_rejected_do_not_count_again_and_cost_no_load(settings, query):
    with load(make_chunk(rejected=make_rejected({}))):
        pass
    with load(make_chunk(rejected=make_rejected({}, {}), state=loaded_state())) as loader:
        assert (loader.summary.rejected, loader.summary.load_ids) == (0, [])
    with load(make_chunk(rejected=make_rejected({}, {"job_id": None}), state=loaded_state())) as loader:
        assert loader.summary.rejected == 1

    assert query("SELECT count(*) FROM metastudio.rejected_records") == [(2,)]


def test_a_job_that_two_chunks_of_a_first_sync_hold_is_loaded_once(settings, query):
    rows = make_rows(4)
    chunks = [make_chunk(mode="backfill", rows=rows[:3]), make_chunk(mode="backfill", rows=rows[1:])]
    with load(*chunks):
        pass

    for table in ("digital_human_videos", "digital_human_video_states"):
        assert query(f"SELECT job_id FROM metastudio.{table} ORDER BY ALL") == [(row.job_id,) for row in rows]
