"""Delta tables on S3, synced by `metastudio` and read by a distributed engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from metastudio.records.schema import TABLES
from metastudio_simulator import Simulator

from tests.lake.conftest import ACCESS_KEY, BIN, BUCKET, REGION, SECRET_KEY
from tests.support.rows import COLUMNS, shown_rows

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:pyspark", "ignore::DeprecationWarning:pyspark")

PAGE = (Path(__file__).parents[2] / "docs" / "lake.md").read_text(encoding="utf-8")
VIDEOS = "digital_human_videos"


class Lake:
    """A tenant, the settings that sync it into the store, and the tables that Spark finds there."""

    def __init__(self, sim, store, home, folder, name, spark):
        self.sim, self.folder, self.url = sim, folder, f"s3://{BUCKET}/{name}"
        self._spark = spark
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "SOURCES__METASTUDIO__ENDPOINT": sim.url,
            "SOURCES__METASTUDIO__PROJECT_ID": sim.project_id,
            "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY": sim.access_key,
            "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY": sim.secret_key,
            "SOURCES__METASTUDIO__REQUESTS_PER_SECOND": "1000",
            "SOURCES__METASTUDIO__CHUNK_ROWS": "250",
            "SOURCES__METASTUDIO__MAX_ROWS_PER_WINDOW": "100",
            "DESTINATION__FILESYSTEM__BUCKET_URL": self.url,
            "DESTINATION__FILESYSTEM__CREDENTIALS__AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "DESTINATION__FILESYSTEM__CREDENTIALS__AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "DESTINATION__FILESYSTEM__CREDENTIALS__REGION_NAME": REGION,
            "DESTINATION__FILESYSTEM__CREDENTIALS__ENDPOINT_URL": store,
            "DLT_DATA_DIR": str(folder / "state"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }

    def start(self, command, *options):
        return subprocess.Popen(
            [str(BIN / "metastudio"), command, "--destination", "filesystem", "--json", *options],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, command, *options, code=0):
        return finish(self.start(command, *options), code)

    def read(self, table=VIDEOS):
        """Read a table with Spark: its columns, and its rows as dictionaries, times in UTC."""
        return self._spark.read.format("delta").load(f"{self.url}/metastudio/{table}").toArrow()

    def live_rows(self):
        rows = [row for row in self.read().to_pylist() if row["deleted_at"] is None]
        return sorted(tuple(row[name] for name in COLUMNS) for row in rows if row["project_id"] == self.sim.project_id)


def finish(process, code=0):
    out, err = process.communicate()
    assert process.returncode == code, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def lake(store, home, spark, tmp_path_factory):
    with Simulator(jobs=600, days=400, seed=7, now="2026-01-15T12:00:00Z") as sim:
        yield Lake(sim, store, home, tmp_path_factory.mktemp("lake"), "jobs", spark)


def test_a_backfill_in_chunks_is_read_back_by_spark_row_by_row(lake):
    summary = lake.run("sync")

    assert (summary["mode"], len(summary["load_ids"]) > 2) == ("backfill", True)
    assert lake.live_rows() == shown_rows(lake.sim)


def test_all_tables_have_their_declared_columns_and_types_also_the_empty_one(lake):
    for table in TABLES:
        schema = lake.read(table.name).schema
        assert [(field.name, str(field.type)) for field in schema] == [
            (field.name, str(field.type)) for field in table.arrow_schema()
        ]


def test_later_changes_arrive_and_the_history_keeps_what_was_before(lake):
    job = next(job["job_id"] for job in lake.sim.tenant.visible() if job["state"] == "SUCCEED")
    lake.sim.clock.advance(86_400)
    lake.sim.tenant.change_some(create=40, update=60)
    lake.sim.tenant.update(job, state="BLOCK")
    assert lake.run("sync")["mode"] == "changes"

    assert lake.live_rows() == shown_rows(lake.sim)
    states = [row["state"] for row in lake.read("digital_human_video_states").to_pylist() if row["job_id"] == job]
    assert sorted(states) == ["BLOCK", "SUCCEED"]


def test_an_audit_finds_what_vanished_by_asking_the_lake_and_marks_it(lake):
    gone = lake.sim.tenant.visible()[5]["job_id"]
    lake.sim.tenant.vanish(gone)
    lake.sim.clock.advance(3_600)
    assert lake.run("audit")["marked_deleted"] == 1
    assert lake.run("audit", "--dry-run")["error"] is None

    (marked,) = [row for row in lake.read().to_pylist() if row["deleted_at"] is not None]
    assert (marked["job_id"], marked["deleted_at"]) == (gone, datetime(2026, 1, 16, 13, tzinfo=UTC))
    assert lake.live_rows() == shown_rows(lake.sim)


def test_another_machine_continues_from_the_state_in_the_lake(lake):
    shutil.rmtree(lake.folder / "state")
    lake.sim.clock.advance(3_600)
    lake.sim.stats.reset()

    assert lake.run("sync")["mode"] == "changes"
    assert lake.sim.stats.requests <= 3
    assert lake.run("status")["tables"][VIDEOS] == len(shown_rows(lake.sim)) + 1


def test_a_field_that_the_api_adds_becomes_a_column_of_the_lake(lake):
    job = lake.sim.tenant.visible()[-1]["job_id"]
    lake.sim.clock.advance(3_600)
    lake.sim.tenant.corrupt(job, priority=3, tags=["a"])
    lake.sim.tenant.update(job, asset_name="new fields")
    lake.run("sync")

    (row,) = [row for row in lake.read().to_pylist() if row["job_id"] == job]
    assert (row["priority"], json.loads(row["tags"])) == (3.0, ["a"])


def test_a_sync_that_is_killed_is_finished_by_the_next_one(store, home, spark, tmp_path):
    with Simulator(jobs=600, days=400, seed=9, now="2026-01-15T12:00:00Z") as sim:
        lake = Lake(sim, store, home, tmp_path, "killed", spark)
        process = lake.start("sync")
        assert "backfill" in process.stderr.readline()  # the first chunk is in, and the second one is being loaded
        process.kill()
        process.communicate()
        summary = lake.run("sync")

        assert summary["mode"] == "backfill"
        assert lake.live_rows() == shown_rows(sim)
        assert Counter(row["job_id"] for row in lake.read().to_pylist()).most_common(1)[0][1] == 1


def test_the_query_of_the_page_runs_on_spark(lake, spark):
    python = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    names = {"spark": spark}
    exec(python.replace("s3://my-lake", lake.url), names)

    per_day = {row["day"]: row["created"] for row in names["per_day"].collect()}
    assert sum(per_day.values()) == len(shown_rows(lake.sim))
    assert min(per_day) >= (datetime(2026, 1, 16, tzinfo=UTC) - timedelta(days=402)).date()


def test_settings_on_the_page_are_those_tested_here(lake):
    named = set(re.findall(r"DESTINATION__[A-Z_]+", PAGE))
    assert named == {name for name in lake.environment if name.startswith("DESTINATION__")}
