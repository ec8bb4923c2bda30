"""What the README tells people to type works, and what it lists is what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
TYPED = [line[2:] for kind, text in FENCES if kind == "console" for line in text.splitlines() if line.startswith("$ ")]

DAGSTER = (
    "export DAGSTER_HOME=",
    ".venv/bin/python -m metastudio.orchestration",
    ".venv/bin/dagster dev -m metastudio.orchestration",
)
"""What the tests of Dagster run."""


def test_every_command_typed_in_the_readme_is_one_of_these():
    for line in TYPED:
        assert line.startswith((".venv/bin/metastudio ", "make ", "export SOURCES__METASTUDIO__", *DAGSTER)), line


@pytest.mark.parametrize("line", [line for line in TYPED if "metastudio " in line and " simulate" not in line])
def test_a_command_of_the_readme_works(settings, run, line):
    if " sync" not in line:
        assert run("sync").code == 0

    ended = run(*line.split()[1:])

    assert ended.code == 0, ended.err


def test_the_simulator_prints_settings_that_work(folder):
    import os
    import signal
    import subprocess
    import sys

    program = "import sys; sys.argv[0] = 'metastudio'; from metastudio.cli import main; main()"
    arguments = next(line for line in TYPED if " simulate" in line).split()[1:]
    arguments[arguments.index("--port") + 1] = "0"
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        exported = {}
        while len(exported) < 4:
            line = server.stdout.readline()
            assert line, server.stderr.read()
            if line.startswith("export "):
                name, _, value = line[len("export ") :].strip().partition("=")
                exported[name] = value
        ended = subprocess.run(
            [sys.executable, "-c", program, "check"],
            env={**os.environ, **exported},
            capture_output=True,
            text=True,
            check=False,
        )
        server.send_signal(signal.SIGINT)
        server.communicate()

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "FAILED" not in ended.stdout


def test_the_targets_of_the_readme_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"[`$] ?make ([a-z-]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_settings_listed_are_the_settings_there_are():
    from metastudio.config.settings import Settings

    table = README[README.index("### Settings") : README.index("### In Python")]
    listed = set(
        re.findall(
            r"`([a-z_]+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
        )
    )
    assert listed | {"credentials"} == {field.name for field in fields(Settings) if not field.name.startswith("_")}


def test_the_commands_listed_are_the_commands_there_are():
    from metastudio.cli.app import cli

    table = README[README.index("### Commands") : README.index("| exit code")]
    assert set(re.findall(r"`metastudio ([a-z]+)", table)) == set(cli.commands)


def test_the_python_of_the_readme_runs(settings, folder):
    code = next(text for kind, text in FENCES if kind == "python")
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)

    assert names["pipeline"].last_trace.last_normalize_info.row_counts["digital_human_videos"] == 600


def test_links_and_pictures_of_the_readme_are_there():
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_settings_of_several_tenants_are_read_as_shown(folder, monkeypatch):
    import subprocess
    import sys

    text = next(text for kind, text in FENCES if kind == "toml")
    config, _, secrets = text.partition("# .dlt/secrets.toml")
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text(config.replace("…", "p1", 1).replace("…", "p2"), encoding="utf-8")
    (folder / ".dlt" / "secrets.toml").write_text(secrets, encoding="utf-8")
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", "of the machine")
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "of the machine")
    code = (
        "from metastudio.settings import *\n"
        "for name in list_tenants():\n"
        "    tenant = resolve_tenant(name)\n"
        "    print(name, tenant.project_id, tenant.region, tenant.overlap.seconds, tenant.credentials.access_key)"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines() == ["berlin p1 cn-north-4 900 …", "osaka p2 cn-east-3 900 of the machine"]
