"""The main job over real HTTP into a real DuckDB file: what a user relies on, row by row."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dlt
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

COLUMNS = (
    "job_id",
    "state",
    "job_type",
    "start_time",
    "end_time",
    "duration",
    "output_asset_config__asset_id",
    "output_asset_config__asset_name",
    "output_asset_config__cover_url",
    "output_asset_config__preview_video_url",
    "error_info__error_code",
    "error_info__error_msg",
    "create_time",
    "lastupdate_time",
)


def shown_rows(sim):
    """The tenant's jobs as they should stand in the table."""
    rows = []
    for job in sim.tenant.visible():
        flat = {name: value for name, value in job.items() if not isinstance(value, dict)}
        for name in ("output_asset_config", "error_info"):
            flat |= {f"{name}__{inner}": value for inner, value in (job.get(name) or {}).items()}
        for name in ("start_time", "end_time", "create_time", "lastupdate_time"):
            if flat.get(name):
                flat[name] = datetime.fromisoformat(flat[name])
        rows.append(tuple(flat.get(name) for name in COLUMNS))
    return sorted(rows)


def held_rows(query):
    return sorted(query(f"SELECT {', '.join(COLUMNS)} FROM metastudio.digital_human_videos WHERE deleted_at IS NULL"))


def test_the_first_sync_loads_every_job_exactly_as_the_api_shows_it(sim, settings, run, query):
    ended = run("sync", "--json")

    assert ended.code == 0
    assert held_rows(query) == shown_rows(sim)
    assert ended.json["ok"] is True
    assert ended.json["mode"] == "backfill"
    assert ended.json["rows_loaded"] >= 600
    assert ended.json["requests"] == sim.stats.requests
    assert ended.json["watermark"] == "2026-01-15T12:00:00Z"
    assert ended.json["error"] is None
    assert len(ended.json["load_ids"]) >= 1
    assert query("SELECT DISTINCT project_id, region, deleted_at FROM metastudio.digital_human_videos") == [
        (sim.project_id, "cn-north-4", None)
    ]


def test_the_json_summary_has_exactly_the_fields_of_the_interface(settings, run):
    assert list(run("sync", "--json").json) == [
        "command",
        "ok",
        "mode",
        "requests",
        "retries",
        "throttled",
        "windows",
        "rows_read",
        "rows_loaded",
        "rejected",
        "marked_deleted",
        "watermark",
        "seconds",
        "load_ids",
        "error",
    ]


def test_an_update_to_an_old_job_arrives_with_the_next_sync(sim, settings, run, query):
    run("sync")
    oldest = sim.tenant.visible()[0]["job_id"]
    sim.clock.advance(3600)
    sim.tenant.update(oldest, asset_name="renamed after a year")

    ended = run("sync", "--json")

    assert (ended.code, ended.json["mode"]) == (0, "changes")
    assert held_rows(query) == shown_rows(sim)
    assert query(
        f"SELECT output_asset_config__asset_name FROM metastudio.digital_human_videos WHERE job_id = '{oldest}'"
    ) == [("renamed after a year",)]


def test_a_sync_without_changes_makes_one_request_and_loads_no_job(sim, settings, run):
    run("sync")
    sim.clock.advance(3600)
    run("sync")
    sim.clock.advance(3600)
    sim.stats.reset()

    ended = run("sync", "--json")

    assert ended.code == 0
    assert sim.stats.requests == 1
    assert ended.json["requests"] == 1
    assert ended.json["rows_loaded"] == 0


def test_a_month_of_work_ends_in_the_tenants_tables(sim, settings, run, query):
    run("sync")
    for _ in range(3):
        sim.tenant.live(10 * 86_400)
        assert run("sync").code == 0
    assert run("audit").code == 0

    assert held_rows(query) == shown_rows(sim)


def test_every_state_seen_stays_in_the_history_and_is_there_once(sim, settings, run, query):
    job = sim.tenant.create(1, state="WAITING")[0]
    run("sync")
    for state in ("PROCESSING", "FAILED", "SUCCEED"):
        sim.clock.advance(60)
        sim.tenant.update(job, state=state)
        run("sync")
        run("sync")

    assert query(
        f"SELECT state, count(*) FROM metastudio.digital_human_video_states WHERE job_id = '{job}'"
        " GROUP BY state, lastupdate_time ORDER BY lastupdate_time"
    ) == [("WAITING", 1), ("PROCESSING", 1), ("FAILED", 1), ("SUCCEED", 1)]


