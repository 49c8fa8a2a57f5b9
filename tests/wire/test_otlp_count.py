"""Counting items by a shallow walk: the same number as protobuf's own decoder finds, and errors that say where."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from alloytrio.errors import DecodeError
from alloytrio.wire import count_data_points, count_items, count_log_records, count_spans
from alloytrio.wire.protobuf import bytes_field
from tests.wire.requests import Request, any_requests, count, log_requests, metric_requests, trace_requests

TRACE_ID, SPAN_ID = bytes(range(16)), bytes(range(8))
USUAL = bytes_field(0x0A, TRACE_ID) + bytes_field(0x12, SPAN_ID)


def request_of(*items: bytes, scope_tag: int = 0x12) -> bytes:
    """A request with one resource and one scope that holds the given encoded items."""
    scope = b"".join(bytes_field(0x12, item) for item in items)
    return bytes_field(0x0A, bytes_field(scope_tag, scope))


@settings(max_examples=80)
@given(any_requests)
def test_same_number_as_protobuf(pair: tuple[str, Request]) -> None:
    """The walk counts what protobuf's decoder finds."""
    signal, request = pair
    assert count_items(signal, request.SerializeToString()) == count(signal, request)


@settings(max_examples=80)
@given(any_requests, st.data())
def test_any_damage_is_counted_or_refused(pair: tuple[str, Request], data: st.DataObject) -> None:
    """Damaged bytes either count or raise DecodeError; nothing else escapes and nothing hangs."""
    signal, request = pair
    payload = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(0, 3))):
        if payload:
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    try:
        assert count_items(signal, bytes(payload[:cut])) >= 0
    except DecodeError:
        pass


@settings(max_examples=30)
@given(st.binary(max_size=60), st.sampled_from(["traces", "metrics", "logs"]))
def test_noise_is_counted_or_refused(payload: bytes, signal: str) -> None:
    """Random bytes raise nothing but DecodeError."""
    try:
        count_items(signal, payload)
    except DecodeError:
        pass


@settings(max_examples=30)
@given(trace_requests, metric_requests, log_requests)
def test_concatenation_adds_up(
    traces: ExportTraceServiceRequest, points: ExportMetricsServiceRequest, logs: ExportLogsServiceRequest
) -> None:
    """Two requests laid end to end are one that holds both."""
    for function, request in ((count_spans, traces), (count_data_points, points), (count_log_records, logs)):
        payload = request.SerializeToString()
        assert function(payload + payload) == 2 * function(payload)


def test_reference_vector() -> None:
    """The request of the reference, encoded by hand, has one span."""
    payload = bytes.fromhex(
        "0a37123512330a100102030405060708090a0b0c0d0e0f10120801020304050607082a0178"
        "3002390100000000000000410200000000000000"
    )
    assert count_spans(payload) == 1


@pytest.mark.parametrize("tag", [0x12, 8002])
def test_deprecated_lists_count(tag: int) -> None:
    """The old list of scopes (field 1000) counts when the present one is empty."""
    assert count_spans(request_of(USUAL, USUAL, scope_tag=tag)) == 2


def test_deprecated_list_beside_the_present_one() -> None:
    """Decoders ignore the old list where there is a present one; so does the count."""
    old, new = request_of(USUAL, USUAL, scope_tag=8002), request_of(USUAL)
    assert count_spans(bytes_field(0x0A, old[2:] + new[2:])) == 1


def test_last_kind_of_data_wins() -> None:
    """A metric with two kinds of data has the points of the last one, as a oneof says."""
    gauge = bytes_field(0x2A, bytes_field(0x0A, b"") * 3)
    sums = bytes_field(0x3A, bytes_field(0x0A, b"") * 2)
    assert count_data_points(request_of(gauge + sums)) == 2
    assert count_data_points(request_of(sums + gauge + gauge)) == 6


