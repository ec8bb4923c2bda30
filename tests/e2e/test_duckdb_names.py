"""DuckDB files with odd names, behind links, read-only, and files that are not databases."""

from __future__ import annotations

import struct
from functools import reduce

import duckdb
import pytest

from tests.support.command_line import obey_permissions, run_in_process

CREDENTIALS = "DESTINATION__DUCKDB__CREDENTIALS"
MASK = 2**64 - 1


@pytest.fixture
def use(settings, folder, monkeypatch):
    """Return a function that sets the path of the file."""
    return lambda name: monkeypatch.setenv(CREDENTIALS, name)


@pytest.mark.parametrize("name", ["main.duckdb", ".hidden.duckdb", "it's a#b?c.duckdb", "a:b%20{c}"])
def test_a_file_may_have_any_name(use, run, folder, name):
    use(name)
    assert run("sync").code == 0
    assert run("status", "--json").json["tables"]["digital_human_videos"] == 600

    with duckdb.connect(str(folder / name), read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM metastudio.digital_human_videos").fetchall() == [(600,)]


@pytest.mark.parametrize("exists", [False, True])
def test_the_target_of_a_link_names_the_database(use, run, folder, exists):
    (folder / "store").mkdir()
    target = folder / "store" / ".metastudio.duckdb"
    if exists:
        duckdb.connect(str(target)).close()
    (folder / "videos.duckdb").symlink_to(target)
    use("videos.duckdb")

    ended = run("sync")

    assert ended.code == 2
    assert "has the name of the dataset metastudio" in ended.err
    assert target.exists() == exists


@pytest.mark.parametrize("name", ["TEMP.duckdb", "System.db", "Main.duckdb"])
def test_a_name_that_duckdb_needs_itself_is_refused_before_a_file_is_made(use, run, folder, name):
    use(name)
    ended = run("sync")

    assert (ended.code, f"a file that is named {name}" in ended.err) == (2, True)
    assert not (folder / name).exists()


@pytest.mark.parametrize("name", ["TEMP.duckdb", "System.db", "Main.duckdb"])
def test_a_file_renamed_to_a_reserved_name_is_refused_and_not_changed(sim, synced, use, run, folder, name):
    (folder / "videos.duckdb").rename(folder / name)
    content = (folder / name).read_bytes()
    use(name)
    for command in (["status"], ["sync"], ["audit"], ["report"], ["models"], ["prune", "--older-than", "30"]):
        ended = run(*command)
        assert (command, ended.code) == (command, 2)
        assert f"a file that is named {name}" in ended.err
    assert f"a file that is named {name}" in run("check").out

    assert (folder / name).read_bytes() == content


@pytest.mark.parametrize("name", ["temp.duckdb", "system.duckdb"])
def test_a_file_that_was_renamed_works_if_duckdb_finds_another_name_for_the_database(
    sim, synced, use, run, folder, name
):
    (folder / "videos.duckdb").rename(folder / name)
    use(name)
    sim.clock.advance(3_600)
    sim.tenant.change_some(create=2, update=3)

    assert run("sync").code == 0
    assert run("status", "--json").json["tables"]["digital_human_videos"] == 602


def make_whole(folder):
    path = folder / "whole.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS i FROM range(100_000)")
    return path.read_bytes()


def make_newer(folder):
    """Return a file of a future storage version, with a valid checksum of its header."""
    content = bytearray(make_whole(folder))
    content[12:20] = struct.pack("<Q", 99)
    words = (word for (word,) in struct.iter_unpack("<Q", content[8:4096]))
    content[:8] = struct.pack("<Q", reduce(lambda sum_, word: sum_ ^ word * 0xBF58476D1CE4E5B9 & MASK, words, 5381))
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("v.duckdb", make_newer, "was written by a newer version of DuckDB"),
        ("v.duckdb", lambda folder: make_whole(folder)[:20_000], "is damaged or was cut off"),
        ("v.duckdb", lambda folder: make_whole(folder)[:100], "is damaged or was cut off"),
        ("v.duckdb", lambda _: b"", "is not a DuckDB database"),
        ("v.duckdb", lambda _: b"a,b\n1,2\n", "is not a DuckDB database"),
        ("v.csv", lambda _: b"a,b\n1,2\n", "DuckDB database"),
        (".", None, "is that of a folder"),
        (":memory:", None, "A DuckDB database in memory ends with the command"),
    ],
)
def test_a_file_that_is_not_our_database_is_named_for_what_it_is(use, run, folder, sim, name, make, words):
    if make:
        (folder / name).write_bytes(content := make(folder))
    use(name)

    for command in ("status", "sync"):
        ended = run(command, "--json")
        assert (ended.code, words in ended.json["error"]["message"]) == (2, True), ended.err
    assert sim.stats.requests == 0
    assert not make or (folder / name).read_bytes() == content


def test_status_reads_a_read_only_file_in_a_read_only_folder(use, run, folder):
    (folder / "here").mkdir()
    use(str(folder / "here" / "videos.duckdb"))
    assert run("sync").code == 0
    (folder / "here" / "videos.duckdb").chmod(0o444)
    (folder / "here").chmod(0o555)

    ended = run_in_process("status", "--json", preexec_fn=obey_permissions)

    assert (ended.code, ended.json["open_jobs"] > 0) == (0, True)
    assert [file.name for file in (folder / "here").iterdir()] == ["videos.duckdb"]
