"""HTTP/1.1 as dockerd speaks it, cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.docker.http1 import MAX_HEAD_BYTES, BodyDecoder, decode_head, encode_request
from alloytrio.errors import DecodeError

HEAD = b"HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Length:  5 \r\n\r\n"


def test_request() -> None:
    """A request is a line and its headers."""
    assert encode_request(b"/_ping", [(b"Host", b"docker")]) == b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
    with pytest.raises(ValueError, match="line break"):
        encode_request(b"/", [(b"X", b"a\r\nB: c")])


def test_head() -> None:
    """A head is read when it is complete; header names do not depend on case."""
    for size in range(len(HEAD)):
        assert decode_head(HEAD[:size]) is None
    decoded = decode_head(HEAD + b"hello")
    assert decoded is not None
    head, rest = decoded
    assert (head.status, head.header(b"api-version"), head.header(b"x"), rest) == (200, b"1.47", b"", b"hello")


def test_interim_heads_are_skipped() -> None:
    """What comes before the real answer is no answer."""
    decoded = decode_head(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD)
    assert decoded is not None
    assert decoded[0].status == 200


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
     b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", b"x" * (MAX_HEAD_BYTES + 1)],
)  # fmt: skip
def test_no_http(data: bytes) -> None:
    """What is no HTTP response is an error, and a head does not grow without end."""
    with pytest.raises(DecodeError, match="HTTP"):
        decode_head(data)


def body(headers: bytes, data: bytes, cuts: list[int], status: bytes = b"200") -> tuple[bytes, bool, bool]:
    decoded = decode_head(b"HTTP/1.1 " + status + b" X\r\n" + headers + b"\r\n")
    assert decoded is not None
    decoder, out, start = BodyDecoder(decoded[0]), b"", 0
    for cut in [*sorted(cuts), len(data)]:
        out += decoder.feed(data[start:cut])
        start = max(start, cut)
    return out, decoder.done, decoder.end()


@given(st.lists(st.integers(0, 20), max_size=4))
def test_bodies(cuts: list[int]) -> None:
    """A body ends by its length, its last chunk, or with the connection."""
    assert body(b"Content-Length: 5\r\n", b"hello", cuts) == (b"hello", True, True)
    assert body(b"Content-Length: 6\r\n", b"hello", cuts) == (b"hello", False, False)
    assert body(b"Transfer-Encoding: Chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", cuts) == (b"hello", True, True)
    assert body(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", cuts) == (b"hello", False, False)
    assert body(b"", b"hello", cuts) == (b"hello", False, True)


def test_bodies_that_are_empty() -> None:
    """A status without a body has none, and a length of 0 is the end."""
    assert body(b"", b"", [], status=b"204") == (b"", True, True)
    assert body(b"Content-Length: 0\r\n", b"", []) == (b"", True, True)
    with pytest.raises(DecodeError, match="not a length"):
        body(b"Content-Length: -1\r\n", b"", [])
