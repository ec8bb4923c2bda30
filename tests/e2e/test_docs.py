"""README and docs: the commands in them work, and their lists match the code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
import yaml
from metastudio.cli.app import cli
from metastudio.config.credentials import CredentialSettings
from metastudio.config.settings import Settings, resolve_settings
from metastudio.errors import ConfigurationError
from metastudio.pipeline.options import Options
from metastudio.records.schema import TABLES
from metastudio.reporting import PROJECT
from metastudio_simulator import Simulator

from tests.support.warehouse import NOW, Warehouse

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:dbt", "ignore::DeprecationWarning:mashumaro", "ignore::ResourceWarning"
)

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md")))
}
MAX_README_BYTES = 8_000

PLANNED_OPTIONS: set[str] = set()
"""Options that the pages describe before the code has them."""

RUN_BY_OTHER_TESTS = {"metastudio demo": "test_demo.py", "metastudio simulate": "below"}
CHINESE = "README.zh-CN.md"  # has the blocks of README.md, which are run
SPARK_PAGE = "docs/lake.md"  # its code is run by make lake-test


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str


BLOCKS = [
    Block(page, language, text)
    for page, content in PAGES.items()
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", content, re.DOTALL | re.MULTILINE)
]
LINES = list(
    dict.fromkeys(
        line.removeprefix("$ ") for block in BLOCKS if block.language == "console" for line in block.text.splitlines()
    )
)


def list_blocks(language: str, *without: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language and block.page not in (CHINESE, *without)]


def read_rows(page: str, first_heading: str) -> list[list[str]]:
    """Return the cells of the table on a page whose first heading this is, as Markdown."""
    table = re.search(
        rf"^\| {first_heading} \|.*?\n\|[-|: ]+\n(.*?)(?=^(?!\|)|\Z)", PAGES[page], re.DOTALL | re.MULTILINE
    )
    assert table, f"{page} has no table {first_heading}"
    return [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in table[1].splitlines() if line.strip()]


@pytest.fixture(scope="module")
def synced(tmp_path_factory):
    """Yield a folder that was synced from a simulated tenant, as in the README."""
    folder = tmp_path_factory.mktemp("docs")
    with Simulator(jobs=600, days=90, seed=7, now=NOW) as sim:
        warehouse = Warehouse(sim, Options(), folder, str(folder / "videos.duckdb"))
        with pytest.MonkeyPatch.context() as patch:
            warehouse.configure(patch)
            warehouse.sync()
        yield warehouse


@pytest.fixture
def run_there(synced, run, monkeypatch):
    """Return the command line in the synced folder."""
    synced.configure(monkeypatch)
    return run


def test_every_make_target_in_the_pages_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page, text in PAGES.items():
        assert set(re.findall(r"[`$] ?make ([a-z-]+)", text)) <= targets, page


def test_a_console_line_is_a_command_a_setting_or_a_target():
    names = {field.name for field in fields(Settings)} | {
        f"credentials__{field.name}" for field in fields(CredentialSettings)
    }
    for line in LINES:
        if setting := re.fullmatch(r"export SOURCES__METASTUDIO__(\w+)=\S+", line):
            assert setting[1].lower() in names, line
        else:
            assert re.match("make [a-z-]+$|metastudio [a-z]+", line), line


@pytest.mark.parametrize(
    "line",
    [line for line in LINES if line.startswith("metastudio ") and " ".join(line.split()[:2]) not in RUN_BY_OTHER_TESTS],
)
def test_a_command_of_the_pages_works(run_there, line):
    ended = run_there(*line.split()[1:])

    assert ended.code == 0, ended.err


@pytest.mark.parametrize("block", list_blocks("sql"), ids=lambda block: block.text.split("FROM ")[1].split()[0])
def test_a_query_of_the_pages_runs(synced, block):
    with duckdb.connect(synced.credentials, read_only=True) as database:
        assert database.sql(block.text).columns


@pytest.mark.parametrize("block", list_blocks("python", SPARK_PAGE), ids=lambda block: block.page)
def test_the_python_of_the_pages_runs(synced, monkeypatch, capfd, block):
    synced.configure(monkeypatch)
    names: dict = {}

    exec(compile(block.text, block.page, "exec"), names)

    pipeline = names.get("pipeline")
    counted = pipeline.last_trace.last_normalize_info.row_counts if pipeline else capfd.readouterr().out
    assert "600" in str(counted)


def test_settings_in_files_are_valid_toml_and_yaml():
    for block in list_blocks("toml"):
        tomllib.loads(block.text.replace("# .dlt/secrets.toml", ""))
    for block in list_blocks("yaml"):
        assert yaml.safe_load(block.text)
    example = (ROOT / ".dlt" / "example.secrets.toml").read_text(encoding="utf-8")
    named = set(re.findall(r'^(?:# )?(\w+) = "', example, re.MULTILINE))
    assert named <= {field.name for field in fields(CredentialSettings)}


def test_the_simulator_prints_settings_that_work(folder):
    program = "import sys; sys.argv[0] = 'metastudio'; from metastudio.cli.app import main; main()"
    arguments = next(line for line in LINES if line.startswith("metastudio simulate")).split()[1:]
    arguments[arguments.index("--port") + 1] = "0"
    command = [sys.executable, "-c", program]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        exported = {}
        while len(exported) < 4:
            line = server.stdout.readline()
            assert line, server.stderr.read()
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                exported[name] = value
        ended = subprocess.run(
            [*command, "check"], env={**os.environ, **exported}, capture_output=True, text=True, check=False
        )
        server.send_signal(signal.SIGINT)
        server.communicate()

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "FAILED" not in ended.stdout


def test_the_settings_of_several_tenants_are_read_as_shown(folder, monkeypatch):
    text = next(block.text for block in list_blocks("toml") if "tenants = " in block.text)
    config, _, secrets = text.partition("# .dlt/secrets.toml")
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text(config.replace("…", "p1", 1).replace("…", "p2"), encoding="utf-8")
    (folder / ".dlt" / "secrets.toml").write_text(secrets.replace("…", "key"), encoding="utf-8")
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", "of-the-machine")
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "of-the-machine")
    code = (
        "from metastudio.config.tenant import list_tenants, resolve_tenant\n"
        "for name in list_tenants():\n"
        "    tenant = resolve_tenant(name)\n"
        "    print(name, tenant.project_id, tenant.region, tenant.credentials.access_key)"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines() == ["berlin p1 cn-north-4 key", "osaka p2 cn-east-3 of-the-machine"]


def test_the_readme_stays_short():
    assert len(PAGES["README.md"].encode()) <= MAX_README_BYTES


def test_lines_of_prose_fit_100_columns():
    for page, text in PAGES.items():
        if page in ("docs/benchmark.md", "docs/scale.md"):  # their tables and prose come from elsewhere
            continue
        for line in re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE).splitlines():
            assert len(line) <= 100 or line.startswith("|"), f"{page}: {line}"


def test_installation_names_no_package_index_and_only_extras_that_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    for page, text in PAGES.items():
        for installed in re.findall(r"(?:pip|tool) install ([^\n`]+)", text):
            form = re.fullmatch(r'"(?:\.|metastudio)\[([a-z,]+)\]( @ git\+https://<host>/<path>\.git)?"', installed)
            assert form and (installed.startswith('".') or form[2]), f"{page}: {installed}"
            assert set(form[1].split(",")) <= extras, f"{page}: {installed}"


def test_the_chinese_readme_says_the_same_in_code_links_and_length():
    english, chinese = (PAGES[page] for page in ("README.md", CHINESE))
    blocks = [[block[1:] for block in BLOCKS if block.page == page] for page in ("README.md", CHINESE)]
    assert blocks[0] == blocks[1]
    links = [re.findall(r"\]\((docs/[^)]+|CHANGELOG.md)\)", page) for page in (english, chinese)]
    assert links[0] == [link.replace(".zh-CN.png", ".png") for link in links[1]]
    assert english.count("\n## ") == chinese.count("\n## ")


@pytest.mark.parametrize(("page", "heading"), [("README.md", "command"), (CHINESE, "命令"), ("docs/cli.md", "command")])
def test_the_pages_list_all_commands(page, heading):
    listed = [re.match(r"`metastudio (\w+)", row[0])[1] for row in read_rows(page, heading)]
    assert sorted(listed) == sorted(cli.commands)


def test_the_pages_list_all_options():
    own = {name: {max(param.opts, key=len) for param in command.params} for name, command in cli.commands.items()}
    common = set.intersection(*(options for options in own.values() if "--json" in options))
    listed = {option for row in read_rows("docs/cli.md", "option") for option in re.findall("--[a-z-]+", row[0])}
    assert listed == common - {"--verbose"}
    for row in read_rows("docs/cli.md", "command"):
        command = re.match(r"`metastudio (\w+)", row[0])[1]
        assert set(re.findall("--[a-z-]+", row[0])) - PLANNED_OPTIONS == own[command] - common, command


def test_every_option_in_the_pages_exists():
    for page, text in PAGES.items():
        for name, rest in re.findall(r"(?<!import )\bmetastudio ([a-z]+)\b([^`\n|]*)", text):
            if name in cli.commands:
                known = {option for param in cli.commands[name].params for option in param.opts} | PLANNED_OPTIONS
                assert set(re.findall(r"(?<!\S)\[?(--[a-z-]+)", rest)) <= known, f"{page}: metastudio {name}{rest}"


def test_the_page_lists_all_settings():
    listed = {name for row in read_rows("docs/configuration.md", "setting") for name in re.findall(r"`(\w+)`", row[0])}
    there = {field.name for field in fields(Settings) if not field.name.startswith("_")} - {"credentials"}
    assert listed == there


def test_the_page_lists_the_defaults_of_the_code():
    for names, default, *_ in read_rows("docs/configuration.md", "setting"):
        for name in set(re.findall(r"`(\w+)`", names)) & {field.name for field in fields(Settings)}:
            value = getattr(Settings(), name)
            if value is None:
                assert default in ("", "all") or default.startswith("the region's"), name
            elif isinstance(value, int | float):
                assert float(default.replace(",", "").replace("false", "0").replace("true", "1")) == value, name
            else:
                assert str(value).startswith(default.strip("`")), name


def test_the_page_lists_the_bounds_of_the_code(folder):
    for names, _, bounds, *_ in read_rows("docs/configuration.md", "setting"):
        name = names.strip("`")
        if not bounds:
            continue
        low, high = (float(number.replace(",", "")) for number in bounds.split("–"))
        whole = isinstance(getattr(Settings(), name), int)
        for value in (low, high):
            resolve_settings(**{name: int(value) if whole else value})
        for value in (low - 1, high + 1):
            with pytest.raises(ConfigurationError):
                resolve_settings(**{name: int(value) if whole else value})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_page_lists_all_columns(table):
    sections = re.split(r"^##+ ", PAGES["docs/data-model.md"], flags=re.MULTILINE)
    (text,) = [section for section in sections if section.startswith(f"{table.name}\n")]
    in_table = {name for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"\w+", cell)}

    assert in_table <= set(table.names)
    assert set(table.names) <= (in_table or set(re.findall(r"`(\w+)`", text)))


def test_the_reporting_models_listed_have_the_columns_listed():
    described = {
        model["name"]: {column["name"] for column in model["columns"]}
        for path in PROJECT.glob("models/*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", ())
    }
    listed = {
        row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in read_rows("docs/data-model.md", "model")
    }
    assert set(listed) == set(described) - {"models_version"}
    for model, columns in listed.items():
        assert columns <= described[model], model
