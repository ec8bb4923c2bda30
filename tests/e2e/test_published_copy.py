"""`publish_dir`: readers have a complete copy of the DuckDB file, and never delay a sync."""

from __future__ import annotations

import duckdb
import pytest

from tests.support.rows import held_rows, shown_rows

FULL_DISK = """#!/bin/sh
head -c 100000 "$2" > "$3"
echo "cp: error writing '$3': No space left on device" >&2
exit 1
"""


@pytest.fixture
def public(settings, folder, monkeypatch):
    """Return the folder of the copies, which does not exist yet."""
    monkeypatch.setenv("SOURCES__METASTUDIO__PUBLISH_DIR", "it's public")
    return folder / "it's public"


def read(copy):
    """Return the rows of a copy, as a program without the connector reads them."""

    def ask(sql):
        with duckdb.connect(str(copy), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql(sql).fetchall()

    return held_rows(ask)


def test_each_sync_that_changed_something_publishes_a_whole_copy_by_one_rename(sim, run, public, folder, monkeypatch):
    assert run("sync").code == 0
    copy = public / "videos.duckdb"
    assert read(copy) == shown_rows(sim)

    before = copy.stat()
    assert run("sync").code == 0
    assert copy.stat() == before

    with copy.open("rb") as old:
        sim.clock.advance(3600)
        sim.tenant.change_some(create=5, update=5)
        assert run("sync").code == 0
        assert copy.stat().st_ino != before.st_ino
        assert read(copy) == shown_rows(sim)
        assert len(old.read()) == before.st_size  # the reader keeps what it had opened

    (folder / "bin").mkdir()
    (folder / "bin" / "cp").write_text(FULL_DISK)
    (folder / "bin" / "cp").chmod(0o755)
    sim.clock.advance(3600)
    sim.tenant.change_some(create=5, update=5)
    kept = copy.read_bytes()
    with monkeypatch.context() as full:
        full.setenv("PATH", str(folder / "bin"), prepend=":")
        ended = run("sync", "--json")
    assert (ended.code, ended.json["rows_loaded"] > 0) == (4, True)
    assert "could not be written: No space left on device" in ended.json["error"]["message"]
    assert copy.read_bytes() == kept

    assert run("sync").code == 0  # which has nothing to load, and publishes what the last one could not
    assert read(copy) == shown_rows(sim)
    assert list(public.iterdir()) == [copy]


def test_several_tenants_publish_once_at_the_end(sim, run, public, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__TENANTS", "berlin")
    assert run("sync").code == 0
    assert read(public / "videos.duckdb") == shown_rows(sim)


def test_the_files_own_folder_is_refused_and_the_file_stays(sim, run, public, monkeypatch, query):
    monkeypatch.setenv("SOURCES__METASTUDIO__PUBLISH_DIR", ".")
    ended = run("sync")

    assert (ended.code, "publish_dir is the folder of the DuckDB file itself" in ended.err) == (2, True)
    assert held_rows(query) == shown_rows(sim)
