"""The simulator in the foreground, and what it is built of."""

import ast
import signal
import subprocess
import sys
from pathlib import Path

import metastudio_simulator
import pytest


def test_serving_tells_the_settings_to_sync_from_and_ends_when_interrupted(session):
    program = "from metastudio_simulator import serve; serve(0, 7, quota_per_second=20)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        settings = {}
        while "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY" not in settings:
            line = process.stdout.readline()
            assert line, "ended before it told the settings"
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                settings[name] = value
        url = settings["SOURCES__METASTUDIO__ENDPOINT"]
        state = session.get(f"{url}/_admin/state", timeout=20).json()["result"]
        told = session.get(f"{url}/_admin/credentials", timeout=20).json()["result"]
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    assert (state["jobs"], state["switches"]["living"], state["switches"]["quota_per_second"]) == (7, True, 20)
    assert settings["SOURCES__METASTUDIO__PROJECT_ID"] == told["project_id"]
    assert settings["SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY"] == told["access_key"]
    assert settings["SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY"] == told["secret_key"]


def test_a_port_that_is_taken_is_told(sim):
    with pytest.raises(OSError, match="in use"):
        metastudio_simulator.Simulator(0, port=int(sim.url.rsplit(":", 1)[1])).start()


def test_the_simulator_shares_no_code_with_what_it_tests():
    for path in Path(metastudio_simulator.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in names:
                assert name.split(".")[0] not in {"metastudio", "dlt"}, path
                assert not name.startswith("huaweicloudsdk"), path
