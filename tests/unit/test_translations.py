"""The catalogs have each message of the report, translated, and nothing else."""

from __future__ import annotations

import ast
import re
from functools import cache
from gettext import GNUTranslations
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from metastudio.reporting import PROJECT
from metastudio.reporting.language import ENGLISH, LANGUAGES, find_language, load_language

from tests.support.chinese import find_english

PACKAGE = Path(__file__).parents[2] / "pipelines" / "metastudio"
FOLDER = PACKAGE / "reporting" / "locale" / "zh" / "LC_MESSAGES"
CHINESE = load_language("zh")
KEYWORDS = {"N_": None, "gettext": None, "ngettext": (1, 2)}


def read_catalog() -> dict[str | tuple[str, ...], Message]:
    with (FOLDER / "metastudio.po").open("rb") as file:
        return {
            message.id if isinstance(message.id, str) else tuple(message.id): message
            for message in read_po(file, locale="zh")
            if message.id
        }


@cache
def extract() -> set[str | tuple[str, ...]]:
    found = extract_from_dir(PACKAGE, [("**.py", "python")], keywords=KEYWORDS)
    return {message if isinstance(message, str) else tuple(message) for _, _, message, _, _ in found}


def find_fields(text: str) -> set[str]:
    """Return the names of a text's placeholders."""
    return {re.split(r"[.\[]", name)[0] for _, name, _, _ in Formatter().parse(text) if name is not None}


MESSAGES = read_catalog()


def test_the_catalog_has_the_messages_of_the_code_and_no_others():
    assert MESSAGES.keys() == extract()


def test_no_message_is_hidden_from_extraction():
    literal = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in KEYWORDS:
                is_plural = getattr(node.func, "attr", "") == "ngettext"
                texts = [each.value for each in node.args[: 1 + is_plural] if isinstance(each, ast.Constant)]
                literal |= {tuple(texts) if is_plural else texts[0]} if texts else set()

    assert literal == extract()


def test_the_page_has_no_words_of_its_own():
    page = (PACKAGE / "reporting" / "page.html").read_text(encoding="utf-8")
    text = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)

    assert not re.findall(r"\w+", re.sub(r"\$\w+|<[^>]*>", "", text))
    assert set(re.findall(r'(?:aria-label|alt|title|lang)="([^"]*)"', text)) == {"$heading", "$language"}


def test_each_message_is_translated_with_its_placeholders():
    for key, message in MESSAGES.items():
        [translation] = message.string if isinstance(message.string, tuple) else [message.string]
        assert translation and not message.fuzzy, key
        assert find_fields(translation) == find_fields(key if isinstance(key, str) else key[-1]), key
        words = re.sub(r"\{[^}]*\}|%-?\w", "", translation)
        assert not find_english(words), key
        assert words.encode("gbk"), key  # as terminals in China may have it


def test_the_compiled_catalog_is_that_of_the_texts():
    with (FOLDER / "metastudio.mo").open("rb") as file:
        compiled = GNUTranslations(file)

    for key, message in MESSAGES.items():
        if isinstance(key, tuple):
            assert {compiled.ngettext(*key, number) for number in (0, 1, 2)} == set(message.string)
        else:
            assert compiled.gettext(key) == message.string


def test_the_words_of_the_models_are_translated():
    backlog = PROJECT.joinpath("models", "backlog.sql").read_text(encoding="utf-8")
    macros = PROJECT.joinpath("macros", "api_values.sql").read_text(encoding="utf-8")
    ages = re.findall(r"\(\d, '([^']+)'", backlog)
    states = {"UNKNOWN", *re.findall(r"'([A-Z]+)'", macros)} - {"SUCCESS"}

    assert len(ages) == 6 and len(states) == 7
    assert all(CHINESE.format_word(age) != age for age in [*ages, "others"])
    assert all(CHINESE.format_word(state).endswith(f"（{state}）") for state in states)


def test_an_unknown_word_stays_unchanged():
    assert CHINESE.format_word("{THAWED}\x1b") == "{THAWED}\\x1b"
    assert (CHINESE.format_word(""), CHINESE.format_word(None)) == ("", "-")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.GBK"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LC_ALL": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "fr:zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en"}, "en"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8", "LANGUAGE": "zh"}, "en"),
        ({"LANG": "zhuang"}, "en"),
    ],
)
def test_the_language_is_that_of_the_locale_if_there_is_a_report_in_it(environment, expected):
    assert find_language(environment) == expected


def test_every_language_is_there():
    assert [load_language(name).tag for name in LANGUAGES] == ["en", "zh-Hans"]
    assert load_language("en") is ENGLISH
