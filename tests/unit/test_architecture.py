"""Imports point one way: cli -> pipeline -> source -> extraction; the API and the rows beside them, plugged in from above."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "pipelines"
OURS = ("api", "extraction", "rows", "settings", "source", "pipeline", "console", "cli", "orchestration")
FORBIDDEN = {
    place: {*others, *(f"metastudio.{name}" for name in ours)}
    for place, others, ours in (
        ("metastudio_simulator", ("metastudio", "dlt", "huaweicloudsdkcore", "huaweicloudsdkmetastudio"), ()),
        ("metastudio/errors.py", ("metastudio",), ()),
        ("metastudio/schema.py", ("dlt", "aiohttp"), OURS),
        ("metastudio/rows.py", ("dlt", "aiohttp", "pyarrow"), [name for name in OURS if name != "rows"]),
        ("metastudio/api", ("dlt", "pyarrow", "huaweicloudsdkcore"), [name for name in OURS if name != "api"]),
        (
            "metastudio/extraction",
            ("dlt", "aiohttp", "duckdb", "pyarrow", "time"),
            [name for name in OURS if name not in ("extraction", "rows")],
        ),
        ("metastudio/settings.py", ("aiohttp",), ("source", "pipeline", "console", "cli")),
        ("metastudio/source.py", ("aiohttp", "click", "rich"), ("pipeline", "console", "cli")),
        ("metastudio/pipeline.py", ("aiohttp", "click", "rich"), ("source", "console", "cli")),
        ("metastudio/loading.py", ("aiohttp", "click", "rich"), ("console", "cli")),
        ("metastudio/orchestration", ("aiohttp", "click", "rich", "duckdb"), ("api", "rows", "reader", "cli")),
    )
}


def find_imports(file: Path) -> set[str]:
    package = ".".join(file.relative_to(ROOT).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("place", FORBIDDEN)
def test_imports_point_one_way(place):
    files = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
    assert files
    for file in files:
        for name in find_imports(file):
            broken = [ban for ban in FORBIDDEN[place] if name == ban or name.startswith(f"{ban}.")]
            assert not broken, f"{file.relative_to(ROOT)} imports {name}"


def test_dagster_is_known_to_its_own_definitions_only():
    for file in sorted((ROOT / "metastudio").rglob("*.py")):
        if file.parent.name != "orchestration":
            known = [name for name in find_imports(file) if re.match(r"(dagster|metastudio\.orchestration)", name)]
            assert not known, f"{file.relative_to(ROOT)} imports {known}"


def test_nothing_prints():
    for file in sorted(ROOT.rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], file
