"""What a scrub found is in the ledger, in the summary and in the report, in the same figures."""

from __future__ import annotations

import duckdb
import pytest

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)


def test_a_job_that_changed_unseen_is_counted_in_ledger_summary_and_report(sim, synced, run, query, folder):
    job = sorted(sim.tenant.visible(), key=lambda each: each["create_time"])[-50]["job_id"]
    with duckdb.connect(str(folder / "videos.duckdb")) as connection:
        table = "metastudio.digital_human_videos"
        connection.execute(f"UPDATE {table} SET output_asset_config__asset_name = 'old' WHERE job_id = ?", [job])
    sim.clock.advance(31 * 86_400)

    told = run("sync", "--json").json

    assert (told["scrub_changed"], told["scrubbed"] > 1) == (1, True)
    lines = "SELECT sum(rows_read), sum(rows_changed) FROM metastudio.extraction_windows WHERE mode = 'scrub'"
    assert query(lines) == [(told["scrubbed"], 1)]
    sentence = f"Scrub: 1 of {told['scrubbed']:,} jobs had changed unseen in the last 30 days."
    health = run("report", "--json").json["health"]
    assert (health["scrubbed"], health["scrub_changed"]) == (told["scrubbed"], 1)
    assert sentence in " ".join(run("report").out.split())
