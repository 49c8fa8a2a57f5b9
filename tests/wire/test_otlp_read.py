"""OTLP to plain values: what a person sees is what was sent."""

import math
import struct

import pytest
from google._upb._message import FieldDescriptor as UpbFieldDescriptor
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from alloytrio.errors import DecodeError
from alloytrio.wire.otlp_read import MAX_DEPTH, TOO_DEEP, read_request, skim_request
from alloytrio.wire.protobuf import bytes_field

MESSAGES: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
TYPE = FieldDescriptor
AnyField = FieldDescriptor | UpbFieldDescriptor


@st.composite
def filled(draw: st.DrawFn, kind: type[Message], depth: int = 0) -> Message:
    """A message with some of its fields set, drawn along its descriptor."""
    message = kind()
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()) or field.name.startswith("string_value_strindex") or field.name == "key_strindex":
            continue
        if field.type == TYPE.TYPE_MESSAGE:
            if depth > 7:
                continue
            inner = filled(_class_of(message, field), depth + 1)
            if field.is_repeated:
                getattr(message, field.name).extend(draw(st.lists(inner, max_size=2)))
            else:
                getattr(message, field.name).CopyFrom(draw(inner))
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(_scalars(field), max_size=3)))
        else:
            setattr(message, field.name, draw(_scalars(field)))
    return message


def _class_of(message: Message, field: AnyField) -> type[Message]:
    holder = getattr(type(message)(), field.name)
    return type(holder.add()) if field.is_repeated else type(holder)


def _scalars(field: AnyField) -> st.SearchStrategy[object]:
    if field.type == TYPE.TYPE_BYTES and field.name.endswith("_id"):
        return st.binary(max_size=16)
    return {
        TYPE.TYPE_STRING: st.text(max_size=8),
        TYPE.TYPE_BYTES: st.binary(max_size=8),
        TYPE.TYPE_BOOL: st.booleans(),
        TYPE.TYPE_DOUBLE: st.floats(allow_nan=False),
        TYPE.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        TYPE.TYPE_SFIXED64: st.integers(-(2**63), 2**63 - 1),
        TYPE.TYPE_FIXED64: st.integers(0, 2**64 - 1),
        TYPE.TYPE_UINT64: st.integers(0, 2**64 - 1),
        TYPE.TYPE_UINT32: st.integers(0, 2**32 - 1),
        TYPE.TYPE_FIXED32: st.integers(0, 2**32 - 1),
        TYPE.TYPE_SINT32: st.integers(-(2**31), 2**31 - 1),
        TYPE.TYPE_ENUM: st.integers(0, 2),
    }[field.type]


def plain(message: Message) -> object:
    """What protobuf's own decoder says, in the form of ours."""
    if isinstance(message, AnyValue):
        kind = message.WhichOneof("value")
        if kind is None:
            return None
        value = getattr(message, kind)
        if kind == "array_value":
            return [plain(each) for each in value.values]
        if kind == "kvlist_value":
            return attributes(value.values)
        return value
    found: dict[str, object] = {}
    for field, value in message.ListFields():
        if field.type != TYPE.TYPE_MESSAGE:
            is_id = field.name.endswith("_id") and field.type == TYPE.TYPE_BYTES
            found[field.name] = value.hex() if is_id else list(value) if field.is_repeated else value
        elif not field.is_repeated:
            found[field.name] = plain(value)
        elif field.message_type is not None and field.message_type.name == "KeyValue":
            found[field.name] = attributes(value)
        else:
            found[field.name] = [plain(each) for each in value]
    return found


def attributes(values: object) -> dict[str, object]:
    """A list of KeyValue as a dictionary; the last of a key wins."""
    return {each.key: plain(each.value) if each.HasField("value") else None for each in values}  # type: ignore[attr-defined]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(["traces", "metrics", "logs"]))
