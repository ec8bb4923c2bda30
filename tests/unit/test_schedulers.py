"""The files for schedulers treat each exit code as the docs say."""

from __future__ import annotations

import re
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCHEDULERS = ROOT / "schedulers"
TABLE = re.search(r"\| exit code .*?\n\n", (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), re.DOTALL)[0]
CODES = dict(re.findall(r"^\| (\d) \|[^|]*\| ([a-z ]+) \|$", TABLE, re.MULTILINE))


def codes_to(*actions):
    return {code for code, action in CODES.items() if action in actions}


@pytest.fixture
def run_cron(tmp_path):
    """Run cron.sh with a program that ends with an exit code."""

    def run_cron(code):
        program = tmp_path / ".venv" / "bin" / "metastudio"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\necho "summary of $*"\necho "what went wrong" >&2\nexit {code}\n')
        program.chmod(0o755)
        return subprocess.run(
            [SCHEDULERS / "cron.sh", "sync"],
            env={"METASTUDIO_FOLDER": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_cron


@pytest.mark.parametrize("code", sorted(codes_to("go on", "skip")))
def test_cron_is_silent_if_nobody_has_to_act(run_cron, tmp_path, code):
    ended = run_cron(code)

    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
    assert (tmp_path / "metastudio.jsonl").read_text() == "summary of sync --json\n"


@pytest.mark.parametrize("code", sorted(codes_to("retry later", "not retry", "alert")))
def test_cron_mails_a_failure_and_keeps_its_exit_code(run_cron, code):
    ended = run_cron(code)

    assert str(ended.returncode) == code
    assert f"exit code {code}" in ended.stdout and "what went wrong" in ended.stdout


def test_the_crontab_calls_the_script_that_is_there():
    crontab = re.findall(r"/srv/metastudio/(\S+) (\w+)$", (ROOT / "docs" / "scheduling.md").read_text(), re.MULTILINE)

    assert crontab == [("schedulers/cron.sh", "sync"), ("schedulers/cron.sh", "audit")]
    assert (ROOT / crontab[0][0]).stat().st_mode & 0o111


def test_systemd_treats_the_exit_codes_as_the_docs_say():
    unit = ConfigParser(interpolation=None)
    unit.read(SCHEDULERS / "metastudio.service")
    service = unit["Service"]

    assert set(CODES) == set("0123456")
    assert set(service["SuccessExitStatus"].split()) == codes_to("skip")
    assert set(service["RestartPreventExitStatus"].split()) == codes_to("not retry", "alert")
    assert (service["Type"], service["Restart"]) == ("oneshot", "on-failure")


def test_the_dag_treats_the_exit_codes_as_the_docs_say():
    dag = (SCHEDULERS / "airflow_dag.py").read_text(encoding="utf-8")

    assert set(re.search(r"in \((.*)\):\n *raise AirflowFailException", dag)[1].split(", ")) == codes_to(
        "not retry", "alert"
    )
    assert {re.search(r"== (\d):\n *raise AirflowSkipException", dag)[1]} == codes_to("skip")


def test_a_unit_that_fails_starts_one_that_is_there_and_sends_its_log():
    unit = (SCHEDULERS / "metastudio.service").read_text()
    (alert,) = re.findall(r"^OnFailure=(\S+)@%n\.service$", unit, re.MULTILINE)

    command = re.search(r"^ExecStart=(.+)$", (SCHEDULERS / f"{alert}@.service").read_text(), re.MULTILINE)[1]

    assert '--unit="%i"' in command and "| mail -s" in command


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_crontab_of_one_line_is_silent_but_for_failures(tmp_path, code):
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    line = re.search(r"^\S+ \* \* \* \*  cd /srv/metastudio && (.*sync --quiet.*)$", page, re.MULTILINE)[1]
    program = tmp_path / ".venv" / "bin" / "metastudio"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)

    ended = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, check=False)

    assert (ended.returncode == 0) == (code in ("0", "6"))
