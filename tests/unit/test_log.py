"""The log on the standard error: times in UTC, and lines that a collector can read."""

from __future__ import annotations

import json
import logging
import re
import sys
import time

import pytest
from metastudio.cli.log import is_quiet, set_up_log, write_message

LOG = logging.getLogger("metastudio")


@pytest.fixture(autouse=True)
def log_as_before():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    LOG.setLevel(logging.NOTSET)


def test_a_line_begins_with_its_time_in_utc(capsys, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    set_up_log("text", logging.INFO)
    LOG.handle(logging.makeLogRecord({"created": 0, "msecs": 7, "levelno": 20, "levelname": "INFO", "msg": "a line"}))

    monkeypatch.undo()
    time.tzset()
    assert capsys.readouterr().err == "1970-01-01T00:00:00.007Z INFO a line\n"


def test_lines_for_collectors_are_json_objects_also_those_with_a_traceback(capsys):
    set_up_log("json", logging.INFO)
    try:
        raise ValueError("why")
    except ValueError:
        LOG.warning("two\nlines: %s", "✓", exc_info=sys.exc_info())
    write_message(logging.ERROR, "The end.", "berlin: ")

    first, last = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("WARNING", "metastudio", "two\nlines: ✓")
    assert "ValueError: why" in first["traceback"]
    assert (last["level"], last["message"]) == ("ERROR", "berlin: The end.")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", last["at"])


def test_a_second_setup_replaces_the_first_one(capsys):
    for _ in range(2):
        set_up_log("text", logging.WARNING)
    LOG.info("not shown")
    LOG.warning("shown once")
    write_message(logging.ERROR, "The end.", "berlin: ")

    lines = capsys.readouterr().err.splitlines()
    assert is_quiet()
    assert [line.partition("Z ")[2] or line for line in lines] == ["WARNING shown once", "berlin: Error: The end."]
