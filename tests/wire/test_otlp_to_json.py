"""Protobuf becomes the OTLP/JSON that protobuf's own classes make of it, which our reader turns back into the same."""

import json

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from alloytrio.errors import DecodeError
from alloytrio.wire.otlp_json import MAX_DEPTH, encode_request
from alloytrio.wire.otlp_to_json import decode_request
from alloytrio.wire.protobuf import bytes_field
from tests.wire.test_otlp_json import MESSAGES, messages, to_otlp_json

ANY_REQUEST = st.sampled_from(sorted(MESSAGES)).flatmap(lambda name: st.tuples(st.just(name), messages(MESSAGES[name])))


def text_of(signal: str, message: Message) -> bytes:
    """Our JSON of a message."""
    return decode_request(signal, message.SerializeToString())


@given(ANY_REQUEST)
@settings(max_examples=200, deadline=None)
def test_as_protobuf_says_it(case: tuple[str, Message]) -> None:
    """Every field is under its key, with the value that protobuf's classes write; ids are in hex."""
    signal, message = case
    assert json.loads(text_of(signal, message)) == to_otlp_json(message)


@given(ANY_REQUEST)
@settings(max_examples=200, deadline=None)
def test_there_and_back(case: tuple[str, Message]) -> None:
    """Read by our own reader it is the same message, byte for byte as protobuf writes it."""
    signal, message = case
    again = MESSAGES[signal]()
    again.ParseFromString(encode_request(signal, text_of(signal, message)))
    assert again.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_bytes(signal: str, payload: bytes) -> None:
    """What is no request is a DecodeError, and nothing else."""
    try:
        json.loads(decode_request(signal, payload))
    except DecodeError:
        pass


@given(ANY_REQUEST, st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_cut_short(case: tuple[str, Message], part: float) -> None:
    """A request that is cut is read up to a field's end, or refused."""
    signal, message = case
    payload = message.SerializeToString()
    try:
        json.loads(decode_request(signal, payload[: int(part * len(payload))]))
    except DecodeError:
        pass


def span_bytes(*fields: bytes) -> bytes:
    """A request with a span that is encoded so."""
    return bytes_field(0x0A, bytes_field(0x12, bytes_field(0x12, b"".join(fields))))


def test_forms() -> None:
    """Each kind of value, as the specification writes it."""
    span = Span(
        trace_id=bytes(range(16)), span_id=b"\xab" * 8, name="größe", kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=2**63, flags=0x101,
    )  # fmt: skip
    for value in (float("nan"), float("-inf"), 1.5):
        span.attributes.add(key="d").value.double_value = value
    span.attributes.add(key="i").value.int_value = -(2**63)
    span.attributes.add(key="b").value.bytes_value = b"\xfb\xff"
    span.attributes.add(key="none")
    found = json.loads(decode_request("traces", span_bytes(span.SerializeToString())))
    assert found["resourceSpans"][0]["scopeSpans"][0]["spans"][0] == {
        "traceId": "000102030405060708090a0b0c0d0e0f",
        "spanId": "abababababababab",
        "name": "größe",
        "kind": 2,
        "startTimeUnixNano": "9223372036854775808",
        "flags": 257,
        "attributes": [
            {"key": "d", "value": {"doubleValue": "NaN"}},
            {"key": "d", "value": {"doubleValue": "-Infinity"}},
            {"key": "d", "value": {"doubleValue": 1.5}},
            {"key": "i", "value": {"intValue": "-9223372036854775808"}},
            {"key": "b", "value": {"bytesValue": "+/8="}},
            {"key": "none"},
        ],
    }


def test_repeated_members() -> None:
    """Of a member that comes twice the last counts; of a oneof the last stands last; unknown fields are left out."""
    value = bytes_field(0x12, b"\x10\x01" + bytes_field(0x0A, b"text") + b"\x10\x00")
    twice = bytes_field(0x2A, b"first") + bytes_field(0x2A, b"second") + bytes_field(0xFFA, b"unknown")
    text = decode_request("traces", span_bytes(twice, bytes_field(0x4A, value)))
    (span,) = json.loads(text)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span == {"name": "second", "attributes": [{"value": {"stringValue": "text", "boolValue": False}}]}
    assert list(span["attributes"][0]["value"]) == ["stringValue", "boolValue"]


@pytest.mark.parametrize(
    ("levels", "fits"),
    [((MAX_DEPTH - 5) // 2, True), ((MAX_DEPTH - 3) // 2, False), (MAX_DEPTH, False), (10_000, False)],
)
def test_depth(levels: int, fits: bool) -> None:
    """Lists in lists are refused beyond the depth that our reader takes."""
    value = b"\x10\x01"
    for _ in range(levels):
        value = bytes_field(0x2A, bytes_field(0x0A, value))
    payload = span_bytes(bytes_field(0x4A, bytes_field(0x12, value)))
    if fits:
        assert encode_request("traces", decode_request("traces", payload)) == payload
    else:
        with pytest.raises(DecodeError, match="nested deeper"):
            decode_request("traces", payload)


def test_wrong_wire_types() -> None:
    """A known field of another wire type is refused."""
    for field in (b"\x28\x01", b"\x32\x00", b"\x3a\x00", b"\x85\x01\x00\x00"):
        with pytest.raises(DecodeError):
            decode_request("traces", span_bytes(field))
