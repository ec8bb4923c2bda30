"""The command line on machines as they are: without a home, with folders that are locked."""

from __future__ import annotations

import os

import pytest

from tests.support.command_line import obey_permissions, run_in_process


@pytest.fixture
def locked(folder):
    """Return a folder that this user can neither read nor write."""
    locked = folder / "locked"
    locked.mkdir(mode=0)
    yield locked
    locked.chmod(0o700)


def test_neither_a_home_nor_a_writable_working_directory_is_needed(settings, folder, locked):
    (folder / "here").mkdir(mode=0o555)
    for home, command in ((None, "sync"), (str(locked), "status")):
        ended = run_in_process(command, env={"HOME": home}, cwd=folder / "here", preexec_fn=obey_permissions)

        assert ended.code == 0, ended.err
        assert "Traceback" not in ended.err
    assert not list((folder / "here").iterdir())


def test_reading_needs_no_state_directory_and_leaves_none_behind(synced, folder, locked):
    ended = run_in_process("status", "--json", env={"DLT_DATA_DIR": str(locked)}, preexec_fn=obey_permissions)
    assert (ended.code, ended.json["tables"]["digital_human_videos"]) == (0, 600)
    ended = run_in_process("status", "--json", env={"DLT_DATA_DIR": str(folder / "unused")})
    assert (ended.code, ended.json["pending_packages"]) == (0, 0)
    assert not (folder / "unused").exists()


def test_a_working_directory_that_was_removed_is_named(folder):
    (folder / "gone").mkdir()
    ended = run_in_process("status", "--json", cwd=folder / "gone", preexec_fn=(folder / "gone").rmdir)

    assert ended.code == 2
    assert ended.json["error"]["message"] == "The working directory does not exist any more."


def test_a_name_that_cannot_be_encoded_is_refused_as_json_too(run):
    ended = run("status", "--json", "--pipeline", "a\udcff")

    assert (ended.code, ended.json["exit_code"]) == (2, 2)
    assert "name is not valid" in ended.json["error"]["message"]


def test_neither_a_closed_output_nor_a_reader_that_is_gone_fails_a_command(folder):
    receiver, sender = os.pipe()
    os.close(receiver)
    with os.fdopen(sender, "w") as without_reader:
        ended = [run_in_process("--help", stdout=without_reader)]
    ended.append(run_in_process("--help", stdout=None, preexec_fn=lambda: os.close(1)))

    assert [(one.code, one.err) for one in ended] == [(0, ""), (0, "")]
