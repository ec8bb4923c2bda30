"""Dagster's UI in a browser: lineage, raw tables, checks, and the months of a backfill."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.e2e.orchestrated import Orchestrated, orchestrate

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)
TEXT = "document.body.innerText"
TIMEOUT_MILLISECONDS = 20_000
SCREENSHOTS = os.environ.get("METASTUDIO_SCREENSHOTS")
"""A folder for pictures of the pages, if set."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory):
    """Start an instance after a sync and a backfill of one month."""
    with orchestrate(tmp_path_factory.mktemp("dagster")) as orchestrated, orchestrated.configured():
        months = orchestrated.defs.resolve_assets_def(["metastudio", "backfill"]).partitions_def.get_partition_keys()
        for job, how in (
            ("metastudio_sync", {}),
            ("metastudio_backfill", {"partition_key": months[-2]}),
        ):
            assert orchestrated.execute(job, **how).success
        yield orchestrated


@pytest.fixture(scope="module")
def ui(ran: Orchestrated):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-m", "metastudio.orchestration"]
    with start(*command, "-h", "127.0.0.1", "-p", str(port)) as server:
        wait_until_served(server)
        threading.Thread(target=server.stdout.read).start()  # a full pipe would block the server
        yield f"http://127.0.0.1:{port}"
        server.terminate()


def start(*command: str, **how) -> subprocess.Popen:
    """Start a command that serves the UI, and let the web server log when it is ready."""
    environment = os.environ | {"DAGSTER_WEBSERVER_UVICORN_LOG_LEVEL": "info"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, **how
    )


def wait_until_served(server: subprocess.Popen) -> None:
    """Read the output until the web server is ready."""
    assert any("Uvicorn running on" in line for line in server.stdout)


def look_at(browse, url: str, *texts: str, height: int = 900) -> str:
    """Open a page, wait until it shows some texts, and return its text."""

    async def look(tab):
        await tab.open(url, width=1500, height=height)
        for text in texts:
            await tab.wait(f"{TEXT}.includes({text!r}) || performance.now() > {TIMEOUT_MILLISECONDS}")
        if SCREENSHOTS:
            await tab.evaluate("new Promise(done => setTimeout(done, 1500))")  # animations end
            return await tab.evaluate(TEXT), await tab.shoot()
        return await tab.evaluate(TEXT), b""

    text, picture = browse(look)
    if picture:
        name = "".join(letter if letter.isalnum() else "-" for letter in url.split("/", 3)[3])
        Path(SCREENSHOTS, f"{name}.png").write_bytes(picture)
    assert [wanted for wanted in texts if wanted not in text] == [], text
    return text


def test_the_lineage_runs_from_the_api_to_the_report(browse, ui):
    look_at(browse, f"{ui}/asset-groups", "metastudio_api", "metastudio_raw", "metastudio_reporting")
    page = f"{ui}/assets/metastudio_reporting/daily_production?view=lineage&lineageScope=upstream&lineageDepth=9"
    text = look_at(browse, page, "extraction_windows", "stg_video_jobs", "daily_production", "metastudio_api")
    assert "\napi" in text and "video_jobs" in text


def test_a_tables_page_describes_it_and_its_columns(browse, ui):
    page = f"{ui}/assets/metastudio/digital_human_videos"
    text = look_at(browse, page, "The current version of each video production job.", "Row count", "lastupdate_time")
    assert "When the job last changed, UTC" in text
    assert "metastudio_sync" in text and "Every 15 minutes" in text


def test_a_materialization_shows_the_figures_of_its_run(browse, ui):
    page = f"{ui}/assets/metastudio/digital_human_videos?view=events"
    text = look_at(browse, page, "Materialized in run", "watermark")
    for name in ("rows_read", "rows_loaded", "requests", "quota_percent", "seconds", "backfill"):
        assert name in text


def test_the_checks_of_a_table_are_shown_as_passed(browse, ui):
    page = f"{ui}/assets/metastudio/digital_human_videos?view=checks"
    text = look_at(browse, page, "completeness", "freshness", "Complete: every window was proved complete.")
    assert "blocking asset check" in text and text.count("Succeeded") == 2


def test_the_months_of_the_backfill_can_be_chosen(browse, ui):
    text = look_at(browse, f"{ui}/assets/metastudio/backfill?view=partitions", "Materialized (1)", "2000-01-01")
    assert "Materialize…" in text


def test_make_dagster_serves_the_ui_and_leaves_no_process_behind(tmp_path):
    with start(sys.executable, "-m", "metastudio.orchestration.demo", cwd=tmp_path) as demo:
        url = next(found[0] for line in demo.stdout if (found := re.findall(r"Open (http://127\.0\.0\.1:\d+) ", line)))
        wait_until_served(demo)
        urllib.request.urlopen(f"{url}/server_info").close()
        started = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(signal.SIGINT)
        demo.communicate()

    assert (demo.returncode, len(started) >= 4) == (0, True)
    assert psutil.wait_procs(started, timeout=5)[1] == []