def test_no_signed_query_reaches_the_file(sim, settings, run, query, folder):
    run("sync")

    urls = query(
        "SELECT output_asset_config__cover_url, output_asset_config__preview_video_url FROM metastudio.digital_human_videos"
    )
    assert any(cover for cover, _ in urls)
    assert not any("?" in url for row in urls for url in row if url)
    assert b"Signature=" not in (folder / "videos.duckdb").read_bytes()


def test_signed_urls_are_kept_on_request(sim, settings, run, query, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__KEEP_SIGNED_URLS", "true")
    run("sync")

    urls = query("SELECT output_asset_config__cover_url FROM metastudio.digital_human_videos")
    assert any("Signature=" in cover for (cover,) in urls if cover)


def test_all_tables_and_columns_are_there_and_typed_before_any_row_is(sim, settings, run, query):
    for job in sim.tenant.visible():
        sim.tenant.vanish(job["job_id"])

    assert run("sync").code == 0

    types = dict(
        query(
            "SELECT table_name || '.' || column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'metastudio' AND table_name NOT LIKE '\\_dlt%' ESCAPE '\\'"
        )
    )
    assert len(types) == 18 + 4 + 15 + 6
    for name in ("create_time", "lastupdate_time", "start_time", "end_time", "deleted_at"):
        assert types[f"digital_human_videos.{name}"] == "TIMESTAMP WITH TIME ZONE"
    assert types["digital_human_videos.duration"] == "DOUBLE"
    assert types["rejected_records.record"] == "VARCHAR"
    assert types["extraction_windows.complete"] == "BOOLEAN"


def test_the_ledger_proves_every_window_of_every_run(sim, settings, run, query):
    run("sync")
    run("sync")

    assert query("SELECT count(*) FROM metastudio.extraction_windows WHERE NOT complete") == [(0,)]
    assert query(
        "SELECT mode, sum(\"count\") >= 600 FROM metastudio.extraction_windows WHERE mode = 'backfill' GROUP BY 1"
    ) == [("backfill", True)]
    runs = query('SELECT run_id, list("window" ORDER BY "window") FROM metastudio.extraction_windows GROUP BY 1')
    assert len(runs) == 2
    assert all(windows == list(range(1, len(windows) + 1)) for _, windows in runs)


def test_a_token_and_a_password_work_as_well_as_a_key(sim, settings, run, query, monkeypatch):
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"SOURCES__METASTUDIO__CREDENTIALS__{name}")
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__TOKEN", sim.token())
    assert run("sync").code == 0
    monkeypatch.delenv("SOURCES__METASTUDIO__CREDENTIALS__TOKEN")
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__USERNAME", sim.username)
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__PASSWORD", sim.password)
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__DOMAIN_NAME", sim.domain_name)
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__IAM_ENDPOINT", sim.url)
    assert run("sync").code == 0

    assert held_rows(query) == shown_rows(sim)


@pytest.mark.parametrize("prefix", ["HUAWEICLOUD_SDK", "CLOUD_SDK"])
def test_the_vendors_environment_variables_serve_where_nothing_else_is_set(sim, settings, run, monkeypatch, prefix):
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"SOURCES__METASTUDIO__CREDENTIALS__{name}")
    monkeypatch.setenv(f"{prefix}_AK", sim.access_key)
    monkeypatch.setenv(f"{prefix}_SK", sim.secret_key)

    assert run("sync").code == 0


def test_the_source_is_usable_on_its_own(sim, settings, query, folder):
    from metastudio import metastudio

    pipeline = dlt.pipeline(
        "own", destination=dlt.destinations.duckdb(str(folder / "videos.duckdb")), dataset_name="metastudio"
    )
    pipeline.run(metastudio())
    sim.clock.advance(7200)
    sim.tenant.update(sim.tenant.visible()[3]["job_id"], asset_name="late")
    pipeline.run(metastudio())

    assert held_rows(query) == shown_rows(sim)
    assert pipeline.state["sources"]["metastudio"]["watermark"] == "2026-01-15T14:00:00Z"


