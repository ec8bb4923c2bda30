"""Runs the commands that must work with the wheel alone, without its extras.

Run by `make wheel-test`, with that environment's Python as first argument.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

JOBS = 300


def run(environment: dict[str, str], folder: Path, *command: str) -> str:
    """Run a command to its end, and return what it printed."""
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} ended with exit code {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def read_settings(simulator: subprocess.Popen[str]) -> dict[str, str]:
    """Return the settings that `metastudio simulate` prints, up to the last one."""
    assert simulator.stdout is not None
    found: dict[str, str] = {}
    for line in simulator.stdout:
        if setting := re.match(r"export (\w+)=(\S+)", line):
            found[setting[1]] = setting[2]
        if len(found) == 4:
            return found
    sys.exit("metastudio simulate ended before it printed its settings")


def try_commands(python: str, folder: Path) -> None:
    """Type the commands in an empty folder."""
    command = str(Path(python).parent / "metastudio")
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    environment = {**kept, "DLT_DATA_DIR": str(folder / "state")}
    assert "Usage:" in run(environment, folder, command, "--help")
    version = run(environment, folder, python, "-c", "import metastudio; print(metastudio.__version__)").strip()
    assert version in run(environment, folder, python, "-m", "metastudio", "--version")
    assert "None" not in run(environment, folder, python, "-c", "from metastudio import metastudio; print(metastudio)")
    chinese = "from metastudio.reporting.language import load_language; print(load_language('zh').gettext('today'))"
    assert "今天" in run({**environment, "PYTHONUTF8": "1"}, folder, python, "-c", chinese)
    simulate = [command, "simulate", "--jobs", str(JOBS)]
    with subprocess.Popen(
        simulate, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as simulator:
        environment |= read_settings(simulator)
        run(environment, folder, command, "check")
        first = json.loads(run(environment, folder, command, "sync", "--json").splitlines()[-1])
        status = json.loads(run(environment, folder, command, "status", "--json").splitlines()[-1])
        assert first["ok"] and status["tables"]["digital_human_videos"] >= JOBS, (first, status)
        simulator.send_signal(signal.SIGINT)
        printed = simulator.communicate(timeout=30)[1]
    assert not printed.strip(), printed
    assert simulator.returncode == 0, simulator.returncode


def main() -> None:
    python = str(Path(sys.argv[1]).absolute())
    with tempfile.TemporaryDirectory() as folder:
        try_commands(python, Path(folder))
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    sys.stdout.write(f"{version}: --help, simulate, check, sync and status work with the core only\n")


if __name__ == "__main__":
    main()
