"""The Airflow DAG parses and runs, and turns each exit code into what a scheduler should do."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv" / "bin" / "metastudio"


@pytest.fixture
def dag():
    bag = DagBag(str(ROOT / "schedulers" / "airflow_dag.py"))
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    return dag


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """Let the DAG call a program that ends with these exit codes, one per call."""

    def pretend(*codes):
        program, left = tmp_path / "metastudio", tmp_path / "codes"
        left.write_text("\n".join(map(str, codes)) + "\n")
        program.write_text(
            f"#!/bin/sh\ncode=$(head -n 1 {left}); sed -i 1d {left}\n"
            'echo "{\\"error\\": {\\"message\\": \\"fake failure\\"}, \\"arguments\\": \\"$*\\"}"; exit $code\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("METASTUDIO", str(program))
        return left

    return pretend


@pytest.fixture
def simulator(tmp_path, monkeypatch):
    """Serve a simulated tenant, and set the environment variables that it prints."""
    command = [str(PROGRAM), "simulate", "--port", "0", "--jobs", "300"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        for line in server.stdout:
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                monkeypatch.setenv(name, value)
            if "SECRET_KEY" in line:
                break
        monkeypatch.setenv("METASTUDIO", str(PROGRAM))
        monkeypatch.setenv("SOURCES__METASTUDIO__BUILD_MODELS", "false")
        monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "state"))
        monkeypatch.chdir(tmp_path)
        yield
        server.terminate()


def test_it_runs_every_15_minutes_one_run_at_a_time(dag):
    assert (dag.dag_id, dag.timetable.expression) == ("metastudio", "*/15 * * * *")
    assert (dag.max_active_runs, dag.catchup) == (1, False)


def test_a_run_syncs_and_hands_the_summary_on(dag, simulator, tmp_path):
    run = dag.test()

    assert run.state == "success"
    (sync,) = run.get_task_instances()
    assert sync.xcom_pull(task_ids="sync")["rows_loaded"] >= 300
    assert (tmp_path / "videos.duckdb").exists()


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (6, AirflowSkipException),
        (1, AirflowFailException),
        (2, AirflowFailException),
        (3, AirflowFailException),
        (5, AirflowFailException),
        (4, AirflowException),
        (143, AirflowException),
    ],
)
def test_an_exit_code_becomes_skip_failure_or_retry(dag, pretend, code, raised):
    pretend(code)

    with pytest.raises(AirflowException) as ended:
        dag.get_task("sync").python_callable()

    assert type(ended.value) is raised
    assert str(ended.value) == f"exit code {code}: fake failure"


def test_an_api_that_is_briefly_unreachable_is_tried_again(dag, pretend):
    left = pretend(4, 0)
    dag.get_task("sync").retry_delay = timedelta(0)

    assert dag.test().state == "success"
    assert left.read_text() == ""


def test_a_refused_key_is_not_tried_again(dag, pretend):
    left = pretend(3, 0)

    assert dag.test().state == "failed"
    assert left.read_text() == "0\n"
