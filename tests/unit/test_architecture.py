"""Folders are layers: each may import what is listed here, and nothing else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "pipelines"

LEAVES = {"errors", "timestamps", "formatting", "redaction"}
"""Modules at the root that every folder may import."""

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "formatting": set(),
    "timestamps": {"errors", "pendulum"},
    "redaction": {"errors", "orjson"},
    "error_mapping": {"errors"},
    "records": {*LEAVES, "pyarrow", "msgspec"},
    "api": {*LEAVES, "records", "aiohttp", "yarl", "orjson"},
    "extraction": {*LEAVES, "records", "orjson"},
    "destination": {*LEAVES, "error_mapping", "records", "dlt", "duckdb", "tomlkit"},
    "config": {*LEAVES, "records", "api", "extraction", "dlt"},
    "reporting": {*LEAVES, "error_mapping", "records", "destination", "dlt", "dbt", "orjson", "altair", "vl_convert"},
    "source": {*LEAVES, "error_mapping", "records", "api", "extraction", "destination", "config", "dlt", "pyarrow"},
}
MAY_IMPORT["pipeline"] = {*MAY_IMPORT["source"], "source", "filelock", "duckdb"}
MAY_IMPORT["commands"] = {*MAY_IMPORT["pipeline"], "pipeline", "reporting", "metastudio_simulator"}
MAY_IMPORT["cli"] = {*MAY_IMPORT["commands"], "commands", "click", "rich", "orjson"}
MAY_IMPORT["orchestration"] = {*MAY_IMPORT["commands"], "commands", "dagster", "dagster_dlt", "dagster_dbt"}
MAY_IMPORT["__init__"] = {"source"}
MAY_IMPORT["__main__"] = {"cli"}

SIMULATOR_MAY_IMPORT = {"metastudio_simulator", "aiohttp", "multidict", "orjson", "uvicorn", "yarl"}


def list_imports(file: Path) -> set[str]:
    """Return the modules that a file imports. `from a import b` counts as `a` and as `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = file.relative_to(ROOT).parts[:-1]
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found - {"metastudio"}


def find_places(file: Path) -> set[str]:
    """Return the folders and root modules of ours, and the packages, that a file imports from."""
    parts = [module.split(".") for module in list_imports(file)]
    ours = {names[1] for names in parts if names[0] == "metastudio"}
    return ours | ({names[0] for names in parts if names[0] != "metastudio"} - set(sys.stdlib_module_names))


def list_files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("file", list_files("metastudio"), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_imports_only_what_its_folder_may(file):
    folder = file.relative_to(ROOT / "metastudio").parts[0].removesuffix(".py")
    assert not find_places(file) - MAY_IMPORT[folder] - {folder}


@pytest.mark.parametrize("file", list_files("metastudio_simulator"), ids=lambda file: str(file.relative_to(ROOT)))
def test_the_simulator_shares_nothing_with_what_it_tests(file):
    assert not find_places(file) - SIMULATOR_MAY_IMPORT


def test_no_file_imports_itself_in_a_circle():
    files = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in ROOT.rglob("*.py")}
    done: set[str] = set()

    def follow(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name in files and name not in done:
            for module in sorted(list_imports(files[name])):
                follow(module, (*way, name))
            done.add(name)

    for name in sorted(files):
        follow(name, ())


def test_nothing_prints():
    for file in sorted(ROOT.rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], file
