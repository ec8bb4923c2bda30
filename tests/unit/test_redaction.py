"""Secrets in texts and queries of presigned URLs are removed."""

from __future__ import annotations

import time

import pytest
from metastudio.redaction import describe_page, read_request_id, redact, redact_id, strip_signed


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
def test_text_that_looks_like_a_secret_is_cut(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_named_secrets_are_cut_as_they_are_and_percent_encoded() -> None:
    assert redact("pass pa ss/1 and pa%20ss%2F1 end", ("pa ss/1",)) == "pass … and … end"


def test_a_message_is_bounded() -> None:
    text = redact("many words " * 1_000)
    assert len(text) == 200
    assert text.endswith("…")


def test_a_request_id_has_the_form_of_one() -> None:
    assert read_request_id("7f3c-52fe:8900") == "7f3c-52fe:8900"
    assert read_request_id("a b") is read_request_id("x" * 101) is read_request_id("") is read_request_id(None) is None


def test_a_page_is_named_by_its_place_and_by_nothing_else() -> None:
    query = {"offset": "100", "create_since": "2021-01-10T08:43:17Z", "asset_name": "x", "limit": "1 or so"}
    assert describe_page(query) == "the page at offset 100, create_since 2021-01-10T08:43:17Z"
    assert describe_page({"state": "FAILED"}) == "the first page"


@pytest.mark.parametrize("part", ["a", "key", "key_", "token ", "key=", "key  ", "-", "?"])
def test_a_hostile_message_costs_little_to_cut(part: str) -> None:
    began_at = time.process_time()
    redact(part * (60_000 // len(part)), ("canary",))
    assert time.process_time() - began_at < 2  # unbounded repetition took minutes


def test_a_code_or_request_id_that_holds_a_secret_is_not_shown() -> None:
    assert redact_id("MSS.canary", ("canary",)) is redact_id(None) is None
    assert redact_id("MSS.00000003", ("canary",)) == "MSS.00000003"


def test_what_follows_a_url_in_a_text_without_spaces_stays() -> None:
    assert strip_signed("详情请访问https://h/x?y=1，或联系客服。") == "详情请访问https://h/x，或联系客服。"


def test_names_with_a_question_mark_are_no_urls() -> None:
    assert strip_signed("What? https://h/a") == "What? https://h/a"
    assert strip_signed("who?") == "who?"


def test_a_text_full_of_url_beginnings_is_read_fast() -> None:
    text = "?" + "http://" * 14_000
    started = time.process_time()

    assert strip_signed(text) == text
    assert time.process_time() - started < 2  # 8 s where each beginning is followed to the end