def test_the_source_alone_notices_a_destination_set_back_to_an_older_copy(sim, settings, query, folder):
    from metastudio import metastudio

    def load():
        pipeline = dlt.pipeline("alone", destination="duckdb", dataset_name="metastudio")
        pipeline.run(metastudio())
        return pipeline

    load()
    copy = (folder / "videos.duckdb").read_bytes()
    for _ in range(2):
        sim.clock.advance(86_400)
        sim.tenant.change_some(create=5, update=10)
        load()
    (folder / "videos.duckdb").write_bytes(copy)

    with pytest.raises(PipelineStepFailed, match="set back"):
        load()
    dlt.attach("alone").drop()
    load()
    load()

    assert held_rows(query) == shown_rows(sim)


def test_the_source_alone_with_dlts_own_names_works_although_file_and_dataset_are_called_the_same(
    sim, settings, folder, monkeypatch
):
    from metastudio import metastudio

    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    pipeline = dlt.pipeline("metastudio", destination="duckdb", dataset_name="metastudio")
    pipeline.run(metastudio())

    with pipeline.sql_client() as client:
        assert client.execute_sql(
            f"SELECT count(*) FROM {client.make_qualified_table_name('digital_human_videos')}"
        ) == [(600,)]


def test_a_vanished_job_is_marked_by_the_audit_and_live_again_when_it_returns(sim, settings, run, query):
    run("sync")
    gone = sim.tenant.visible()[100]["job_id"]
    sim.tenant.vanish(gone)
    sim.clock.advance(3600)

    assert run("audit", "--dry-run").code == 5
    ended = run("audit", "--json")

    assert (ended.code, ended.json["marked_deleted"]) == (0, 1)
    assert query("SELECT job_id, deleted_at FROM metastudio.digital_human_videos WHERE deleted_at IS NOT NULL") == [
        (gone, datetime(2026, 1, 15, 13, tzinfo=UTC))
    ]
    sim.tenant.reappear(gone)
    assert run("audit").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_backfill_reads_a_range_again_and_leaves_the_watermark(sim, settings, run, query):
    run("sync")
    ended = run("backfill", "--since", "2025-06-01", "--until", "2025-12-31", "--json")

    assert (ended.code, ended.json["mode"], ended.json["watermark"]) == (0, "backfill", "2026-01-15T12:00:00Z")
    assert (
        ended.json["rows_loaded"]
        == query(
            "SELECT count(*) FROM metastudio.digital_human_videos WHERE create_time BETWEEN '2025-06-01' AND '2025-12-31'"
        )[0][0]
    )


def test_five_thousand_jobs_take_at_most_ninety_requests(folder, run, settings, monkeypatch):
    from metastudio_simulator import Simulator

    with Simulator(jobs=5000, days=400, seed=1) as sim:
        monkeypatch.setenv("SOURCES__METASTUDIO__ENDPOINT", sim.url)
        monkeypatch.setenv("SOURCES__METASTUDIO__PROJECT_ID", sim.project_id)
        monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY", sim.access_key)
        monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY", sim.secret_key)
        ended = run("sync", "--json")
        assert (ended.code, ended.json["rows_read"] >= 5000) == (0, True)
        assert sim.stats.requests <= 90


def test_broken_rows_are_set_aside_and_stop_nothing(sim, settings, run, query):
    spoiled = sim.tenant.visible()[10]["job_id"]
    sim.tenant.corrupt(spoiled, lastupdate_time="not-a-time", duration="abc")
    sim.tenant.add_raw({"state": "SUCCEED", "cover_url": "https://x/y?Signature=secret"}, at="2025-11-01T00:00:00Z")
    sim.tenant.add_raw("nonsense", at="2025-11-02T00:00:00Z")

    ended = run("sync", "--json")

    assert (ended.code, ended.json["rejected"]) == (0, 3)
    assert query("SELECT count(*), count(DISTINCT job_id) FROM metastudio.digital_human_videos") == [(600, 600)]
    assert query(
        f"SELECT lastupdate_time, duration FROM metastudio.digital_human_videos WHERE job_id = '{spoiled}'"
    ) == [(None, None)]
    assert sorted(query("SELECT reason FROM metastudio.rejected_records")) == [
        ("not as documented: lastupdate_time, duration",),
        ("the record has no job_id",),
        ("the record is no object",),
    ]
    assert query(
        "SELECT count(*) FROM metastudio.rejected_records WHERE record LIKE '%Signature%' OR request_id IS NULL"
    ) == [(0,)]


