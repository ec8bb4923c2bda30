"""The dlt source without the command line: `pipeline.run(metastudio())`."""

from __future__ import annotations

import dlt
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from metastudio.errors import ConfigurationError

from tests.support.rows import held_rows, shown_rows


def test_the_source_is_usable_on_its_own(sim, settings, query, folder):
    from metastudio import metastudio

    pipeline = dlt.pipeline(
        "own", destination=dlt.destinations.duckdb(str(folder / "videos.duckdb")), dataset_name="metastudio"
    )
    pipeline.run(metastudio())
    sim.clock.advance(7200)
    sim.tenant.update(sim.tenant.visible()[3]["job_id"], asset_name="late")
    pipeline.run(metastudio())

    assert held_rows(query) == shown_rows(sim)
    assert pipeline.state["sources"]["metastudio"]["watermark"] == "2026-01-15T14:00:00Z"


def test_a_run_of_the_source_opens_the_file_once_and_releases_it_if_reading_fails(sim, settings, folder, monkeypatch):
    from metastudio import metastudio
    from metastudio.destination import duckdb_file

    opened, open_file = [], duckdb_file.open_file
    monkeypatch.setattr(
        "metastudio.destination.connection.open_file", lambda *args: (opened.append(args), open_file(*args))
    )
    pipeline = dlt.pipeline("own", destination="duckdb", dataset_name="metastudio")
    pipeline.run(metastudio())
    opened.clear()
    sim.clock.advance(7200)
    pipeline.run(metastudio())
    assert len(opened) == 2, "one check before dlt makes the file, and one connection for all that is asked"

    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY", "wrong")
    with pytest.raises(PipelineStepFailed) as failed:
        pipeline.run(metastudio())

    assert failed.value.exception is not None
    with duckdb.connect(str(folder / "videos.duckdb"), read_only=True):  # refused while the process has it open
        pass


def test_the_source_alone_notices_a_destination_restored_from_an_older_copy(sim, settings, query, folder):
    from metastudio import metastudio

    def load():
        pipeline = dlt.pipeline("alone", destination="duckdb", dataset_name="metastudio")
        pipeline.run(metastudio())
        return pipeline

    load()
    copy = (folder / "videos.duckdb").read_bytes()
    sim.clock.advance(86_400)
    sim.tenant.change_some(create=5, update=10)
    load()
    (folder / "videos.duckdb").write_bytes(copy)

    with pytest.raises(PipelineStepFailed, match="it was restored"):
        load()
    dlt.attach("alone").drop()
    load()
    load()

    assert held_rows(query) == shown_rows(sim)


def test_the_source_alone_refuses_the_file_that_dlt_names_like_the_dataset(sim, settings, folder, monkeypatch):
    from metastudio import metastudio

    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    pipeline = dlt.pipeline("metastudio", destination="duckdb", dataset_name="metastudio")

    with pytest.raises(ConfigurationError, match="set DESTINATION__DUCKDB__CREDENTIALS=videos"):
        pipeline.run(metastudio())
    assert sim.stats.requests == 0
    assert not (folder / "metastudio.duckdb").exists()


def test_the_source_made_before_its_pipeline_refuses_that_file_too(sim, settings, monkeypatch):
    from metastudio import metastudio

    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    dlt.pipeline("fine", destination="duckdb", dataset_name="metastudio")
    source = metastudio()

    with pytest.raises(PipelineStepFailed, match="set DESTINATION__DUCKDB__CREDENTIALS=videos"):
        dlt.pipeline("metastudio", destination="duckdb", dataset_name="metastudio").run(source)
    assert sim.stats.requests == 0
