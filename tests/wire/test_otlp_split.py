"""Cutting a request: nothing lost, order kept, headers copied, every part fits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from alloytrio.errors import DecodeError
from alloytrio.wire import halve, split
from alloytrio.wire.protobuf import bytes_field
from tests.wire.requests import REQUESTS, Request, any_requests, count, flatten


def decoded(signal: str, payload: bytes) -> Request:
    """The request as protobuf reads it."""
    return REQUESTS[signal].FromString(payload)


def spans_request(number: int, *, resources: int = 1) -> ExportTraceServiceRequest:
    """A request with ``number`` numbered spans under each of ``resources`` resources."""
    request = ExportTraceServiceRequest()
    for index in range(resources):
        block = request.resource_spans.add(schema_url="https://example.org/schema")
        block.resource.attributes.add(key="service.name").value.string_value = f"service-{index}"
        scope = block.scope_spans.add()
        scope.scope.name = "scope"
        scope.spans.extend(Span(name=f"{index}/{item}") for item in range(number))
    return request


@settings(max_examples=60)
@given(any_requests, st.integers(0, 5), st.integers(0, 400))
def test_nothing_lost_order_kept_headers_right(pair: tuple[str, Request], max_items: int, max_bytes: int) -> None:
    """All parts together hold the same items in the same order under the same headers."""
    signal, request = pair
    parts = split(signal, request.SerializeToString(), max_items, max_bytes)
    rows = [row for _, payload in parts for row in flatten(signal, decoded(signal, payload))]
    assert rows == flatten(signal, request)


@settings(max_examples=60)
@given(any_requests, st.integers(0, 5), st.integers(0, 400))
def test_every_part_fits(pair: tuple[str, Request], max_items: int, max_bytes: int) -> None:
    """No part has more items or bytes than allowed, but a single item (or empty block) that is larger by itself."""
    signal, request = pair
    for items, payload in split(signal, request.SerializeToString(), max_items, max_bytes):
        part = decoded(signal, payload)
        assert items == count(signal, part)
        assert not max_items or items <= max_items
        assert not max_bytes or len(payload) <= max_bytes or len(flatten(signal, part)) == 1


@settings(max_examples=30)
@given(any_requests)
def test_halves(pair: tuple[str, Request]) -> None:
    """A half has half of the items; a request with a single item cannot be cut."""
    signal, request = pair
    whole = count(signal, request)
    parts = halve(signal, request.SerializeToString())
    assert sum(items for items, _ in parts) == whole
    if whole < 2:
        assert len(parts) == 1
    else:
        assert [items for items, _ in parts if items] == [(whole + 1) // 2, whole // 2]


def test_a_request_that_fits_is_the_same_object() -> None:
    """Nothing is copied when there is nothing to cut."""
    payload = spans_request(10).SerializeToString()
    parts = split("traces", payload, 10, len(payload))
    assert parts == [(10, payload)]
    assert parts[0][1] is payload


@pytest.mark.parametrize(("limit", "sizes"), [(3000, [3000, 2000]), (2500, [2500, 2500]), (4999, [4999, 1])])
def test_cuts_at_exactly_the_limit(limit: int, sizes: list[int]) -> None:
    """Parts are filled up to the limit, over the borders of resources."""
    payload = spans_request(2500, resources=2).SerializeToString()
    assert [items for items, _ in split("traces", payload, limit, 0)] == sizes


def test_twenty_mebibytes_into_four() -> None:
    """A request of 20 MiB becomes parts below 4 MiB, filled to more than nine tenths but the last."""
    request = spans_request(20_000)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.attributes.add(key="text").value.string_value = "x" * 1024
    payload = request.SerializeToString()
    parts = split("traces", payload, 0, 4 << 20)
    assert all(len(part) <= 4 << 20 for _, part in parts)
    assert all(len(part) > 0.9 * (4 << 20) for _, part in parts[:-1])
    names = [span.name for _, part in parts for row in [decoded("traces", part)] for span in all_spans(row)]
    assert names == [f"0/{index}" for index in range(20_000)]


def all_spans(request: Request) -> list[Span]:
    """The spans of a trace request in order."""
    assert isinstance(request, ExportTraceServiceRequest)
    return [span for block in request.resource_spans for scope in block.scope_spans for span in scope.spans]


def test_an_item_above_the_limit_stands_alone() -> None:
    """One span larger than the limit does not take others with it."""
    request = spans_request(5)
    request.resource_spans[0].scope_spans[0].spans[2].name = "n" * 5000
    parts = split("traces", request.SerializeToString(), 0, 1000)
    assert [items for items, _ in parts] == [2, 1, 2]


def test_header_behind_the_items() -> None:
    """A resource that an encoder wrote behind its spans is still the header of every part."""
    resource = bytes_field(0x0A, bytes_field(0x0A, bytes_field(0x0A, b"key")))
    scopes = bytes_field(0x12, bytes_field(0x12, bytes_field(0x2A, b"a")) + bytes_field(0x12, bytes_field(0x2A, b"b")))
    parts = split("traces", bytes_field(0x0A, scopes + resource), 1, 0)
    for (items, payload), name in zip(parts, ["a", "b"], strict=True):
        request = decoded("traces", payload)
        assert isinstance(request, ExportTraceServiceRequest)
        assert items == 1
        assert request.resource_spans[0].resource.attributes[0].key == "key"
        assert all_spans(request)[0].name == name


def test_deprecated_list_is_cut_as_itself() -> None:
    """Old lists of scopes (field 1000) are cut like present ones and keep their field number."""
    span = bytes_field(0x12, bytes_field(0x2A, b"a"))
    parts = split("traces", bytes_field(0x0A, bytes_field(8002, span * 3)), 2, 0)
    assert parts == [
        (2, bytes_field(0x0A, bytes_field(8002, span * 2))),
        (1, bytes_field(0x0A, bytes_field(8002, span))),
    ]


def test_deprecated_list_beside_the_present_one_travels_once() -> None:
    """What decoders ignore goes into the first part only, beside the present list, where it stays ignored."""
    span = bytes_field(0x12, bytes_field(0x2A, b"a"))
    old = bytes_field(8002, span)
    payload = bytes_field(0x0A, old + bytes_field(0x12, span * 2))
    parts = split("traces", payload, 1, 0)
    assert parts == [
        (1, bytes_field(0x0A, old + bytes_field(0x12, span))),
        (1, bytes_field(0x0A, bytes_field(0x12, span))),
    ]


def test_unknown_fields_travel_along() -> None:
    """Fields of a later version are headers, and copied."""
    unknown = bytes_field(802, b"later")
    span = bytes_field(0x12, b"")
    payload = bytes_field(0x0A, unknown + bytes_field(0x12, span * 2 + unknown))
    part = bytes_field(0x0A, unknown + bytes_field(0x12, unknown + span))
    assert split("traces", payload, 1, 0) == [(1, part), (1, part)]


def test_broken_requests_are_refused() -> None:
    """A request that does not decode is not cut."""
    with pytest.raises(DecodeError):
        split("traces", b"\x0a\x05\x12", 1, 0)
    with pytest.raises(ValueError, match="profiles"):
        split("profiles", b"", 1, 0)
