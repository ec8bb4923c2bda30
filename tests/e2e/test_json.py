"""`--json`: one object of one shape for every command, even if it fails."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from metastudio.errors import TerminatedError

SECTION = "SOURCES__METASTUDIO__"
COMMON = {"command", "ok", "at", "pipeline", "exit_code", "error"}
ERROR = {"code", "message", "request_id", "hint"}
FIGURES = {"mode", "requests", "windows", "rows_read", "rows_loaded", "gaps", "missing", "watermark", "load_ids"}


def assert_shape(ended, command, code):
    results = ended.json
    assert results.keys() >= COMMON
    assert (results["command"], results["exit_code"], results["ok"]) == (command, code, code == 0)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(results["at"])).total_seconds()) < 600
    assert results["error"] is None if code == 0 else results["error"].keys() == ERROR
    return results


def test_every_command_that_succeeds_has_the_shape(sim, settings, run):
    results = [assert_shape(run("sync", "--json"), "sync", 0)]
    results.append(assert_shape(run("audit", "--allow-deletions", "--json"), "audit", 0))
    results.append(assert_shape(run("backfill", "--since", "2025-12-01", "--json"), "backfill", 0))

    assert all(one.keys() >= FIGURES for one in results)
    assert (results[0]["gaps"], results[0]["missing"], results[0]["pipeline"]) == (0, 0, "metastudio")
    assert_shape(run("check", "--json"), "check", 0)
    status = assert_shape(run("status", "--json", "--pipeline", "metastudio"), "status", 0)
    assert (status["gaps"], status["missing"]) == ([], 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync"],
        ["audit"],
        ["backfill", "--since", "2025-01-01"],
        ["check"],
        ["status"],
        ["report"],
        ["models"],
        ["prune", "--older-than", "9"],
    ],
)
def test_every_command_that_fails_has_the_shape(settings, run, monkeypatch, arguments):
    monkeypatch.setenv(f"{SECTION}PAGE_SIZE", "0")

    ended = run(*arguments, "--json", "--pipeline", "other")

    assert assert_shape(ended, arguments[0], 2)["pipeline"] == "other"
    assert len(ended.out.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["sync", "--no-such-option"], ["backfill"], ["sync", "--config-dir", "nowhere"]])
def test_wrong_usage_has_the_shape(run, arguments):
    assert_shape(run(*arguments, "--json"), arguments[0], 2)


def test_of_several_tenants_each_has_the_shape(sim, settings, run, monkeypatch):
    monkeypatch.setenv(f"{SECTION}TENANTS", "berlin, osaka")
    monkeypatch.setenv(f"{SECTION}OSAKA__PROJECT_ID", "0" * 32)

    for command in ("sync", "status"):
        results = assert_shape(run(command, "--json"), command, 2)
        assert {name: (one["ok"], one["exit_code"], one["pipeline"]) for name, one in results["tenants"].items()} == {
            "berlin": (True, 0, "metastudio_berlin"),
            "osaka": (False, 2, "metastudio_osaka"),
        }
        assert all(one.keys() >= COMMON for one in results["tenants"].values())


@pytest.mark.parametrize(("error", "code"), [(TerminatedError, 143), (KeyboardInterrupt, 130)])
def test_a_command_that_is_interrupted_has_the_shape(settings, run, monkeypatch, error, code):
    def interrupt(*_):
        raise error

    monkeypatch.setattr("metastudio.commands.tenants.sync_tenants", interrupt)

    ended = run("sync", "--json", "--pipeline", "other")

    assert ended.code == code
    assert assert_shape(ended, "sync", code)["pipeline"] == "other"


@pytest.mark.parametrize("command", [["status"], ["prune", "--older-than", "9"], ["check"], ["sync"]])
def test_a_tenant_that_is_not_there_is_named_as_the_mistake(settings, run, command):
    ended = run(*command, "--tenant", "nobody", "--json")

    assert assert_shape(ended, command[0], 2)["error"]["message"] == "There is no tenant of this name."
