"""Syncs whose local state does not match the destination: it is lost, restored, or another's."""

from __future__ import annotations

import duckdb
import pytest
from dlt.common.storages import FileStorage, LoadStorage

from tests.support.rows import held_rows, shown_rows


def test_a_state_directory_that_is_lost_is_restored_from_the_destination(sim, synced, run, folder, monkeypatch):
    monkeypatch.setenv("DLT_DATA_DIR", str(folder / "another"))
    sim.clock.advance(3600)
    sim.stats.reset()

    ended = run("sync", "--json")

    assert (ended.code, ended.json["mode"]) == (0, "changes")
    assert sim.stats.requests == 1


@pytest.mark.parametrize("file", ["state.json", "schemas/metastudio.schema.json"])
@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "gone"])
def test_a_half_written_state_directory_is_restored_from_the_destination(
    sim, synced, run, query, folder, file, is_empty
):
    path = next(folder.rglob("state.json")).parent / file
    path.write_bytes(b"") if is_empty else path.unlink()
    sim.clock.advance(3600)
    sim.tenant.change_some(create=3, update=5)

    ended = run("sync", "--json")

    assert (ended.code, ended.json["mode"]) == (0, "changes")
    assert held_rows(query) == shown_rows(sim)


def test_a_destination_that_is_lost_is_filled_again(sim, synced, run, query, folder):
    (folder / "videos.duckdb").unlink()

    ended = run("sync", "--json")

    assert (ended.code, ended.json["mode"]) == (0, "backfill")
    assert held_rows(query) == shown_rows(sim)


def test_a_destination_restored_from_an_older_copy_is_brought_up_to_date(sim, synced, run, query, folder):
    copy = (folder / "videos.duckdb").read_bytes()
    sim.clock.advance(3600)
    sim.tenant.update(sim.tenant.visible()[0]["job_id"], asset_name="changed after the copy")
    run("sync")
    sim.clock.advance(7200)
    run("sync")
    (folder / "videos.duckdb").write_bytes(copy)

    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


@pytest.fixture
def files(synced, folder, monkeypatch):
    """Return an object that chooses between DuckDB files with one state directory. The file `one`
    is synced.
    """
    (folder / "videos.duckdb").rename(folder / "one")

    class Files:
        def use(self, name):
            monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / name))

        def held_rows(self, name):
            with duckdb.connect(str(folder / name), read_only=True) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                return held_rows(lambda sql: connection.execute(sql).fetchall())

    return Files()


def test_two_files_with_one_state_directory_are_each_brought_up_to_date(sim, run, files):
    for turn in range(4):
        name = ("other", "one")[turn % 2]
        files.use(name)

        assert run("sync").code == 0
        assert files.held_rows(name) == shown_rows(sim)

        sim.tenant.update(sim.tenant.visible()[turn]["job_id"], asset_name=f"changed after turn {turn}")
        sim.tenant.create(2, at=sim.clock.now())
        sim.clock.advance(3600)


def test_what_is_pending_for_one_file_is_not_loaded_into_another(sim, run, files, monkeypatch):
    sim.clock.advance(3600)
    sim.tenant.update(sim.tenant.visible()[0]["job_id"], asset_name="changed after the sync into one")
    files.use("other")
    run("sync")
    leave_pending(sim, run, monkeypatch)

    for name in ("one", "other"):
        files.use(name)
        assert run("sync").code == 0
        assert files.held_rows(name) == shown_rows(sim)


def test_a_pending_package_is_loaded_before_the_api_is_asked(sim, synced, run, query, monkeypatch):
    leave_pending(sim, run, monkeypatch)
    sim.behavior.faults = {"401": 1.0}

    assert run("sync").code == 3
    assert held_rows(query) == shown_rows(sim)


def test_a_pending_package_is_not_loaded_into_an_older_copy(sim, synced, run, query, folder, monkeypatch):
    copy = (folder / "videos.duckdb").read_bytes()
    sim.clock.advance(3600)
    for job in sim.tenant.visible()[:150]:  # more than stand on the page that is pending
        sim.tenant.update(job["job_id"], asset_name="changed after the copy")
    for _ in range(2):  # after the second one, the watermark is past them
        sim.clock.advance(3600)
        run("sync")
    leave_pending(sim, run, monkeypatch)
    (folder / "videos.duckdb").write_bytes(copy)

    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


