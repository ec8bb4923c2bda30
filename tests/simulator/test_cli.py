"""The simulator in the foreground."""

import signal
import subprocess
import sys

import metastudio_simulator
import pytest


def test_serve_prints_the_settings_and_ends_when_interrupted(session):
    program = "from metastudio_simulator import serve; serve(0, 7, quota_per_second=20)"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        settings = {}
        while "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY" not in settings:
            line = process.stdout.readline()
            assert line, "ended before it printed the settings"
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                settings[name] = value
        url = settings["SOURCES__METASTUDIO__ENDPOINT"]
        state = session.get(f"{url}/_admin/state", timeout=20).json()["result"]
        served = session.get(f"{url}/_admin/credentials", timeout=20).json()["result"]
    finally:
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "MetaStudio simulator: stopped.\n", "")
    assert (state["jobs"], state["behavior"]["living"], state["behavior"]["quota_per_second"]) == (7, True, 20)
    assert settings["SOURCES__METASTUDIO__PROJECT_ID"] == served["project_id"]
    assert settings["SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY"] == served["access_key"]
    assert settings["SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY"] == served["secret_key"]


def test_a_port_that_is_taken_is_reported(sim):
    with pytest.raises(OSError, match="in use"):
        metastudio_simulator.Simulator(0, port=int(sim.url.rsplit(":", 1)[1])).start()