def test_too_many_broken_rows_end_in_exit_code_5(sim, settings, run, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__MAX_REJECTED", "2")
    for number in range(3):
        sim.tenant.add_raw(number, at="2025-11-01T00:00:00Z")

    ended = run("sync", "--json")

    assert ended.code == 5
    assert "max_rejected" in ended.err
    assert "rejected_records" in ended.json["error"]["hint"]


def test_unknown_fields_become_columns_and_unknown_states_count_as_open(sim, settings, run, query):
    sim.behavior.unknown_fields = {"priority": 3, "labels": {"team": "a", "deep": {"x": 1}}, "tags": ["a", "b"]}
    sim.tenant.update(sim.tenant.visible()[0]["job_id"], state="POLISHING")
    assert run("sync").code == 0

    assert query("SELECT DISTINCT priority, labels__team, labels__deep, tags FROM metastudio.digital_human_videos") == [
        (3.0, "a", '{"x":1}', '["a","b"]')
    ]
    assert "POLISHING" in {state for (state,) in query("SELECT state FROM metastudio.digital_human_videos")}


def test_a_schema_contract_forbids_new_fields_and_nothing_is_half_loaded(sim, settings, run, query, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__SCHEMA_CONTRACT", "freeze")
    run("sync")
    before = query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id")
    states = query("SELECT count(*) FROM metastudio.digital_human_video_states")
    sim.clock.advance(3600)
    sim.behavior.unknown_fields = {"priority": 3}
    sim.tenant.update(sim.tenant.visible()[0]["job_id"], state="FAILED")

    ended = run("sync")

    assert ended.code == 5
    assert "schema_contract forbids" in ended.err
    assert query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id") == before
    assert query("SELECT count(*) FROM metastudio.digital_human_video_states") == states
    monkeypatch.setenv("SOURCES__METASTUDIO__SCHEMA_CONTRACT", "discard_value")
    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_a_field_that_changes_its_type_goes_to_a_column_of_its_own(sim, settings, run, query):
    sim.behavior.unknown_fields = {"priority": 3}
    run("sync")
    sim.behavior.unknown_fields = {"priority": "high"}
    sim.clock.advance(3600)
    changed = sim.tenant.visible()[0]["job_id"]
    sim.tenant.update(changed, asset_name="x")
    assert run("sync").code == 0

    assert query(
        f"SELECT priority, priority__v_text FROM metastudio.digital_human_videos WHERE job_id = '{changed}'"
    ) == [(None, "high")]


@pytest.mark.parametrize(
    "fields",
    [
        [{"": 1.5}, {"  ": "text"}],
        [{"priority": {"v_text": 1.5}}, {"priority": 1.5}, {"priority": "high"}],
    ],
    ids=["no name", "a name like that of a variant"],
)
def test_no_name_of_a_field_blocks_the_later_syncs(sim, settings, run, query, fields):
    run("sync")
    for job, field in zip(sim.tenant.visible(), fields, strict=False):
        sim.clock.advance(3600)
        sim.tenant.corrupt(job["job_id"], **field)
        sim.tenant.update(job["job_id"], asset_name="changed")
        assert run("sync").code == 0

    assert query(
        "SELECT count(*) FROM metastudio.digital_human_videos WHERE output_asset_config__asset_name = 'changed'"
    ) == [(len(fields),)]


def test_an_endpoint_that_ignores_the_order_is_noticed_and_read_by_windows(sim, settings, run, query):
    sim.behavior.update_time_sorting = "ignored"
    run("sync")
    sim.clock.advance(3600)
    recent = sim.tenant.visible()[-5]["job_id"]
    sim.tenant.update(recent, asset_name="changed")

    ended = run("sync", "--json")

    assert (ended.code, ended.json["mode"]) == (0, "rescan")
    assert held_rows(query) == shown_rows(sim)


def test_new_jobs_of_the_very_second_of_the_sync_are_not_lost(sim, settings, run, query):
    run("sync")
    sim.tenant.create(3, at=sim.clock.now() + timedelta(milliseconds=400))
    sim.clock.advance(1)

    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


def test_the_file_is_the_one_in_the_working_directory_whatever_ran_before(sim, settings, run, folder, monkeypatch):
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    for name in ("one", "other"):
        (folder / name).mkdir()
        monkeypatch.chdir(folder / name)
        ended = run("sync", "--json")
        assert (ended.code, ended.json["mode"]) == (0, "backfill")
        assert (folder / name / "metastudio.duckdb").exists()
        assert run("audit").code == 0
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "../one/metastudio.duckdb")
    assert run("sync", "--json").json["mode"] == "changes"
    assert not (folder / "one" / "one").exists()


def test_the_audit_shows_the_figures_from_before_it_mended(sim, settings, run):
    run("sync")
    gone = [job["job_id"] for job in sim.tenant.visible() if job["state"] == "SUCCEED"][:3]
    for job_id in gone:
        sim.tenant.vanish(job_id)

    lines = run("audit").out.splitlines()

    assert [line.split()[-1] for line in lines if line.startswith(("jobs in all", "SUCCEED"))] == ["differs", "differs"]
    assert all(line.split()[-1] == "equal" for line in lines if line.startswith(("FAILED", "BLOCK", "CANCELED")))


def test_the_audit_shows_states_that_only_missing_jobs_have(sim, settings, run, folder):
    run("sync")
    with duckdb.connect(str(folder / "videos.duckdb")) as connection:
        connection.execute("DELETE FROM metastudio.digital_human_videos WHERE state = 'CANCELED'")

    lines = {line.split()[0]: line.split() for line in run("audit").out.splitlines()}

    canceled = sum(job["state"] == "CANCELED" for job in sim.tenant.visible())
    assert lines["CANCELED"] == f"CANCELED {canceled} at the API 0 here differs".split()


def test_a_misspelled_setting_is_pointed_out(settings, run, monkeypatch, caplog):
    monkeypatch.setenv("SOURCES__METASTUDIO__REGOIN", "cn-east-3")
    run("check")
    assert "did you mean SOURCES__METASTUDIO__REGION?" in caplog.text


@pytest.mark.parametrize("command", ["status", "report"])
def test_reading_commands_give_their_errors_as_json_too(settings, run, command):
    ended = run(command, "--json")

    assert (ended.code, ended.json["ok"]) == (2, False)
    assert "metastudio sync first" in ended.json["error"]["hint"]


def test_memory_and_state_do_not_grow_with_the_history(sim, settings, folder, monkeypatch):
    from metastudio.commands.load import run_sync
    from metastudio.commands.progress import LogProgress
    from metastudio.pipeline.factory import Options, open_pipeline

    held = []

    class ProgressListener(LogProgress):
        def on_chunk_loaded(self, summary, chunk):
            held.append(len(chunk.rows) + len(chunk.seen) + len(chunk.rejected))

    monkeypatch.setenv("SOURCES__METASTUDIO__CHUNK_ROWS", "100")
    monkeypatch.setenv("SOURCES__METASTUDIO__MAX_ROWS_PER_WINDOW", "100")
    assert run_sync(Options(), ProgressListener()).error is None

    assert len(held) > 5
    assert not any(held)
    assert (folder / "state" / "pipelines" / "metastudio" / "state.json").stat().st_size < 20_000
    with open_pipeline(Options()).sql_client() as client:
        assert client.execute_sql("SELECT current_setting('memory_limit')") == [("76.2 MiB",)]


def test_a_package_that_a_kill_left_both_extracted_and_normalised_is_loaded_by_the_next_sync(
    sim, settings, run, query, monkeypatch
):
    from dlt.common.storages.load_package import PackageStorage

    remove = PackageStorage.delete_package

    def die(self, load_id, not_exists_ok=False):
        if not not_exists_ok:  # the extracted package, after the normalised one was renamed into place
            raise RuntimeError("killed between the two")
        remove(self, load_id, not_exists_ok)

    run("sync")  # without any load before, dlt begins anew
    sim.clock.advance(3600)
    sim.tenant.update(sim.tenant.visible()[0]["job_id"], asset_name="changed")
    with monkeypatch.context() as killed:
        killed.setattr(PackageStorage, "delete_package", die)
        assert run("sync").code == 1
    assert run("sync").code == 0

    assert held_rows(query) == shown_rows(sim)


def test_a_package_that_the_destination_refuses_does_not_block_the_later_syncs(
    sim, settings, run, query, folder, monkeypatch
):
    run("sync")
    sim.clock.advance(3600)
    sim.tenant.change_some(create=5, update=10)
    sim.tenant.corrupt(sim.tenant.visible()[-1]["job_id"], priority="high")
    with duckdb.connect(str(folder / "videos.duckdb")) as connection:  # as another tenant's sync at the same instant
        connection.execute("ALTER TABLE metastudio.digital_human_videos ADD COLUMN priority DOUBLE")
    with monkeypatch.context() as blind:
        blind.setattr("metastudio.destination.jobs.Destination.column_types", lambda self: {})
        assert run("sync").code == 1
    assert run("sync").code == 0

    assert held_rows(query) == shown_rows(sim)
    assert query("SELECT priority__v_text FROM metastudio.digital_human_videos WHERE priority__v_text IS NOT NULL") == [
        ("high",)
    ]


LEDGER = (
    'SELECT mode, "window", project_id, since IS NULL, until IS NULL, "count", rows_read, requests, complete'
    " FROM metastudio.extraction_windows"
)


def test_a_sync_that_finds_nothing_new_leaves_a_line_in_the_ledger_and_no_load(sim, settings, run, query):
    run("sync")
    sim.clock.advance(3600)
    run("sync")
    loads = query("SELECT count(*) FROM metastudio._dlt_loads")
    before = query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id")
    sim.clock.advance(900)

    ended = run("sync", "--json")

    assert (ended.json["requests"], ended.json["rows_loaded"], ended.json["load_ids"]) == (1, 0, [])
    assert query("SELECT count(*) FROM metastudio._dlt_loads") == loads
    assert query("SELECT * FROM metastudio.digital_human_videos ORDER BY job_id") == before
    ledger = query(f"{LEDGER} WHERE finished_at = (SELECT max(finished_at) FROM metastudio.extraction_windows)")
    assert ledger == [("changes", 1, sim.project_id, False, False, 600, 100, 1, True)]


def test_a_sync_that_finds_nothing_new_imports_nothing_that_it_does_not_need(sim, settings, run):
    run("sync")
    code = (
        "import sys; from metastudio.cli import main; sys.argv = ['metastudio', 'sync', '--json']\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        "heavy = ('dbt', 'altair', 'marimo', 'dagster', 'pandas', 'numpy', 'pyarrow', 'rich')\n"
        "sys.exit(', '.join(name for name in sys.modules if name.split('.')[0] in heavy) or 0)"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert '"load_ids":[]' in ended.stdout
    assert ended.returncode == 0, ended.stderr


def test_jobs_that_the_overlap_shows_again_unchanged_are_not_written_again(sim, settings, run, query):
    run("sync")
    job_id = sim.tenant.visible()[7]["job_id"]
    sim.tenant.update(job_id, asset_name="first")
    run("sync")
    sim.clock.advance(30)

    assert run("sync", "--json").json["load_ids"] == []

    sim.clock.advance(-30)
    sim.tenant.update(job_id, asset_name="second, within the same second")
    assert run("sync", "--json").json["rows_loaded"] == 1
    assert held_rows(query) == shown_rows(sim)


def test_a_job_marked_as_deleted_is_written_when_it_returns_as_it_was(sim, settings, run, query):
    job_id = sim.tenant.visible()[7]["job_id"]
    run("sync")
    sim.tenant.update(job_id, asset_name="new")
    run("sync")
    sim.tenant.vanish(job_id)
    assert run("audit").code == 0
    assert query("SELECT job_id FROM metastudio.digital_human_videos WHERE deleted_at IS NOT NULL") == [(job_id,)]
    sim.tenant.reappear(job_id)

    assert run("sync").code == 0

    assert held_rows(query) == shown_rows(sim)


def test_dlts_telemetry_never_starts(sim, settings, run, folder, monkeypatch):
    monkeypatch.delenv("RUNTIME__DLTHUB_TELEMETRY")
    code = (
        "import sys; from metastudio.cli import main; sys.argv = ['metastudio', 'sync']\n"
        "import dlt.common.runtime.telemetry as telemetry\n"
        "telemetry.init_anon_tracker = lambda config: sys.exit('telemetry')\n"
        "main()"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr


def test_the_duckdb_file_may_be_named_in_config_toml(sim, settings, folder, monkeypatch):
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text('[destination.duckdb]\ncredentials = "elsewhere.duckdb"\n')
    code = "import sys; from metastudio.cli import main; sys.argv = ['metastudio', 'sync']; main()"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    assert (folder / "elsewhere.duckdb").exists()
    assert not (folder / "metastudio.duckdb").exists()


def test_a_username_of_the_machine_is_no_part_of_the_credentials(sim, settings, run, monkeypatch):
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"SOURCES__METASTUDIO__CREDENTIALS__{name}")
    monkeypatch.setenv("USERNAME", "somebody")
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", sim.access_key)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", sim.secret_key)

    assert run("sync").code == 0
