"""The primitives of protobuf's wire format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.errors import DecodeError
from alloytrio.wire.protobuf import MAX_TAG, append_bytes, append_varint, read_small, read_varint, varint, zigzag


@given(st.integers(0, 2**64 - 1))
def test_varint_round_trip(value: int) -> None:
    """Every unsigned 64-bit number reads back, and the position is behind it."""
    encoded = varint(value)
    assert read_varint(b"\xff" + encoded + b"\x01", 1, "m") == (value, 1 + len(encoded))


@pytest.mark.parametrize(
    ("value", "encoded"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**64 - 1, "ff" * 9 + "01")]
)
def test_varint_bytes(value: int, encoded: str) -> None:
    """The encoding is the shortest one."""
    assert varint(value).hex() == encoded


@pytest.mark.parametrize("encoded", ["80" * 10 + "00", "ff" * 9 + "02", "ff" * 11])
def test_over_long_varints(encoded: str) -> None:
    """More than ten bytes, or more than 64 bits, are refused."""
    with pytest.raises(DecodeError, match="over-long varint at byte 0"):
        read_varint(bytes.fromhex(encoded), 0, "m")


@given(st.integers(0, MAX_TAG))
def test_small_round_trip(value: int) -> None:
    """Tags and lengths up to 32 bits read back."""
    assert read_small(varint(value), 0, MAX_TAG, "m")[0] == value


@pytest.mark.parametrize("value", [MAX_TAG + 1, 2**35, 2**64 - 1])
def test_small_beyond_the_limit(value: int) -> None:
    """A length or tag above the limit is refused, not wrapped."""
    with pytest.raises(DecodeError, match="over-long"):
        read_small(varint(value), 0, MAX_TAG, "m")


def test_varint_that_ends_early() -> None:
    """Reading past the end is an IndexError, which entry points turn into DecodeError."""
    with pytest.raises(IndexError):
        read_varint(b"\x80", 0, "m")


@pytest.mark.parametrize(("value", "encoded"), [(0, 0), (-1, 1), (1, 2), (-(2**31), 2**32 - 1), (2**63 - 1, 2**64 - 2)])
def test_zigzag(value: int, encoded: int) -> None:
    """Signed numbers take the zigzag form."""
    assert zigzag(value) == encoded


def test_append() -> None:
    """Fields are appended behind what is there."""
    out = bytearray(b"x")
    append_varint(out, 300)
    append_bytes(out, 8002, b"ab")
    assert bytes(out) == b"x\xac\x02\xc2\x3e\x02ab"
