"""Bodies in other charsets, and compressed without being asked for."""

import json

import pytest

NAME = "节日祝福 😀"


@pytest.fixture
def named(empty):
    empty.tenant.create(state="SUCCEED", asset_name=NAME)
    return empty


def read_name(text):
    return json.loads(text)["jobs"][0]["output_asset_config"]["asset_name"]


@pytest.mark.parametrize("charset", ["gbk", "gb18030", "utf-16"])
def test_a_body_may_come_in_another_charset_that_is_declared(named, ask, charset):
    named.behavior.body_charset = charset
    answer = ask(named)
    assert answer.headers["Content-Type"] == f"application/json; charset={charset}"
    assert read_name(answer.content.decode(charset)) == NAME
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode()


def test_an_unknown_charset_is_refused(named):
    with pytest.raises(ValueError, match="body_charset"):
        named.behavior.body_charset = "klingon"


def test_a_body_may_be_compressed_without_being_asked_for(named, ask):
    named.behavior.content_encoding = "gzip"
    headers = {"X-Auth-Token": named.token(), "Accept-Encoding": "identity"}
    answer = ask(named, headers=headers)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert read_name(answer.text) == NAME


def read_stored_blocks(stream):
    """Read a Brotli stream of uncompressed blocks (RFC 7932, section 9.2)."""
    body, shift = b"", 1
    while stream != b"\x03":
        header, stream = int.from_bytes(stream[:3], "little") >> shift, stream[3:]
        assert header & 0b111 == 0 and header >> 19 == 1
        length = (header >> 3 & 0xFFFF) + 1
        body, stream, shift = body + stream[:length], stream[length:], 0
    return body


def test_a_body_may_be_brotli(empty, session):
    empty.tenant.create(100, state="SUCCEED", asset_name=NAME * 100)
    url = f"{empty.url}/v1/{empty.project_id}/digital-human-videos?limit=100"
    headers = {"X-Auth-Token": empty.token(), "Accept-Encoding": "identity"}
    empty.behavior.content_encoding = "br"
    answer = session.get(url, headers=headers, timeout=20, stream=True)
    body = read_stored_blocks(answer.raw.read(decode_content=False))
    assert answer.headers["Content-Encoding"] == "br"
    assert (len(body) > 65_536, read_name(body)) == (True, NAME * 100)


def test_any_other_encoding_is_declared_and_not_applied(named, session):
    named.behavior.content_encoding = "zstd"
    url = f"{named.url}/v1/{named.project_id}/digital-human-videos"
    answer = session.get(url, headers={"X-Auth-Token": named.token()}, timeout=20, stream=True)
    assert answer.headers["Content-Encoding"] == "zstd"
    assert read_name(answer.raw.read(decode_content=False)) == NAME
