"""No message says to install the package from a package index, because it is not on one."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "pipelines"


def test_no_message_says_to_install_from_a_package_index():
    for file in sorted(PACKAGE.rglob("*.py")):
        assert "pip install" not in file.read_text(encoding="utf-8"), file
