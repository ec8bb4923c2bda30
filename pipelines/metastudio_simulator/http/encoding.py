"""Encodes bodies in another charset, and compresses bodies although no client asked for it."""

from __future__ import annotations

import codecs
import gzip

from metastudio_simulator.http.responses import Response

_BLOCK = 65_536


def encode_body(response: Response, charset: str, content_encoding: str | None) -> None:
    """Encode the response's JSON, and declare how."""
    if charset != "utf-8":
        text = response.body.decode(errors="replace")
        response.body = text.encode(charset, errors="metastudio_simulator.json")
        response.content_type = f"{response.content_type}; charset={charset}"
    if content_encoding is not None:
        if content_encoding == "br":
            response.body = _make_brotli(response.body)
        elif content_encoding == "gzip":
            response.body = gzip.compress(response.body)
        response.headers["Content-Encoding"] = content_encoding


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Write characters that the charset lacks as JSON escapes, `\\u00e9`."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be")
    escaped = "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
    return escaped, error.end


codecs.register_error("metastudio_simulator.json", _escape)


def _make_brotli(body: bytes) -> bytes:
    """Return a Brotli stream of uncompressed blocks (RFC 7932, section 9.2)."""
    stream = b""
    for at in range(0, len(body), _BLOCK):
        block = body[at : at + _BLOCK]
        # from the lowest bit: a window of 16 bits (first block only), not the last block, a length
        # of 4 nibbles, the length less 1, uncompressed
        header = (len(block) - 1) << 3 | 1 << 19
        stream += (header << 1 if at == 0 else header).to_bytes(3, "little") + block
    return stream + b"\x03" if stream else b"\x06"
