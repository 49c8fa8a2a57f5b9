"""Compressed requests are undone, and never to more than a limit."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
import snappy
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.errors import DecodeError
from alloytrio.inflate import DECODERS, MAX_MEMBERS, MAX_SNAPPY_CHUNKS, MAX_ZSTD_FRAMES, TooLargeError, inflate

MIB = 1024 * 1024


def framed(plain: bytes) -> bytes:
    """Snappy's framed format."""
    return bytes(snappy.StreamCompressor().compress(plain)) or b"\xff\x06\x00\x00sNaPpY"


def zstd_stream(plain: bytes) -> bytes:
    """A zstd frame that does not say how long its content is."""
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(plain) + stream.flush()


ENCODERS: dict[str, list[Callable[[bytes], bytes]]] = {
    "gzip": [gzip.compress],
    "zlib": [zlib.compress],
    "deflate": [zlib.compress],
    "zstd": [zstandard.ZstdCompressor().compress, zstd_stream],
    "lz4": [lz4.frame.compress],
    "snappy": [snappy.compress, framed],
    "x-snappy-framed": [framed],
}
CASES = [(name, encoder) for name, encoders in ENCODERS.items() for encoder in encoders]
JOINABLE = [(name, encoder) for name, encoder in CASES if encoder is not snappy.compress]


def test_every_decoder_is_tested() -> None:
    """The cases below cover all that is offered."""
    assert ENCODERS.keys() == DECODERS.keys()


@pytest.mark.parametrize(("name", "encoder"), CASES)
@given(plain=st.binary(max_size=100_000) | st.binary(max_size=50).map(lambda some: some * 5_000))
def test_round_trip(name: str, encoder: Callable[[bytes], bytes], plain: bytes) -> None:
    """What was compressed comes back, with the limit at its exact size."""
    assert inflate(name, encoder(plain), len(plain)) == plain


@pytest.mark.parametrize(("name", "encoder"), CASES)
def test_one_byte_over_the_limit(name: str, encoder: Callable[[bytes], bytes]) -> None:
    """The bound is exact."""
    plain = b"telemetry" * 1_000
    assert inflate(name, encoder(plain), len(plain)) == plain
    with pytest.raises(TooLargeError):
        inflate(name, encoder(plain), len(plain) - 1)


@pytest.mark.parametrize(("name", "encoder"), JOINABLE)
def test_several_members(name: str, encoder: Callable[[bytes], bytes]) -> None:
    """Members laid end to end are one content, and their sum is limited."""
    body = encoder(b"one") + encoder(b"two")
    assert inflate(name, body, 6) == b"onetwo"
    with pytest.raises(TooLargeError):
        inflate(name, body, 5)


@pytest.mark.parametrize(("name", "encoder"), CASES)
def test_cut_short(name: str, encoder: Callable[[bytes], bytes]) -> None:
    """A body that ends in the middle is an error at every place, not a shorter content."""
    body = encoder(bytes(range(256)) * 4)
    # The framed format has no end mark: behind a chunk (here the ten bytes of the magic) it may always end.
    for end in set(range(1, len(body))) - ({10} if encoder is framed else set()):
        with pytest.raises(DecodeError):
            inflate(name, body[:end], MIB)


@pytest.mark.parametrize("name", DECODERS)
@given(body=st.binary(max_size=300))
def test_any_bytes(name: str, body: bytes) -> None:
    """No input raises anything else."""
    try:
        inflate(name, body, 10_000)
    except DecodeError:
        pass


@pytest.mark.parametrize(("name", "encoder"), CASES)
def test_bomb(name: str, encoder: Callable[[bytes], bytes]) -> None:
    """A small body that stands for much is refused before much is allocated."""
    bomb = encoder(bytes(256 * MIB))
    limit = 4 * MIB
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            inflate(name, bomb, limit)
        assert tracemalloc.get_traced_memory()[1] < 3 * limit
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x0f\x00abc"])
def test_declared_length(body: bytes) -> None:
    """A snappy block that declares gigabytes is refused by its declaration."""
    with pytest.raises(TooLargeError):
        inflate("snappy", body, MIB)


PIECES = {"gzip": MAX_MEMBERS, "zlib": MAX_MEMBERS, "lz4": MAX_MEMBERS, "zstd": MAX_ZSTD_FRAMES}


@pytest.mark.parametrize(("name", "most"), PIECES.items())
def test_many_members(name: str, most: int) -> None:
    """As many members as allowed are one content; one more is refused: they cost time and may hold nothing."""
    one = ENCODERS[name][0](b"x")
    assert inflate(name, one * most, MIB) == b"x" * most
    with pytest.raises(DecodeError, match="pieces"):
        inflate(name, one * (most + 1), MIB)


def test_many_chunks() -> None:
    """The same for the chunks of framed snappy, of which padding makes nothing."""
    padding = b"\xfe\x00\x00\x00"
    magic = b"\xff\x06\x00\x00sNaPpY"
    assert inflate("snappy", magic + padding * (MAX_SNAPPY_CHUNKS - 1), MIB) == b""
    with pytest.raises(DecodeError, match="pieces"):
        inflate("snappy", magic + padding * MAX_SNAPPY_CHUNKS, MIB)


def test_bad_block_in_framed_snappy() -> None:
    """A chunk whose block is damaged is a fault of the sender, whatever the library underneath calls it."""
    chunk = b"\x00\x06\x00\x00sNaPpY"
    for coding, body in (("x-snappy-framed", chunk), ("snappy", b"\xff\x06\x00\x00sNaPpY" + chunk)):
        with pytest.raises(DecodeError, match="not snappy"):
            inflate(coding, body, MIB)