def test_reads_what_protobuf_reads(data: st.DataObject, signal: str) -> None:
    """Any request reads as protobuf's own decoder reads it."""
    message = data.draw(filled(MESSAGES[signal]))
    assert read_request(signal, message.SerializeToString()) == plain(message)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["traces", "metrics", "logs"]))
def test_any_bytes_are_read_or_refused(payload: bytes, signal: str) -> None:
    """Bytes that are no request raise DecodeError and nothing else."""
    try:
        read_request(signal, payload)
    except DecodeError:
        return


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_cut_requests_are_refused_or_shorter(data: st.DataObject) -> None:
    """A request that was cut anywhere raises DecodeError, or reads as the messages before the cut."""
    payload = data.draw(filled(ExportTraceServiceRequest)).SerializeToString()
    cut = payload[: data.draw(st.integers(0, len(payload)))]
    try:
        found = read_request("traces", cut)
    except DecodeError:
        return
    assert found == plain(ExportTraceServiceRequest.FromString(cut))


def test_deep_nesting_ends_in_words() -> None:
    """A value nested a thousand times is shown down to the limit, and does not end the process."""
    value = AnyValue(string_value="x").SerializeToString()
    for _ in range(1000):
        array = bytes_field(1 << 3 | 2, value)  # ArrayValue.values
        value = bytes_field(5 << 3 | 2, array)  # AnyValue.array_value
    payload = value
    for number in (5, 2, 2, 1):  # body, log_records, scope_logs, resource_logs
        payload = bytes_field(number << 3 | 2, payload)
    found = str(read_request("logs", payload))
    assert TOO_DEEP in found
    assert found.count("[") <= MAX_DEPTH


def test_text_that_is_not_utf8_is_shown() -> None:
    """Broken text is replaced, not refused: the viewer shows what there is."""
    assert read_request("logs", b"\x0a\x03\x1a\x01\xff") == {"resource_logs": [{"schema_url": "\ufffd"}]}


def test_packed_lists_may_come_unpacked() -> None:
    """bucket_counts as single fixed64 fields reads like the packed form."""
    request = ExportMetricsServiceRequest()
    point = request.resource_metrics.add().scope_metrics.add().metrics.add().histogram.data_points.add()
    point.bucket_counts.extend([1, 2])
    packed = b"\x32\x10" + struct.pack("<QQ", 1, 2)
    unpacked = b"\x31" + struct.pack("<Q", 1) + b"\x31" + struct.pack("<Q", 2)
    payload = request.SerializeToString()
    assert packed in payload
    # the lengths of all messages around grow by nothing: both forms have 18 bytes
    assert read_request("metrics", payload.replace(packed, unpacked)) == read_request("metrics", payload)


def test_special_floats() -> None:
    """NaN and infinities are values like others."""
    request = ExportMetricsServiceRequest()
    points = request.resource_metrics.add().scope_metrics.add().metrics.add().gauge.data_points
    for value in (math.nan, math.inf):
        points.add().as_double = value
    found = str(read_request("metrics", request.SerializeToString()))
    assert "nan" in found
    assert "inf" in found


@pytest.mark.parametrize("left_out", ["attributes", "events", "links"])
def test_skimming_leaves_out_the_bulk(left_out: str) -> None:
    """Skimming a trace keeps ids, names, times, status and the resource, and leaves out the rest of each span."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add()
    spans.resource.attributes.add(key="service.name").value.string_value = "shop"
    span = spans.scope_spans.add().spans.add(name="GET", start_time_unix_nano=1, end_time_unix_nano=2)
    span.status.message = "no"
    span.events.add(name="e")
    span.attributes.add(key="k")
    span.links.add(trace_id=b"x")
    expected = plain(request)
    found = skim_request("traces", request.SerializeToString())
    del expected["resource_spans"][0]["scope_spans"][0]["spans"][0][left_out]  # type: ignore[index]
    rest = {"attributes", "events", "links"} - {left_out}
    for key in rest:
        del expected["resource_spans"][0]["scope_spans"][0]["spans"][0][key]  # type: ignore[index]
    assert found == expected
