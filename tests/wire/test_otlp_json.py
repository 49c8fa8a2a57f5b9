"""OTLP/JSON becomes the protobuf that protobuf's own classes make of it."""

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from alloytrio.errors import DecodeError
from alloytrio.wire.otlp_json import MAX_DEPTH, encode_request

MESSAGES: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
IDS = {"traceId", "spanId", "parentSpanId"}
Json = dict[str, Any]


def decoded(signal: str, request: Json) -> Message:
    """Our bytes, read by protobuf."""
    message = MESSAGES[signal]()
    message.ParseFromString(encode_request(signal, json.dumps(request).encode()))
    return message


def span(**members: object) -> Json:
    """A request with one span."""
    return {"resourceSpans": [{"scopeSpans": [{"spans": [members]}]}]}


def only_span(request: Json) -> Any:
    """The span of our bytes."""
    message: Any = decoded("traces", request)
    return message.resource_spans[0].scope_spans[0].spans[0]


def to_otlp_json(message: Message) -> Json:
    """Protobuf's JSON with the ids in hex, which is where OTLP differs."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: base64.b64decode(inner).hex() if key in IDS and isinstance(inner, str) else walk(inner)
                for key, inner in value.items()
            }
        return [walk(inner) for inner in value] if isinstance(value, list) else value

    tree: Json = walk(json_format.MessageToDict(message, use_integers_for_enums=True))
    return tree


def messages(message_type: type[Message]) -> st.SearchStrategy[Message]:
    """Messages of a type with any fields set."""
    return st.builds(lambda tree: fill(message_type(), tree), st.randoms(use_true_random=False))


def fill(message: Any, random: Any, depth: int = 0) -> Any:
    """Set some fields of a message to random values, lists to up to two of them."""
    for field in message.DESCRIPTOR.fields:
        if random.random() < 0.4 or field.name.endswith("strindex"):
            continue
        for _ in range(random.randint(1, 2) if field.is_repeated else 1):
            if field.message_type is not None:
                if depth < 9:
                    fill(
                        getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name),
                        random,
                        depth + 1,
                    )
                    if not field.is_repeated:
                        getattr(message, field.name).SetInParent()
                continue
            value = scalar(field, random)
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


def scalar(field: Any, random: Any) -> object:
    """A value for a scalar field."""
    if field.enum_type is not None:
        return random.choice([value.number for value in field.enum_type.values])
    if field.name in {"trace_id", "span_id", "parent_span_id"}:
        return random.randbytes(16 if field.name == "trace_id" else 8)
    bits = {field.CPPTYPE_INT32: (-(2**31), 2**31 - 1), field.CPPTYPE_UINT32: (0, 2**32 - 1)}
    bits |= {field.CPPTYPE_INT64: (-(2**63), 2**63 - 1), field.CPPTYPE_UINT64: (0, 2**64 - 1)}
    if field.cpp_type in bits:
        return random.choice([0, 1, *bits[field.cpp_type], random.randint(*bits[field.cpp_type])])
    if field.cpp_type == field.CPPTYPE_BOOL:
        return random.random() < 0.5
    if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return random.choice([0.0, -1.5, 1e300, float("inf"), float("-inf")])
    return random.randbytes(5) if field.type == field.TYPE_BYTES else random.choice(["", "ü", 'a"\\\n', "service.name"])


@pytest.mark.parametrize("signal", MESSAGES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_request(signal: str, data: st.DataObject) -> None:
    """What protobuf writes as JSON, we read to an equal message."""
    message = data.draw(messages(MESSAGES[signal]))
    assert decoded(signal, to_otlp_json(message)) == message


def test_both_spellings_and_unknown_keys() -> None:
    """snake_case is taken as well; what is unknown is skipped with its whole value."""
    request = {"resource_spans": [{"scope_spans": [{"spans": [{"trace_id": "0A" * 16, "later": {"x": [1]}}]}]}]}
    assert only_span(request).trace_id == b"\x0a" * 16


def test_null_is_absent() -> None:
    """null stands for the default of any field."""
    request = span(traceId=None, name=None, attributes=None, kind=None, status=None, startTimeUnixNano=None)
    assert only_span(request).ByteSize() == 0


@pytest.mark.parametrize("value", ["7", 7, 7.0])
def test_64_bit_integers(value: object) -> None:
    """Strings and numbers are both taken."""
    assert only_span(span(startTimeUnixNano=value)).start_time_unix_nano == 7


def test_last_member_of_a_oneof_wins() -> None:
    """As the specification says, and as protobuf does on the wire."""
    attribute = {"key": "k", "value": {"intValue": "1", "stringValue": "last"}}
    assert only_span(span(attributes=[attribute])).attributes[0].value.string_value == "last"


@pytest.mark.parametrize("value", ["SPAN_KIND_SERVER", 2])
def test_enum_by_name_or_number(value: object) -> None:
    """Names are a leniency."""
    assert only_span(span(kind=value)).kind == 2


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"traceId": "00"}, r"scopeSpans\[0\].spans\[0\].traceId: must be 32 hex digits, or empty"),
        ({"spanId": "zz" * 8}, r"spanId: must be 16 hex digits"),
        ({"spanId": "00 " * 8}, r"spanId: must be 16 hex digits"),
        ({"name": 7}, r"name: must be a string"),
        ({"kind": "SPAN_KIND_OTHER"}, r"kind: is not a name of this enum"),
        ({"startTimeUnixNano": "-1"}, r"startTimeUnixNano: must be between 0 and"),
        ({"startTimeUnixNano": "9" * 5000}, r"startTimeUnixNano: must be between 0 and"),
        ({"startTimeUnixNano": True}, r"startTimeUnixNano: must be an integer"),
        ({"startTimeUnixNano": 1.5}, r"startTimeUnixNano: must be an integer"),
        ({"attributes": {}}, r"attributes: must be an array"),
        ({"attributes": [7]}, r"attributes\[0\]: must be an object"),
        ({"attributes": [{"value": {"bytesValue": "!"}}]}, r"attributes\[0\].value.bytesValue: must be base64"),
        ({"attributes": [{"value": {"boolValue": 1}}]}, r"boolValue: must be true or false"),
        ({"attributes": [{"value": {"doubleValue": "x"}}]}, r"doubleValue: must be a number"),
        ({"status": []}, r"status: must be an object"),
    ],
)
def test_bad_value(members: Json, words: str) -> None:
    """The error names the path and what would be right."""
    with pytest.raises(DecodeError, match=words):
        encode_request("traces", json.dumps(span(**members)).encode())


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"7", b"\xff", b'{"resourceSpans": NaN}'])
def test_not_a_request(text: bytes) -> None:
    """Anything but a JSON object is refused."""
    with pytest.raises(DecodeError):
        encode_request("traces", text)


def nested(levels: int) -> Json:
    """An attribute value of arrays within arrays."""
    value: Json = {"stringValue": "x"}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return span(attributes=[{"key": "k", "value": value}])


def test_nesting_at_the_bound() -> None:
    """What we pass on, protobuf can read; one level more is refused."""
    levels = (MAX_DEPTH - 5) // 2
    decoded("traces", nested(levels))
    with pytest.raises(DecodeError, match="nested deeper"):
        encode_request("traces", json.dumps(nested(levels + 1)).encode())


def test_very_deep_nesting() -> None:
    """A hostile depth is an error, not a crash."""
    deep = b'{"resourceSpans":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(DecodeError):
        encode_request("traces", deep)


@given(st.binary(max_size=200))
def test_any_bytes(text: bytes) -> None:
    """No input raises anything but DecodeError."""
    try:
        encode_request("logs", text)
    except DecodeError:
        pass
