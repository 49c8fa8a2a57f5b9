"""Chunked bodies, cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.errors import DecodeError
from alloytrio.wire.chunked import ChunkedDecoder


def encode(chunks: list[bytes], end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk) + end


def decode(data: bytes, cuts: list[int]) -> tuple[bytes, bool]:
    decoder, out, start = ChunkedDecoder(), b"", 0
    for cut in [*sorted(cuts), len(data)]:
        out += decoder.feed(data[start:cut])
        start = max(cut, start)
    return out, decoder.done


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 300), max_size=6))
def test_any_chunks_cut_anywhere(chunks: list[bytes], cuts: list[int]) -> None:
    """The content comes whole, wherever the bytes were cut, and the end is seen."""
    assert decode(encode(chunks), cuts) == (b"".join(chunks), True)


def test_cut_at_every_byte() -> None:
    """One byte at a time is enough."""
    data = encode([b"hello", b"\r\n", b"x" * 300])
    assert decode(data, list(range(len(data)))) == (b"hello\r\n" + b"x" * 300, True)


@pytest.mark.parametrize(
    ("data", "content", "done"),
    [
        (b"5\r\nhello\r\n", b"hello", False),
        (b"5;ext=1\r\nhello\r\n0\r\n\r\n", b"hello", True),
        (b"A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", b"0123456789", True),
        (b"0\r\n\r\nHTTP/1.1 200 OK", b"", True),
        (b"", b"", False),
    ],
)
def test_forms(data: bytes, content: bytes, done: bool) -> None:
    """Extensions, trailers, and what stands behind the end."""
    assert decode(data, []) == (content, done)


@pytest.mark.parametrize(
    "data",
    [b"x\r\n", b"-1\r\n", b"+5\r\nhello", b"1_0\r\n", b"\r\n", b"5\r\nhelloXX", b"5\r\nhello\rX", b"f" * 16 + b"\r\n",
     b"1" * 5000, b"0\r\n" + b"x" * 70_000],
)  # fmt: skip
def test_broken(data: bytes) -> None:
    """What is not chunked coding is an error, and no line grows without end."""
    with pytest.raises(DecodeError, match="chunked body"):
        decode(data, [])
