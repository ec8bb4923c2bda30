"""The files for schedulers treat each exit code as the README says that a scheduler should."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = re.search(r"\| exit code .*?\n\n", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
CODES = dict(re.findall(r"^\| (\d) \|[^|]*\| ([a-z ]+) \|$", TABLE, re.MULTILINE))


def codes_to(*actions):
    return {code for code, action in CODES.items() if action in actions}


def test_systemd_treats_the_exit_codes_as_the_readme_says():
    unit = ConfigParser(interpolation=None)
    unit.read(ROOT / "schedulers" / "metastudio.service")
    service = unit["Service"]

    assert set(CODES) == set("0123456")
    assert set(service["SuccessExitStatus"].split()) == codes_to("skip")
    assert set(service["RestartPreventExitStatus"].split()) == codes_to("not retry", "alert")
    assert (service["Type"], service["Restart"]) == ("oneshot", "on-failure")


def test_the_dag_treats_the_exit_codes_as_the_readme_says():
    dag = (ROOT / "schedulers" / "airflow_dag.py").read_text(encoding="utf-8")

    assert set(re.search(r"in \((.*)\):\n *raise AirflowFailException", dag)[1].split(", ")) == codes_to(
        "not retry", "alert"
    )
    assert {re.search(r"== (\d):\n *raise AirflowSkipException", dag)[1]} == codes_to("skip")
