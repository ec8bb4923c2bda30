"""`metastudio check`: one line an item, ok or what to do, and nothing is written."""

from __future__ import annotations

import pytest

SECTION = "SOURCES__METASTUDIO__"


def items(ended):
    return {item["name"]: item for item in ended.json["items"]}


def test_everything_fine_is_said_item_by_item_and_nothing_is_written(sim, settings, run, folder):
    ended = run("check", "--json")

    assert (ended.code, ended.json["ok"]) == (0, True)
    assert list(items(ended)) == (
        ["configuration", "credentials", "project", "reachability", "clock", "update_time sorting", "job_ids", "quota"]
    )
    assert items(ended)["update_time sorting"]["text"] == "proved"
    assert items(ended)["job_ids"]["text"] == "kept to"
    assert not list(folder.iterdir())


def test_the_lines_say_ok(settings, run):
    lines = run("check").out.splitlines()

    assert len(lines) == 8
    assert lines[0].startswith("ok")
    assert lines[1].split()[:2] == ["ok", "credentials"]


@pytest.mark.parametrize(
    ("name", "value", "code", "item"),
    [
        ("PROJECT_ID", "", 2, "configuration"),
        ("CREDENTIALS__SECRET_KEY", "wrong", 3, "credentials"),
        ("PROJECT_ID", "0" * 32, 2, "project"),
        ("ENDPOINT", "http://127.0.0.1:1", 4, "reachability"),
    ],
)
def test_what_fails_is_named_with_what_to_do(settings, run, monkeypatch, name, value, code, item):
    monkeypatch.setenv(SECTION + name, value)
    monkeypatch.setenv(f"{SECTION}RETRY_SECONDS", "0.1")

    ended = run("check", "--json")

    assert ended.code == code
    assert ended.json["items"][-1]["name"] == item
    assert ended.json["items"][-1]["verdict"] == "FAILED"


def test_limits_of_an_endpoint_are_notes(sim, settings, run):
    sim.behavior.update_time_sorting = "ignored"
    sim.behavior.job_ids = "ignored"
    sim.clock.date_skew_seconds = 7200

    ended = run("check", "--json")

    assert ended.code == 0
    told = {name for name, item in items(ended).items() if item["verdict"] == "note"}
    assert told == {"clock", "update_time sorting", "job_ids"}


def test_an_endpoint_that_refuses_the_order_is_told_of(sim, settings, run):
    sim.behavior.update_time_sorting = "refused"

    assert items(run("check", "--json"))["update_time sorting"]["verdict"] == "note"
