"""Several tenants in one dataset: each is complete, whatever happens to the others."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from filelock import FileLock
from metastudio.api.auth import AccessKey, Token
from metastudio.commands import tenants
from metastudio.commands.progress import LogProgress
from metastudio.commands.result import LoadResult, MultiTenantResult
from metastudio.commands.tenants import sync_tenants
from metastudio.config.tenant import resolve_tenant
from metastudio.errors import (
    BusyError,
    ConfigurationError,
    CredentialsError,
    IncompleteError,
    MetaStudioError,
    UnavailableError,
)
from metastudio.pipeline.options import Options
from metastudio_simulator import Simulator

from tests.support.command_line import NOW, run_in_process, start_process

SECTION = "SOURCES__METASTUDIO__"
NAMES = ("berlin", "osaka", "team_3")


@pytest.fixture
def company(folder, monkeypatch) -> Iterator[dict[str, Simulator]]:
    """Start three simulated tenants, and the settings that sync all of them."""
    with ExitStack() as stack:
        sims = {
            name: stack.enter_context(Simulator(jobs=150, days=90, seed=seed, now=NOW))
            for seed, name in enumerate(NAMES, start=1)
        }
        monkeypatch.setenv(f"{SECTION}TENANTS", json.dumps(NAMES))
        monkeypatch.setenv(f"{SECTION}REQUESTS_PER_SECOND", "1000")
        monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "videos.duckdb"))
        for name, sim in sims.items():
            configure(monkeypatch, name, sim)
        yield sims


def configure(monkeypatch, name, sim, **more):
    values = {
        "ENDPOINT": sim.url,
        "PROJECT_ID": sim.project_id,
        "CREDENTIALS__ACCESS_KEY": sim.access_key,
        "CREDENTIALS__SECRET_KEY": sim.secret_key,
        **more,
    }
    for setting, value in values.items():
        monkeypatch.setenv(f"{SECTION}{name.upper()}__{setting}", value)


def shown(*sims):
    return sorted((sim.project_id, job["job_id"], job["state"]) for sim in sims for job in sim.tenant.visible())


def read_loaded(query):
    return sorted(query("SELECT project_id, job_id, state FROM metastudio.digital_human_videos"))


def test_all_tenants_are_synced_into_one_dataset_each_with_a_state_of_its_own(company, run, query):
    ended = run("sync", "--json")

    assert ended.code == 0, ended.err
    assert read_loaded(query) == shown(*company.values())
    assert list(ended.json["tenants"]) == list(NAMES)
    assert ended.json["rows_read"] == sum(its["rows_read"] for its in ended.json["tenants"].values())
    assert {(its["ok"], its["exit_code"]) for its in ended.json["tenants"].values()} == {(True, 0)}
    assert query("SELECT DISTINCT pipeline_name FROM metastudio._dlt_pipeline_state ORDER BY 1") == [
        (f"metastudio_{name}",) for name in NAMES
    ]
    assert query("SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_schema LIKE '%staging%'")
    stagings = query("SELECT DISTINCT schema_name FROM information_schema.schemata WHERE schema_name LIKE '%staging%'")
    assert {name for (name,) in stagings} == {f"metastudio_staging_metastudio_{name}" for name in NAMES}

    assert [its["requests"] for its in run("sync", "--json").json["tenants"].values()] == [1, 1, 1]


def test_a_failing_tenant_does_not_block_the_others_and_the_summary_names_it(company, run, query, monkeypatch):
    monkeypatch.setenv(f"{SECTION}OSAKA__CREDENTIALS__SECRET_KEY", "wrong")

    ended = run("sync")

    assert ended.code == 3
    assert "osaka: Error: " in ended.err
    assert "1 of 3 tenants failed: osaka (exit code 3)." in ended.err
    assert "berlin: sync done" in ended.out
    assert read_loaded(query) == shown(company["berlin"], company["team_3"])
    monkeypatch.setenv(f"{SECTION}OSAKA__CREDENTIALS__SECRET_KEY", company["osaka"].secret_key)
    assert run("sync").code == 0
    assert read_loaded(query) == shown(*company.values())


def test_a_tenant_without_settings_and_one_that_another_run_holds_fail_alone(company, run, query, folder, monkeypatch):
    monkeypatch.delenv(f"{SECTION}BERLIN__PROJECT_ID")
    lock = folder / "state" / "pipelines" / "metastudio_osaka.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        ended = run("sync", "--json")

    assert {name: its["exit_code"] for name, its in ended.json["tenants"].items()} == {
        "berlin": 2,
        "osaka": 6,
        "team_3": 0,
    }
    assert read_loaded(query) == shown(company["team_3"])


def test_a_slow_tenant_does_not_block_others(company, monkeypatch):
    berlin_is_done = threading.Event()

    class ProgressListener(LogProgress):
        def __init__(self, name=""):
            self.name = name

        def of(self, tenant):
            return ProgressListener(tenant)

        def start(self, tenant, reader):
            if self.name == "osaka":
                assert berlin_is_done.wait(60)
            super().start(tenant, reader)

        def on_chunk_loaded(self, summary, chunk):
            if self.name == "berlin":
                berlin_is_done.set()

    monkeypatch.setenv(f"{SECTION}TENANTS", "osaka, berlin")
    assert sync_tenants(Options(), ProgressListener()).error is None


def test_one_tenant_can_be_chosen(company, run, query):
    ended = run("sync", "--tenant", "osaka", "--json")

    assert ended.code == 0
    assert "tenants" not in ended.json
    assert read_loaded(query) == shown(company["osaka"])
    assert company["berlin"].stats.requests == 0
    assert run("status", "--tenant", "osaka", "--json").json["pipeline"] == "metastudio_osaka"
    refused = run("sync", "--tenant", "paris")
    assert refused.code == 2
    assert "berlin, osaka, team_3" in refused.err


def test_every_command_works_for_all_tenants(company, run, query, monkeypatch):
    monkeypatch.setenv(f"{SECTION}TENANTS", "berlin, osaka")
    run("sync")
    gone = company["berlin"].tenant.visible()[3]["job_id"]
    company["berlin"].tenant.vanish(gone)

    audit = run("audit")
    status = run("status", "--json")
    check = run("check")
    backfill = run("backfill", "--since", "2025-12-01", "--json")

    assert (audit.code, status.code, check.code, backfill.code) == (0, 0, 0, 0)
    assert "berlin: all jobs" in audit.out
    assert query("SELECT job_id FROM metastudio.digital_human_videos WHERE deleted_at IS NOT NULL") == [(gone,)]
    assert {name: its["tables"]["digital_human_videos"] for name, its in status.json["tenants"].items()} == {
        "berlin": 150,
        "osaka": 150,
    }
    assert check.out.count(": ok ") >= 2 * 5
    assert {its["mode"] for its in backfill.json["tenants"].values()} == {"backfill"}


def test_two_tenants_of_one_project_are_refused_unless_each_has_an_app_user(company, run, query, monkeypatch):
    sim = company["berlin"]
    configure(monkeypatch, "osaka", sim)
    monkeypatch.setenv(f"{SECTION}TENANTS", "berlin, osaka")

    refused = run("sync")
    assert refused.code == 2
    assert "berlin and osaka ask for the same project" in refused.err

    for name, user in (("berlin", "user-1"), ("osaka", "user-2")):
        monkeypatch.setenv(f"{SECTION}{name.upper()}__APP_USER_ID", user)
    for number, job in enumerate(sim.tenant.visible()):
        sim.tenant.job(job["job_id"]).app_user_id = f"user-{1 + number % 3}"
    assert run("sync").code == 0
    assert query("SELECT app_user_id, count(*) FROM metastudio.digital_human_videos GROUP BY 1 ORDER BY 1") == [
        ("user-1", 50),
        ("user-2", 50),
    ]
    audit = run("audit", "--dry-run", "--tenant", "berlin")
    assert audit.code == 0, audit.out + audit.err
    assert query("SELECT DISTINCT app_user_id FROM metastudio.extraction_windows ORDER BY 1") == [
        ("user-1",),
        ("user-2",),
    ]


def test_a_tenants_section_overrides_the_common_one_and_credentials_are_never_mixed(folder, monkeypatch):
    for name, value in {
        "TENANTS": '["berlin", "osaka"]',
        "RESCAN_DAYS": "5",
        "BERLIN__RESCAN_DAYS": "7",
        "BERLIN__PROJECT_ID": "one",
        "OSAKA__PROJECT_ID": "two",
        "CREDENTIALS__ACCESS_KEY": "shared",
        "CREDENTIALS__SECRET_KEY": "shared",
        "OSAKA__CREDENTIALS__TOKEN": "its-own",
    }.items():
        monkeypatch.setenv(SECTION + name, value)

    berlin, osaka = resolve_tenant("berlin"), resolve_tenant("osaka")

    assert (berlin.project_id, osaka.project_id) == ("one", "two")
    assert (berlin.rescan.days, osaka.rescan.days) == (7, 5)
    assert isinstance(berlin.credentials, AccessKey)
    assert isinstance(osaka.credentials, Token)


def test_tenants_are_read_from_the_files_of_dlt(company, run, query, folder, monkeypatch):
    for name in [name for name in os.environ if name.startswith(SECTION)]:
        monkeypatch.delenv(name)
    lines = ["[sources.metastudio]", 'tenants = ["berlin", "osaka"]', "build_models = false"]
    for name in ("berlin", "osaka"):
        sim = company[name]
        lines += [f"[sources.metastudio.{name}]", f'project_id = "{sim.project_id}"', f'endpoint = "{sim.url}"']
        lines += [f"[sources.metastudio.{name}.credentials]", f'token = "{sim.token()}"']
    secrets = folder / "settings" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text("\n".join(lines))
    secrets.chmod(0o600)

    ended = run_in_process("sync", "--config-dir", "settings")

    assert ended.code == 0, ended.err
    assert read_loaded(query) == shown(company["berlin"], company["osaka"])


@pytest.mark.parametrize("names", ["Berlin", "a__b", "credentials", "berlin,berlin", "a b", "x" * 31])
def test_a_name_that_cannot_be_one_is_refused(folder, run, monkeypatch, names):
    monkeypatch.setenv(f"{SECTION}TENANTS", names)

    ended = run("sync")

    assert ended.code == 2
    assert "sources.metastudio.tenants" in ended.err


def test_a_misspelled_setting_of_a_tenant_is_reported(company, run, monkeypatch, caplog):
    monkeypatch.setenv(f"{SECTION}OSAKA__RESCAN_DAY", "3")
    monkeypatch.setenv(f"{SECTION}PARIS__PROJECT_ID", "3")

    run("check", "--tenant", "osaka")

    assert f"did you mean {SECTION}OSAKA__RESCAN_DAYS?" in caplog.text
    assert f"There is no setting {SECTION}PARIS__PROJECT_ID" in caplog.text


def test_what_tenants_share_is_maintained_once(company, monkeypatch):
    calls = []
    monkeypatch.setattr(
        tenants, "maintain", lambda destination, *, models: calls.append((destination.pipeline.pipeline_name, models))
    )
    monkeypatch.setenv(f"{SECTION}BERLIN__CREDENTIALS__SECRET_KEY", "wrong")

    sync_tenants(Options(), LogProgress())

    assert calls == [("metastudio_osaka", False)]


def test_a_signal_does_not_wait_for_any_tenant(company, run, query, monkeypatch):
    monkeypatch.setenv(f"{SECTION}REQUEST_TIMEOUT_SECONDS", "1")  # after which a request is logged, and tried again
    for sim in company.values():
        sim.behavior.latency_seconds = 120
    with start_process("sync", "-vv") as process:
        for line in process.stderr:
            if "GET " in line or "request" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert process.returncode == 130
    assert "nothing is lost" in rest
    assert "Traceback" not in rest
    for sim in company.values():
        sim.behavior.latency_seconds = 0
    assert run("sync").code == 0
    assert read_loaded(query) == shown(*company.values())


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ((None, None), None),
        ((UnavailableError("."), None), 4),
        ((None, BusyError(".")), 6),
        ((ConfigurationError("."), BusyError(".")), 2),
        ((UnavailableError("."), CredentialsError(".")), 3),
        ((IncompleteError("."), CredentialsError(".")), 5),
        ((BusyError("."), UnavailableError(".")), 4),
        ((MetaStudioError("."), IncompleteError(".")), 1),
    ],
)
def test_the_exit_code_of_all_is_the_gravest_of_each(errors, code):
    results = {
        str(number): LoadResult(command="sync", pipeline="x", error=error) for number, error in enumerate(errors)
    }

    total = MultiTenantResult(command="sync", pipeline="x", by_tenant=results)

    assert (total.error and total.error.exit_code) == code
    assert total.as_json()["ok"] is (code is None)
    assert total.as_json()["exit_code"] == (code or 0)
