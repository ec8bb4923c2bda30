"""The output of commands arrives complete, whatever its target and the texts in it."""

from __future__ import annotations

import json
import os
from io import BytesIO, TextIOWrapper

import pytest
from metastudio.cli.output import write_error, write_json, write_out
from metastudio.cli.streams import can_show, open_stream
from metastudio.errors import MetaStudioError
from metastudio.formatting import format_figure, make_printable

ODD = "[/mnt/out/a.mp4] \x1b[31m中文 ✓ \U0001f600 \u202e\udcff\x85"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "✓ ▼ … 中文 \U0001f600"),
        ("gbk", "ok ▼ … 中文 \\U0001f600"),
        ("ascii", "ok - ... \\u4e2d\\u6587 \\U0001f600"),
        ("latin-1", "ok - ... \\u4e2d\\u6587 \\U0001f600"),
    ],
)
def test_a_character_that_the_encoding_lacks_is_replaced(tmp_path, encoding, shown):
    with (tmp_path / "out").open("wb") as file, open_stream(file.fileno(), encoding) as stream:
        stream.write("✓ ▼ … 中文 \U0001f600")

    assert (tmp_path / "out").read_text(encoding) == shown


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", True), ("gbk", True), ("ascii", False), ("latin-1", False)]
)
def test_an_output_shows_chinese_if_its_encoding_has_it(encoding, expected):
    assert can_show(TextIOWrapper(BytesIO(), encoding), "报表") is expected


def test_a_reader_that_ends_does_not_end_the_command():
    receiver, sender = os.pipe()
    os.close(receiver)

    with os.fdopen(sender, "wb"), open_stream(sender, None) as stream:
        for _ in range(3):
            stream.write("x" * 100_000)
            stream.flush()


def test_an_output_that_fails_says_so_once():
    with open("/dev/full", "wb") as full, open_stream(full.fileno(), None) as stream:
        stream.write("x")
        with pytest.raises(OSError, match="No space left"):
            stream.flush()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "gbk"])
@pytest.mark.parametrize("text", [ODD, ODD.replace("\udcff", "")])
def test_json_is_one_line_of_json_in_every_encoding(monkeypatch, encoding, text):
    written = BytesIO()
    monkeypatch.setattr("sys.stdout", TextIOWrapper(written, encoding))

    write_json({"text": text})

    assert written.getvalue().count(b"\n") == 1
    assert encoding == "utf-8" or written.getvalue().isascii()
    assert json.loads(written.getvalue()) == {"text": text}


def test_texts_of_others_cannot_command_the_terminal(capsys):
    assert make_printable(ODD) == "[/mnt/out/a.mp4] \\x1b[31m中文 ✓ \U0001f600 \\u202e\\udcff "
    assert format_figure("a\x1b[2J\nb\x07") == "a\\x1b[2J b\\x07"

    write_out("one\ntwo\x1b[2J")
    write_error(MetaStudioError("bad\x1b[31m\nstate"))

    out, err = capsys.readouterr()
    assert out == "one\ntwo\\x1b[2J\n"
    assert err == "Error: bad\\x1b[31m state\n"
