"""The procedures of `docs/operations.md`: prune, metrics, restore, quiet runs."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.rows import held_rows, shown_rows

LEDGER = "SELECT count(*) FROM metastudio.extraction_windows"


def test_prune_keeps_what_the_next_sync_and_the_health_need(sim, synced, run, query):
    for _ in range(3):
        sim.clock.advance(900)
        run("sync")
    health = [run("status", "--json").json[name] for name in ("last_complete_sync_at", "watermark")]
    before = query(LEDGER)

    planned = run("prune", "--older-than", "1", "--dry-run", "--json").json
    assert query(LEDGER) == before
    ended = run("prune", "--older-than", "1", "--json").json

    assert {**planned, "dry_run": False, "at": ended["at"]} == ended
    assert ended["old_windows"] == before[0][0] >= ended["windows"]
    assert query(LEDGER) == [(before[0][0] - ended["windows"],)]
    assert [run("status", "--json").json[name] for name in ("last_complete_sync_at", "watermark")] == health
    sim.clock.advance(900)
    after = run("sync", "--json").json
    assert (after["exit_code"], after["requests"]) == (0, 1)
    assert run("prune", "--older-than", "1").out.endswith("kept, because a proof needs them\n")


READERS = ("report", "report --html page.html", "status", "prune --older-than 1 --dry-run", "models", "check")


def list_state(folder):
    return sorted(path for path in folder.rglob("*") if "state" in path.parts)


@pytest.mark.parametrize("command", READERS)
def test_where_nothing_was_synced_a_command_that_only_reads_leaves_no_state(settings, run, folder, command):
    before = list_state(folder)

    assert run(*command.split()).code == (0 if command == "check" else 2)

    assert list_state(folder) == before
    assert not list(folder.glob("*.html")) and not list(folder.glob("*.duckdb*"))


def test_a_machine_that_only_reads_gets_no_state_even_where_models_are_outdated(synced, run, folder, monkeypatch):
    monkeypatch.setenv("DLT_DATA_DIR", str(folder / "of a reader"))
    monkeypatch.setattr("metastudio.reporting.model_version.make_fingerprint", lambda: "of another release")
    monkeypatch.setattr("metastudio.commands.models.build_models", lambda *_, **__: None)

    for command in READERS[0], *READERS[2:4]:
        run(*command.split())

    assert not (folder / "of a reader").exists()


def test_rejected_records_go_only_if_somebody_looked_at_them(sim, settings, run, query):
    for job in sim.tenant.visible()[:3]:
        sim.tenant.corrupt(job["job_id"], duration="not a number")
    run("sync")
    ((rejected,),) = query("SELECT count(*) FROM metastudio.rejected_records")
    assert rejected == 3

    assert run("prune", "--older-than", "1", "--json").json["rejected"] == 0
    assert run("prune", "--older-than", "1", "--rejected", "--json").json["rejected"] == 2
    assert run("sync", "--json").json["mode"] == "changes"


def test_metrics_are_replaced_in_one_step_and_say_what_status_says(sim, settings, run, folder):
    file = folder / "metrics" / "metastudio.prom"
    assert run("status", "--prometheus", str(file)).code == 2
    file.parent.mkdir()
    run("status", "--prometheus", str(file))
    assert 'metastudio_up{pipeline="metastudio"} 0\n' in file.read_text()
    run("sync")

    status = run("status", "--json", "--prometheus", str(file)).json

    text = file.read_text()
    values = dict(re.findall(r"^(metastudio_\w+)\{[^}]*\} (\S+)$", text, re.MULTILINE))
    assert values["metastudio_up"] == "1"
    assert float(values["metastudio_open_jobs"]) == status["open_jobs"]
    assert values["metastudio_last_attempt_exit_code"] == "0"
    assert 1_768_478_400 <= float(values["metastudio_last_complete_sync_timestamp_seconds"]) < 1_768_500_000
    assert 'metastudio_table_rows{pipeline="metastudio",table="digital_human_videos"} 600\n' in text
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) metastudio_\w+ .+|metastudio_\w+\{(\w+="\w+",?)+\} -?[\d.]+', line), line
    assert [path.name for path in file.parent.iterdir()] == ["metastudio.prom"]


def test_after_an_older_copy_is_restored_the_next_sync_is_right(sim, synced, run, query, folder):
    shutil.copy(folder / "videos.duckdb", folder / "backup.duckdb")
    sim.tenant.live(5 * 86_400)
    run("sync")
    shutil.copy(folder / "backup.duckdb", folder / "videos.duckdb")
    sim.clock.advance(3_600)

    ended = run("sync")

    assert ended.code == 0, ended.err
    assert set(shown_rows(sim)) <= set(held_rows(query))
    assert run("audit").code == 0
    assert held_rows(query) == shown_rows(sim)


@pytest.mark.parametrize(("log_format", "lines"), [("text", 1), ("json", 1)])
def test_a_quiet_run_prints_nothing_unless_it_fails(settings, run, monkeypatch, log_format, lines):
    options = ("--quiet", "--log-format", log_format)
    quiet = run("sync", *options)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    monkeypatch.setenv("SOURCES__METASTUDIO__PROJECT_ID", "")

    failed = run("sync", *options)

    assert failed.code == 2
    assert len(failed.err.splitlines()) == lines
    assert (failed.err.startswith('{"at": "20')) == (log_format == "json")
