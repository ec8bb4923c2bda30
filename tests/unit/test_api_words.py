"""A server's words, made fit to be shown."""

from __future__ import annotations

import time

import pytest
from metastudio.api.words import make_page_name, make_problem, make_request_id, make_safe_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Invalid parameter: limit", "Invalid parameter: limit"),
        ("see https://h/cover.png?AccessKeyId=abc&Signature=def now", "see https://h/cover.png… now"),
        ("hash 0d69e65a5fd219a2e01fb08d881cfadb is off", "hash … is off"),
        ("token MIIaBcDeFgHiJkLmNoPqRsTu+/== refused", "token … refused"),
        ("signature=abc, rest", "… rest"),
        ("secret_key: short", "…"),
        ('"X-Auth-Token": "short" refused', '"… refused'),
        ("Authorization: Basic c2hvcnQ= refused", "… refused"),
        ("bad SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=b", "bad …"),
        ("one\r\ntwo\x1b[31m\x00 three", "one two [31m three"),
    ],
)
def test_what_looks_like_a_secret_is_cut(text: str, shown: str) -> None:
    assert make_safe_text(text) == shown


def test_named_secrets_are_cut_as_they_are_and_percent_encoded() -> None:
    assert make_safe_text("pass pa ss/1 and pa%20ss%2F1 end", ("pa ss/1",)) == "pass … and … end"


def test_a_message_is_bounded() -> None:
    text = make_safe_text("many words " * 1_000)
    assert len(text) == 200
    assert text.endswith("…")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"error_code": "MSS.00000003", "error_msg": "Invalid parameter"}', ("MSS.00000003", "Invalid parameter")),
        (b'{"error": {"code": 401, "message": "no user", "title": "Unauthorized"}}', (None, "no user")),
        (b'{"error_code": "<script>", "error_msg": ["x"]}', (None, "")),
        (b'{"error_code": 7}', (None, "")),
        (b"<html>no</html>", (None, "")),
        (b'{"error_code": ', (None, "")),
        (b"", (None, "")),
    ],
)
def test_a_body_tells_its_code_and_message_or_nothing(body: bytes, problem: tuple[str | None, str]) -> None:
    assert make_problem(body) == problem


def test_a_request_id_has_the_form_of_one() -> None:
    assert make_request_id("7f3c-52fe:8900") == "7f3c-52fe:8900"
    assert make_request_id("a b") is make_request_id("x" * 101) is make_request_id("") is make_request_id(None) is None


def test_a_page_is_named_by_its_place_and_by_nothing_else() -> None:
    query = {"offset": "100", "create_since": "2021-01-10T08:43:17Z", "asset_name": "x", "limit": "1 or so"}
    assert make_page_name(query) == "the page at offset 100, create_since 2021-01-10T08:43:17Z"
    assert make_page_name({"state": "FAILED"}) == "the first page"


@pytest.mark.parametrize("part", ["a", "key", "key_", "token ", "key=", "key  ", "-", "?"])
def test_a_hostile_message_costs_little_to_cut(part: str) -> None:
    began_at = time.process_time()
    make_safe_text(part * (60_000 // len(part)), ("canary",))
    assert time.process_time() - began_at < 2  # unbounded repetition took minutes
