"""`metastudio check`: one line per item, ok or what to do, and nothing is written."""

from __future__ import annotations

import pytest

SECTION = "SOURCES__METASTUDIO__"
ITEMS = [
    "configuration",
    "destination",
    "credentials",
    "project",
    "reachability",
    "clock",
    "isolation",
    "count",
    "page size",
    "offset",
    "update_time sorting",
    "create_time filters",
    "window width",
    "job_ids",
    "state filter",
    "quota",
]


def items(ended):
    return {item["name"]: item for item in ended.json["items"]}


def notes(ended):
    return {name: item["text"] for name, item in items(ended).items() if item["verdict"] == "note"}


def test_everything_fine_is_said_item_by_item_and_nothing_is_written(sim, settings, run, folder):
    ended = run("check", "--json")

    assert (ended.code, ended.json["ok"], ended.json["error"]) == (0, True, None)
    assert list(items(ended)) == ITEMS
    texts = {name: item["text"] for name, item in items(ended).items()}
    for name in ("update_time sorting", "create_time filters", "window width", "job_ids", "state filter"):
        assert texts[name] == "as documented"
    assert texts["page size"] == "as documented (100)"
    assert texts["offset"] == "as documented (up to 500)"
    assert not list(folder.iterdir())


def test_the_lines_say_ok(settings, run):
    lines = run("check").out.splitlines()

    assert len(lines) == len(ITEMS)
    assert lines[0].startswith("ok")
    assert lines[2].split()[:2] == ["ok", "credentials"]


@pytest.mark.parametrize(
    ("name", "value", "code", "item"),
    [
        ("PROJECT_ID", "", 2, "configuration"),
        ("CREDENTIALS__SECRET_KEY", "wrong", 3, "credentials"),
        ("PROJECT_ID", "0" * 32, 2, "project"),
        ("ENDPOINT", "http://127.0.0.1:1", 4, "reachability"),
    ],
)
def test_a_failed_check_is_named_with_what_to_do(settings, run, monkeypatch, name, value, code, item):
    monkeypatch.setenv(SECTION + name, value)
    monkeypatch.setenv(f"{SECTION}RETRY_SECONDS", "0.1")

    ended = run("check", "--json")

    assert (ended.code, ended.json["exit_code"], ended.json["ok"]) == (code, code, False)
    assert ended.json["items"][-1]["name"] == item
    assert ended.json["items"][-1]["verdict"] == "FAILED"
    assert ended.json["error"]["message"] in ended.json["items"][-1]["text"]


def test_limits_of_an_endpoint_are_notes(sim, settings, run):
    sim.behavior.update_time_sorting = "ignored"
    sim.behavior.job_ids = "ignored"
    sim.behavior.page_cap = 37
    sim.clock.date_skew_seconds = 7200

    ended = run("check", "--json")

    assert ended.code == 0
    found = notes(ended)
    assert set(found) == {"clock", "page size", "update_time sorting", "job_ids"}
    assert found["page size"].startswith("limited to 37: ")
    assert found["update_time sorting"].startswith("not as documented: ")
    assert found["job_ids"].startswith("not as documented: ")


@pytest.mark.parametrize(
    ("behavior", "name", "text"),
    [
        ({"max_range_days": 90}, "window width", "limited to 90 days: "),
        ({"max_range_days": 100, "max_range_refusal": "500"}, "window width", "limited to 90 days: "),
        ({"future_until_refusal": "400"}, "window width", "limited to now: "),
        ({"max_offset": 200}, "offset", "not as documented: "),
        ({"max_offset": 200, "max_offset_refusal": "404"}, "offset", "not as documented: "),
        ({"job_ids": "refused", "job_ids_refusal": "414"}, "job_ids", "not as documented (refused): "),
        ({"job_ids": "comma_joined_only"}, "job_ids", "not as documented: "),
        ({"refused_states": ["SUCCEED"]}, "state filter", "not as documented for SUCCEED: "),
        ({"unfilterable_states": ["FAILED"]}, "state filter", "not as documented for FAILED: "),
        ({"filter_utc_offset_hours": 8}, "create_time filters", "not as documented: "),
        ({"isolation": "on", "iam_user": None}, "isolation", "on: "),
    ],
)
def test_each_limit_of_an_endpoint_is_a_note_of_its_own(sim, settings, run, monkeypatch, behavior, name, text):
    monkeypatch.setenv(f"{SECTION}RETRY_SECONDS", "0.1")
    for each, value in behavior.items():
        setattr(sim.behavior, each, value)

    ended = run("check", "--json")

    assert ended.code == 0
    assert notes(ended)[name].startswith(text)


def test_tenants_that_isolation_makes_the_same_are_found_of(sim, settings, run, monkeypatch):
    monkeypatch.setenv(f"{SECTION}TENANTS", "berlin, osaka")
    for name in ("BERLIN", "OSAKA"):
        monkeypatch.setenv(f"{SECTION}{name}__APP_USER_ID", f"user-{name}")
    assert "tenants" not in items(run("check", "--json"))

    sim.behavior.isolation = "on"
    ended = run("check")

    warnings = [line for line in ended.out.splitlines() if line.startswith("note    tenants ")]
    assert len(warnings) == 1
    assert "berlin and osaka differ only in app_user_id" in warnings[0]


def test_an_endpoint_that_refuses_the_order_is_found_of(sim, settings, run):
    sim.behavior.update_time_sorting = "refused"

    assert items(run("check", "--json"))["update_time sorting"]["verdict"] == "note"
