"""Attribute values as label texts."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from alloytrio.errors import DecodeError
from alloytrio.wire.otlp_values import MAX_DEPTH, double_text, plain_text, read_attributes
from alloytrio.wire.protobuf import bytes_field
from tests.wire import text_reference as reference

TEXTS = st.text(max_size=6) | st.sampled_from(['<&>"\\\n\t\x7f\x00', "\u2028\u2029"])
VALUES = st.recursive(
    st.builds(AnyValue, string_value=TEXTS)
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1))
    | st.builds(AnyValue, double_value=st.floats())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=4))
    | st.just(AnyValue()),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: AnyValue(array_value=ArrayValue(values=items)))
        | st.lists(st.builds(KeyValue, key=TEXTS, value=inner), max_size=3).map(
            lambda items: AnyValue(kvlist_value=KeyValueList(values=items))
        )
    ),
    max_leaves=6,
)


def attributes(*items: KeyValue) -> bytes:
    """Encoded attributes."""
    return Resource(attributes=items).SerializeToString()


@settings(max_examples=150)
@given(VALUES)
def test_texts_as_the_reference(value: AnyValue) -> None:
    """For any value, what the rules' plain form gives."""
    encoded = attributes(KeyValue(key="k", value=value))
    assert read_attributes(encoded) == [("k", reference.text_of(value))]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.5, "1.5"),
        (1e-6, "0.000001"),
        (9.99e-7, "9.99e-7"),
        (1e-7, "1e-7"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_doubles(number: float, text: str) -> None:
    """Doubles are written as JavaScript does."""
    assert double_text(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.005, "0.005"),
        (1.0, "1"),
        (1e-7, "0.0000001"),
        (1e21, "1000000000000000000000"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        (-0.0, "-0"),
        (2.5, "2.5"),
    ],
)
def test_bounds(number: float, text: str) -> None:
    """le and quantile never have an exponent, nor a trailing zero."""
    assert plain_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_bounds_read_back(number: float) -> None:
    """The digits read back to the same number."""
    assert float(plain_text(number)) == number
    assert float(double_text(number)) == number


@pytest.mark.parametrize("kind", [0x2A, 0x32])
def test_deep_values(kind: int) -> None:
    """Values of up to the limit of levels are read; deeper ones are refused, 10 000 levels without harm."""

    def nested(levels: int) -> bytes:
        value = b"\x10\x01"
        for _ in range(levels):
            inner = bytes_field(0x0A, value) if kind == 0x2A else bytes_field(0x0A, bytes_field(0x12, value))
            value = bytes_field(kind, inner)
        return bytes_field(0x0A, bytes_field(0x0A, b"k") + bytes_field(0x12, value))

    assert read_attributes(nested(MAX_DEPTH))[0][1].count("true") == 1
    for levels in (MAX_DEPTH + 1, 10_000):
        with pytest.raises(DecodeError, match="nests more than"):
            read_attributes(nested(levels))


@pytest.mark.parametrize(
    "encoded",
    [
        bytes_field(0x0A, bytes_field(0x0A, b"\xff")),
        bytes_field(0x0A, bytes_field(0x0A, b"k") + bytes_field(0x12, bytes_field(0x0A, b"a\xc3"))),
        bytes_field(0x0A, b"\x0a\x05k"),
        b"\x0a\x05",
        b"\x08\x01",
    ],
)
def test_broken_attributes(encoded: bytes) -> None:
    """Text that is not UTF-8 and broken structure are refused."""
    with pytest.raises((DecodeError, IndexError)):
        read_attributes(encoded)
