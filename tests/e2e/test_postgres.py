"""On PostgreSQL, a history ends in the same tables as on DuckDB, and loads can overlap."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest
from metastudio.commands.load import run_audit, run_sync
from metastudio.commands.progress import LogProgress
from metastudio.pipeline.factory import open_pipeline
from metastudio.pipeline.options import Options
from metastudio.records.schema import ATTEMPTS, TABLES
from metastudio_simulator import Simulator

from tests.support.postgres import (
    WAIT_SECONDS,
    Sync,
    kill_at,
    make_environment,
    meet_before_creating,
    pause_before_the_merge,
    query_postgres,
)
from tests.support.processes import CONTEXT

NOW = "2026-01-15T12:00:00Z"
DIFFERS_BY_RUN = {"run_id", "window", "request_id", "_dlt_load_id", "_dlt_id"}
"""Columns that differ from run to run."""
FIRST, LATER = 46, 12
"""Numbers of SQL statements among which a first and a later sync are killed."""


def read_tables(options):
    """Return the raw tables as sorted rows, without the columns that differ from run to run."""
    with open_pipeline(options).sql_client() as client:
        return {table.name: read_table(client, table.name) for table in TABLES if table.name != ATTEMPTS}


def read_table(client, name):
    with client.execute_query(f"SELECT * FROM {client.make_qualified_table_name(name)}") as cursor:
        names = [column[0] for column in cursor.description]
        rows = [
            tuple(plain(name, value) for name, value in zip(names, row, strict=True) if name not in DIFFERS_BY_RUN)
            for row in cursor.fetchall()
        ]
    return [tuple(name for name in names if name not in DIFFERS_BY_RUN), *sorted(rows, key=str)]


def plain(name, value):
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return json.loads(value) if name == "tags__of" and isinstance(value, str) else value


def live(sim, options):
    """Sync a tenant through its history.

    The history has a backfill in chunks, late changes, odd records, and jobs that come and go.
    """

    def sync():
        result = run_sync(options, LogProgress())
        assert result.error is None, result.error
        return result.summary

    job = sim.tenant.create(1, state="WAITING")[0]
    assert len(sync().load_ids) > 2
    sim.clock.advance(60)
    sim.tenant.update(job, state="PROCESSING")
    sync()
    sim.tenant.update(job, state="FAILED")
    odd, gone, *_ = (job["job_id"] for job in sim.tenant.visible())
    sim.clock.advance(86_400)
    sim.tenant.change_some(create=40, update=60)
    sim.tenant.corrupt(odd, priority=3, tags={"of": ["a", "kind"]}, duration="long")
    sim.tenant.update(odd, asset_name="odd")
    sim.tenant.add_raw({"state": "SUCCEED"}, at="2026-01-15T12:30:00Z")
    assert sync().rejected >= 2  # a record on the edge of two pages is received twice
    for job_id in (odd, gone):
        sim.tenant.vanish(job_id)
    sim.clock.advance(3_600)
    audit = run_audit(options, LogProgress(), repair=True)
    assert (audit.error, audit.summary.marked_deleted) == (None, 2)
    sim.tenant.reappear(gone)
    sim.clock.advance(3_600)
    assert run_audit(options, LogProgress(), repair=True).error is None


@pytest.fixture
def live_in(postgres_url, tmp_path, monkeypatch):
    """Play a history into a DuckDB file or PostgreSQL, and return the final tables."""

    def live_in(destination):
        folder = tmp_path / destination
        url = postgres_url if destination == "postgres" else str(tmp_path / "videos.duckdb")
        with Simulator(jobs=600, days=400, seed=7, now=NOW) as sim, monkeypatch.context() as patch:
            for name, value in make_environment(sim, folder, url).items():
                patch.setenv(name, value)
            options = Options(pipeline="same_life", destination=destination, dataset="same_life")
            live(sim, options)
            return read_tables(options)

    return live_in


def test_the_same_life_ends_in_the_same_rows_on_postgres_as_on_duckdb(live_in):
    duckdb, postgres = live_in("duckdb"), live_in("postgres")

    assert [len(rows) > 2 for rows in duckdb.values()] == [True] * (len(TABLES) - 1)
    assert postgres == duckdb


@pytest.fixture
def tenants(postgres_url, tmp_path):
    """Yield two tenants, and the settings that sync each of them into the same PostgreSQL."""
    with (
        Simulator(jobs=120, days=90, seed=7, now=NOW) as a,
        Simulator(jobs=180, days=90, seed=8, now=NOW) as b,
    ):
        yield [(sim, make_environment(sim, tmp_path / sim.project_id, postgres_url)) for sim in (a, b)]


@pytest.fixture
def ask(postgres_url):
    return lambda sql: query_postgres(postgres_url, sql)


def count_states(jobs):
    return Counter(job["state"] for job in jobs)


def held_states(ask, dataset, sim):
    return Counter(
        dict(
            ask(
                f"SELECT state, count(*) FROM {dataset}.digital_human_videos WHERE project_id = '{sim.project_id}' GROUP BY 1"
            )
        )
    )


def test_a_load_paused_between_staging_and_merge_is_untouched_by_another_tenants_backfill(tenants, ask):
    (a, settings_of_a), (b, settings_of_b) = tenants
    assert Sync(settings_of_a, "a", "overlap", kill_at, 0).end()[0]
    a.clock.advance(3_600)
    a.tenant.change_some(create=30, update=50)
    paused, resume = CONTEXT.Event(), CONTEXT.Event()
    sync_of_a = Sync(settings_of_a, "a", "overlap", pause_before_the_merge, paused, resume)
    assert paused.wait(WAIT_SECONDS)
    staged = ask("SELECT * FROM overlap_staging_a.digital_human_videos ORDER BY job_id")

    assert Sync(settings_of_b, "b", "overlap", kill_at, 0).end()[0]
    assert held_states(ask, "overlap", b) == count_states(b.tenant.visible())
    assert ask("SELECT * FROM overlap_staging_a.digital_human_videos ORDER BY job_id") == staged
    assert len(staged) >= 80
    resume.set()

    assert sync_of_a.end()[0]
    for sim in (a, b):
        assert held_states(ask, "overlap", sim) == count_states(sim.tenant.visible())
    assert ask("SELECT count(*) - count(DISTINCT (project_id, job_id)) FROM overlap.digital_human_videos") == [(0,)]
    assert {name for (name,) in ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'overlap%'")} == {
        "overlap",
        "overlap_staging_a",
        "overlap_staging_b",
    }


def test_pipelines_opened_in_one_process_have_staging_datasets_of_their_own(postgres_url, folder, monkeypatch):
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", postgres_url)
    clients = [open_pipeline(Options(pipeline=name, destination="postgres")).destination_client() for name in "ab"]

    assert [client.sql_client.staging_dataset_name for client in clients] == [
        "metastudio_staging_a",
        "metastudio_staging_b",
    ]


@pytest.mark.parametrize("what", ["schema", "tables"])
def test_two_first_syncs_that_create_the_same_thing_at_the_same_instant_both_succeed(tenants, ask, what):
    meeting = CONTEXT.Barrier(2)
    syncs = [
        Sync(settings, name, f"first_{what}", meet_before_creating, meeting, what == "schema")
        for name, (_, settings) in zip("ab", tenants, strict=True)
    ]

    assert [sync.end()[:2] for sync in syncs] == [(True, "None")] * 2
    for sim, _ in tenants:
        assert held_states(ask, f"first_{what}", sim) == count_states(sim.tenant.visible())


def test_a_user_that_may_not_create_schemas_is_reported(settings, run, ask, postgres_url, monkeypatch):
    ask("CREATE ROLE reader LOGIN; SELECT 1")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", postgres_url.replace("postgres:opensesame", "reader:none"))

    ended = run("sync", "--destination", "postgres", "--dataset", "refused", "--json")

    assert (ended.code, "CREATE on the database" in ended.json["error"]["hint"]) == (2, True)


def test_fields_of_two_tenants_differ_in_type_and_number_and_an_audit_marks_a_job_beside_them(
    tenants, ask, monkeypatch
):
    (sim, settings), (other, _) = tenants
    sim.tenant.corrupt(sim.tenant.visible()[-1]["job_id"], priority=3)
    other.tenant.corrupt(other.tenant.visible()[-1]["job_id"], priority="high", urgent=True, tags={"of": ["a"]})
    for name, (_, own) in zip("ab", tenants, strict=True):
        assert Sync(own, name, "types", kill_at, 0).end()[:2] == (True, "None")
    assert ask(
        "SELECT priority, priority__v_text FROM types.digital_human_videos"
        " WHERE coalesce(priority::text, priority__v_text) IS NOT NULL ORDER BY 1"
    ) == [(3.0, None), (None, "high")]
    gone = sim.tenant.visible()[0]["job_id"]
    sim.tenant.vanish(gone)
    sim.clock.advance(3_600)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    result = run_audit(Options(pipeline="a", destination="postgres", dataset="types"), LogProgress(), repair=True)

    assert result.error is None
    assert ask("SELECT job_id FROM types.digital_human_videos WHERE deleted_at IS NOT NULL") == [(gone,)]


LONG = "a_name_that_is_longer_than_what_postgresql_takes_for_the_name_of_a_column"


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        ([{"tags": {"of": ["a\0b", "\\u0000"]}}], "SELECT tags__of::text FROM {} WHERE tags__of IS NOT NULL"),
        ([{LONG: 3}, {LONG: "high"}], "SELECT count(*)::text FROM {} WHERE to_jsonb(d)::text LIKE '%high%'"),
    ],
    ids=["NUL", "long name"],
)
def test_no_value_or_name_of_a_field_blocks_the_later_syncs(tenants, ask, fields, query):
    (sim, settings), _ = tenants
    dataset = f"odd_{len(fields)}"
    for field in fields:
        sim.clock.advance(3_600)
        job = sim.tenant.visible()[-1]["job_id"]
        sim.tenant.corrupt(job, **field)
        sim.tenant.update(job, asset_name="changed")
        assert Sync(settings, dataset, dataset, kill_at, 0).end()[:2] == (True, "None")

    assert ask(query.format(f"{dataset}.digital_human_videos AS d")) in ([('["ab", "\\\\u0000"]',)], [("1",)])


def sync_with_kills(environment, dataset, instants=()):
    """Kill syncs at these SQL statements until one succeeds; return the number of kills."""
    for killed, instant in enumerate([*instants, 0]):
        ended = Sync(environment, "killed", dataset, kill_at, instant).end()
        if ended is not None:
            assert ended[0], f"{ended[1]} after kills at {instants[:killed]}"
            return killed


def test_syncs_killed_while_they_load_are_finished_by_the_next_one(postgres_url, tmp_path, monkeypatch):
    tables = []
    draw = Random("kills")
    kills = [draw.sample(range(1, FIRST), 3), draw.sample(range(1, LATER), 2)]
    for dataset, instants in (("undisturbed", ([], [])), ("killed", kills)):
        with Simulator(jobs=600, days=400, seed=7, now=NOW) as sim:
            environment = make_environment(sim, tmp_path / dataset, postgres_url)
            for planned in instants:
                assert sync_with_kills(environment, dataset, planned) == len(planned)
                sim.tenant.live(5 * 86_400)
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            tables.append(read_tables(Options(pipeline="killed", destination="postgres", dataset=dataset)))
    undisturbed, resumed = tables

    for table in undisturbed.keys() - {"extraction_windows"}:
        assert resumed[table] == undisturbed[table]
