"""Durations, sizes, addresses and headers as users write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.values import check_headers, format_duration, format_size, parse_duration, parse_size, split_address


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("200ms", 0.2),
        ("1m30s", 90),
        ("1h", 3600),
        ("0", 0),
        ("0s", 0),
        ("1.5s", 1.5),
        ("7us", 7e-6),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    """A Go duration is read to its seconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "5d", "-5s", "1h ", "5sx"])
def test_not_a_duration(text: str) -> None:
    """Anything else is refused with the syntax."""
    with pytest.raises(ValueError, match="such as"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**15))
def test_duration_round_trip(microseconds: int) -> None:
    """What is printed reads back to the same duration."""
    assert parse_duration(format_duration(microseconds / 1e6)) == pytest.approx(microseconds / 1e6)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4MiB", 4 << 20), ("4MB", 4 << 20), ("512KiB", 512 << 10), ("5.5MiB", 5767168), ("17B", 17), ("9", 9)],
)
def test_size(text: str, size: int) -> None:
    """A size is read in base 2, whatever the spelling of its unit."""
    assert parse_size(text) == size


@given(st.integers(min_value=0, max_value=2**50))
def test_size_round_trip(size: int) -> None:
    """What is printed reads back to the same size."""
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("text", ["", "MiB", "4kB", "4 XB", "-4MiB"])
def test_not_a_size(text: str) -> None:
    """Anything else is refused with the syntax."""
    with pytest.raises(ValueError, match="such as"):
        parse_size(text)


@pytest.mark.parametrize(("name", "value"), [("a b", "x"), ("a", "x\r\ny: z"), ("a", "x\x00"), ("a", "é"), ("", "x")])
def test_headers_that_inject(name: str, value: str) -> None:
    """A header that could end its line is refused; the message does not repeat its value."""
    with pytest.raises(ValueError, match="header") as caught:
        check_headers({name: value})
    assert "y: z" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("0.0.0.0:4317", "0.0.0.0", 4317), ("[::1]:80", "::1", 80), (":9", "", 9), ("localhost:0", "localhost", 0)],
)
def test_address(address: str, host: str, port: int) -> None:
    """Host and port are told apart, brackets removed."""
    assert split_address(address) == (host, port)


@pytest.mark.parametrize("address", ["", "host", "host:", "host:http", "host:70000", "::1:80", "host:²"])
def test_not_an_address(address: str) -> None:
    """Anything else is refused with the form."""
    with pytest.raises(ValueError, match="host:port"):
        split_address(address)
