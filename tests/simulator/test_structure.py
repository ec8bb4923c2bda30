"""Imports inside the simulator point down only, and none leads to the connector."""

import ast
from pathlib import Path

import metastudio_simulator
import pytest

ROOT = Path(metastudio_simulator.__file__).parent
ORDER = [
    "timestamps",
    "behavior",
    "clock",
    "tenant/job",
    "tenant/generator",
    "tenant/row",
    "tenant/index",
    "tenant/selection",
    "tenant/appearance",
    "tenant/replicas",
    "tenant/store",
    "tenant/lifecycle",
    "tenant/tenant",
    "http/responses",
    "http/request_log",
    "http/rate_limit",
    "http/encoding",
    "http/faults",
    "http/query",
    "http/auth",
    "http/server",
    "service",
    "simulator",
    "cli",
]
"""Each module may import those before it."""

MODULES = {str(path.relative_to(ROOT).with_suffix("")): path for path in ROOT.rglob("*.py")}


def find_imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            yield node.module


def test_every_module_has_its_place():
    assert {name for name in MODULES if not name.endswith("__init__")} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_imports_point_down_only(name):
    ours = [one.split(".", 1)[1] for one in find_imports(MODULES[name]) if one.startswith("metastudio_simulator.")]
    assert {one.replace(".", "/") for one in ours} <= set(ORDER[: ORDER.index(name)])


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_simulator_shares_no_code_with_what_it_tests(name):
    for imported in find_imports(MODULES[name]):
        package = imported.split(".")[0]
        assert package not in {"metastudio", "dlt"} and not package.startswith("huaweicloudsdk"), imported