@pytest.mark.parametrize(
    "step",
    ["load_storage.LoadStorage.initialize_storage", "file_storage.FileStorage.rename_tree"],
    ids=["first", "last"],
)
def test_a_kill_between_two_steps_of_dlt_is_repaired_without_reading_anything_again(
    request, sim, settings, run, query, monkeypatch, caplog, step
):
    if step.endswith("rename_tree"):
        request.getfixturevalue("synced")
        sim.clock.advance(3600)
        sim.tenant.change_some(create=3, update=5)
    with monkeypatch.context() as killed:
        rename = FileStorage.rename_tree

        def stop(storage, *paths):
            if paths and not paths[1].startswith(LoadStorage.LOADED_FOLDER):
                return rename(storage, *paths)
            return _fail()

        killed.setattr(f"dlt.common.storages.{step}", stop)
        assert run("sync").code == 1
    caplog.clear()

    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)
    assert "reading it again" not in caplog.text


def test_a_package_that_a_kill_left_both_extracted_and_normalized_is_loaded_by_the_next_sync(
    sim, synced, run, query, monkeypatch
):  # without any load before, dlt starts from scratch
    from dlt.common.storages.load_package import PackageStorage

    remove = PackageStorage.delete_package

    def die(self, load_id, not_exists_ok=False):
        if not not_exists_ok:  # the extracted package, after the normalized one was renamed into place
            raise RuntimeError("killed between the two")
        remove(self, load_id, not_exists_ok)

    sim.clock.advance(3600)
    sim.tenant.update(sim.tenant.visible()[0]["job_id"], asset_name="changed")
    with monkeypatch.context() as killed:
        killed.setattr(PackageStorage, "delete_package", die)
        assert run("sync").code == 1
    assert run("sync").code == 0

    assert held_rows(query) == shown_rows(sim)


@pytest.mark.parametrize("command", ["status", "report", "models"])
def test_a_dataset_that_was_never_synced_is_recognized(synced, run, query, command):
    ended = run(command, "--dataset", "other")

    assert ended.code == 2
    assert "metastudio sync first" in ended.err
    assert query("SELECT schema_name FROM duckdb_schemas() WHERE schema_name LIKE 'other%'") == []


def test_status_shows_the_destination_that_is_asked_for_and_not_the_last_one(sim, run, files):
    watermarks = {}
    for name in ("one", "other"):
        files.use(name)
        watermarks[name] = run("sync", "--json").json["watermark"]
        sim.clock.advance(3600)
        sim.tenant.update(sim.tenant.visible()[0]["job_id"], asset_name="changed between the two")
    for name in ("one", "other"):
        files.use(name)
        assert run("status", "--json").json["watermark"] == watermarks[name]
    assert len(set(watermarks.values())) == 2


def test_a_load_killed_before_its_end_does_not_lend_its_state_to_another_files(sim, run, files, monkeypatch):
    for name in ("other", "one"):
        files.use(name)
        run("sync")
    sim.clock.advance(3600)
    with monkeypatch.context() as broken:
        broken.setattr("dlt.destinations.job_client_impl.SqlJobClientBase.complete_load", _fail)
        sim.tenant.update(sim.tenant.visible()[1]["job_id"], asset_name="changed before the kill")
        assert run("sync").code == 1
    for turn in range(2):  # after the second change, the other file's watermark is past the first one
        sim.clock.advance(3600)
        sim.tenant.update(sim.tenant.visible()[3 + turn]["job_id"], asset_name="changed for both")
    files.use("other")
    assert run("sync").code == 0
    files.use("one")

    assert run("sync").code == 0
    assert files.held_rows("one") == shown_rows(sim)


def test_what_an_older_release_left_pending_is_not_loaded_where_nothing_was_synced(
    sim, settings, run, query, folder, monkeypatch
):
    monkeypatch.setattr("metastudio.pipeline.loader.record_base_state", lambda _tables: None)
    run("sync")
    leave_pending(sim, run, monkeypatch)
    (folder / "videos.duckdb").unlink()
    monkeypatch.setenv("SOURCES__METASTUDIO__START_DATE", "2026-01-14")
    run("sync", "--pipeline", "another")
    monkeypatch.delenv("SOURCES__METASTUDIO__START_DATE")

    assert run("sync").code == 0
    assert held_rows(query) == shown_rows(sim)


def leave_pending(sim, run, monkeypatch):
    """Change a job, and leave that change extracted but not loaded, as a kill does."""
    sim.clock.advance(3600)
    sim.tenant.update(sim.tenant.visible()[1]["job_id"], asset_name="changed in what is pending")
    with monkeypatch.context() as broken:
        broken.setattr("dlt.Pipeline.load", _fail)
        assert run("sync").code == 1


def _fail(*_args, **_kwargs):
    raise RuntimeError("as if killed")
