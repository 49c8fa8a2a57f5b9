"""Every message encoding: round trips, limits, and any bytes."""

import pytest
import snappy
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.errors import DecodeError
from alloytrio.grpc.compression import CODECS, TooLargeError, accepted_encodings

MIB = 1024 * 1024


@pytest.mark.parametrize("name", CODECS)
@given(plain=st.binary(max_size=100_000), cut=st.integers(0, 100_000))
def test_round_trip(name: str, plain: bytes, cut: int) -> None:
    """A message comes back from pieces, with the limit at its exact size."""
    compressed = CODECS[name].compress(plain)
    pieces = [compressed[:cut], compressed[cut:]]
    assert CODECS[name].decompress(pieces, len(plain)) == plain
    if plain:
        with pytest.raises(TooLargeError):
            CODECS[name].decompress(pieces, len(plain) - 1)


@pytest.mark.parametrize("name", CODECS)
@given(body=st.binary(max_size=300))
def test_any_bytes(name: str, body: bytes) -> None:
    """No message raises anything else."""
    try:
        CODECS[name].decompress([body], 10_000)
    except (DecodeError, TooLargeError):
        pass


@pytest.mark.parametrize("name", CODECS)
def test_bomb(name: str) -> None:
    """A message that stands for 64 MiB is refused at its limit."""
    bomb = CODECS[name].compress(bytes(64 * MIB))
    with pytest.raises(TooLargeError):
        CODECS[name].decompress([bomb], MIB)


def test_offer() -> None:
    """All of them are offered to peers; snappy is the framed format, as other gRPC libraries mean it."""
    assert accepted_encodings() == b"identity,gzip,zstd,snappy"
    assert snappy.StreamDecompressor().decompress(CODECS["snappy"].compress(b"abc")) == b"abc"
    assert zstandard.ZstdDecompressor().decompress(CODECS["zstd"].compress(b"abc")) == b"abc"