@pytest.mark.parametrize(
    "span",
    [
        b"",
        USUAL,
        USUAL + bytes_field(0x22, SPAN_ID),
        USUAL + bytes_field(0x22, b""),
        USUAL + bytes_field(0x1A, b"a=b") + bytes_field(0x22, SPAN_ID),
        USUAL + bytes_field(0x2A, b"name" * 50),
        bytes_field(0x12, SPAN_ID) + bytes_field(0x0A, TRACE_ID),
        bytes_field(0x0A, b"") + bytes_field(0x12, b""),
        USUAL + bytes_field(0x2A, b"n" * 20_000),
    ],
)
def test_ids_of_right_length(span: bytes) -> None:
    """Ids of full length or empty are fine, in any order."""
    assert count_spans(request_of(span, USUAL)) == 2


@pytest.mark.parametrize(
    ("span", "name"),
    [
        (bytes_field(0x0A, b"short") + bytes_field(0x12, SPAN_ID), "trace_id of 5 bytes"),
        (bytes_field(0x0A, TRACE_ID) + bytes_field(0x12, TRACE_ID), "span_id of 16 bytes"),
        (USUAL + bytes_field(0x22, b"1234567"), "parent_span_id of 7 bytes"),
        (USUAL + bytes_field(0x22, b"123456789"), "parent_span_id of 9 bytes"),
        (USUAL + bytes_field(0x1A, b"a=b") + bytes_field(0x22, b"1"), "parent_span_id of 1 bytes"),
        (bytes_field(0x2A, b"name") + bytes_field(0x0A, b"1"), "trace_id of 1 bytes"),
    ],
)
def test_ids_of_wrong_length(span: bytes, name: str) -> None:
    """One bad id refuses the request and says which: a backend would refuse the whole batch for it."""
    with pytest.raises(DecodeError, match=f"Span: {name}.* at byte"):
        count_spans(request_of(USUAL, span))


def test_ids_of_log_records() -> None:
    """Log records may have ids, of the right length."""
    good = bytes_field(0x4A, TRACE_ID) + bytes_field(0x52, SPAN_ID)
    assert count_log_records(request_of(good, b"")) == 2
    with pytest.raises(DecodeError, match="LogRecord: span_id of 16 bytes"):
        count_log_records(request_of(bytes_field(0x52, TRACE_ID)))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\x0a\x05\x12", "reaches over the end"),
        (b"\x0a", "ends inside a field, at byte 1"),
        (b"\x0a\xff\xff\xff\xff\xff\x01", "over-long varint at byte 1"),
        (b"\x0a\xff\xff\xff\xff\x0f", "over-long varint"),
        (b"\x18" + b"\xff" * 10 + b"\x01", "over-long varint at byte 1"),
        (b"\x18" + b"\xff" * 9 + b"\x02", "over-long varint at byte 1"),
        (b"\x1b\x08\x01\x1c", "a group at byte 1"),
        (b"\x1c", "a group"),
        (b"\x1e", "wire type 6"),
        (b"\x02\x00", "field number 0"),
        (b"\x08\x01", "field 1 has wire type 0, at byte 0"),
        (b"\x0a\x02\x10\x01", "field 2 has wire type 0"),
        (b"\x0a\x04\x12\x02\x10\x01", "field 2 has wire type 0"),
        (b"\x0a\x02\x12\x05\x00\x00\x00\x00\x00", "reaches over the end"),
        (b"\x21\x00", "reaches over the end"),
    ],
)
def test_broken_structure(payload: bytes, message: str) -> None:
    """What no decoder would read is refused, with the place."""
    with pytest.raises(DecodeError, match=message):
        count_spans(payload)


def test_unknown_fields_are_skipped() -> None:
    """Fields of a later version are skipped by their wire type, on every level."""
    unknown = b"\xa0\x06\x96\x01" + b"\xa1\x06" + bytes(8) + b"\xa5\x06" + bytes(4) + bytes_field(802, b"later")
    span = bytes_field(0x12, unknown + USUAL + unknown)
    scope = bytes_field(0x12, unknown + span + unknown)
    assert count_spans(unknown + bytes_field(0x0A, unknown + scope + unknown) + unknown) == 1


def test_deep_nesting_is_not_walked() -> None:
    """An attribute of 10 000 levels costs nothing: values are skipped as a whole."""
    value = b""
    for _ in range(10_000):
        value = bytes_field(0x2A, bytes_field(0x0A, value))
    assert count_spans(request_of(USUAL + bytes_field(0x4A, bytes_field(0x12, value)))) == 1
