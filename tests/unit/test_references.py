"""Nothing in code or docs refers to a page, a section or a file that is not in the repository."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (".dlt", "bench", "docs", "notebooks", "pipelines", "schedulers", "tests")
SUFFIXES = {".html", ".in", ".md", ".py", ".service", ".sh", ".sql", ".svg", ".timer", ".toml", ".yaml", ".yml"}
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FILES = [
    *PAGES[:3],
    *(ROOT / name for name in ("Makefile", "pyproject.toml", ".ci/run")),
    *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES),
]

NAME = r"(?<![\w/.<{*%-])((?:[\w.-]+/)*[\w-]+\.(?:md|py|sh|svg|png|service|timer))(#[\w-]+)?\b"
"""Matches files of kinds that only the repository has; users have files of other kinds."""

OF_OTHERS = {"postgres/sql_client.py"}
"""Files of other projects that docs name."""


def find_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def read_words(path: Path) -> str:
    """Return the text for people in a file: a whole page, or Python's comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    if not re.search(NAME, text):  # tokens take ten times as long as a search
        return ""
    comments = [
        token.string for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT
    ]
    return "\n".join([*comments, *find_docstrings(ast.parse(text))])


def find_docstrings(tree: ast.AST) -> Iterator[str]:
    """Yield the strings that stand alone, which includes those below constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def find_file(name: str, path: Path) -> Path | None:
    """Return the file of this name: from the root, next to the file that names it, or anywhere."""
    ends = () if name.endswith(".md") else (known for known in FILES if known.match(name))
    return next((known for known in (ROOT / name, path.parent / name, *ends) if known.is_file()), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8")):
        linked = page.parent / target if target else page
        assert linked.is_file(), target
        assert not anchor or anchor in find_anchors(linked), f"{target}#{anchor}"


def test_files_and_sections_named_in_code_and_docs_are_there():
    missing = []
    for path in FILES:
        for name, anchor in re.findall(NAME, read_words(path)):
            if name in OF_OTHERS:
                continue
            found = find_file(name, path)
            if found is None:
                missing.append(f"{path.relative_to(ROOT)}: {name}")
            elif anchor and anchor[1:] not in find_anchors(found):
                missing.append(f"{path.relative_to(ROOT)}: {name}{anchor}")
    assert not missing, "\n".join(missing)


def test_folders_named_to_developers_are_there():
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    for name in re.findall(r"^\| `([a-z_/]+)` \|", page, re.MULTILINE):
        assert (ROOT / name).is_dir(), name
    for name in re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| \d \| (.*?) \|", page, re.MULTILINE))):
        assert (ROOT / "pipelines" / "metastudio" / name).is_dir(), name


def test_pages_named_in_messages_are_there():
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in FILES
        if path.suffix == ".py" and "tests" not in path.parts
        for name in re.findall(r"(?<![\w/.])docs/[\w-]+\.md\b", path.read_text(encoding="utf-8"))
        if not (ROOT / name).is_file()
    ]
    assert not missing, "\n".join(missing)
