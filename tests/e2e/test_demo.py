"""The demo runs from start to end, and again over its own file, but not over anybody else's."""

from __future__ import annotations

import duckdb
from metastudio.cli import demo


def test_the_demo_ends_with_the_report_and_can_be_run_again(run, folder):
    ended = run("demo")

    assert ended.code == 0, ended.err
    assert "sync done (backfill)" in ended.out
    assert "marked as deleted" in ended.out
    with duckdb.connect(str(folder / "videos.duckdb"), read_only=True) as connection:
        (project_id,) = connection.sql("SELECT DISTINCT project_id FROM metastudio.digital_human_videos").fetchone()
    demo.remove_earlier_demo(project_id)
    assert not (folder / "videos.duckdb").exists()


def test_the_demo_leaves_a_file_that_is_not_its_own_alone(run, folder):
    with duckdb.connect(str(folder / "videos.duckdb")) as connection:
        connection.execute("CREATE SCHEMA metastudio; CREATE TABLE metastudio.digital_human_videos (project_id TEXT)")
        connection.execute("INSERT INTO metastudio.digital_human_videos VALUES ('ours')")

    ended = run("demo")

    assert ended.code == 2
    assert "not the demo's" in ended.err
    assert (folder / "videos.duckdb").exists()
