"""Counts the items of an encoded OTLP request and checks its structure, without decoding it.

The walk goes request → resource → scope → item (for metrics: → metric → data → point) and looks no deeper, except for
the lengths of trace and span ids, because a backend that decodes into fixed arrays refuses the whole request for one
bad id. Spans that begin with a trace id, a span id and a parent id in this order, as every SDK writes them, are taken
by a fast path that does not look at the fields behind; all others are walked field by field.

Source: opentelemetry-proto 1.x. Field 1000 of a resource block is the old name of the list of scopes; it counts only if
the present list is empty, as in the OpenTelemetry Collector.
"""

from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire.protobuf import overrun, read_length, read_small, read_tag, skip_value, truncated, wrong_type

TRACES: Final = 0
METRICS: Final = 1
LOGS: Final = 2

_LIST_1: Final = 0x0A  # field 1, length-delimited
_LIST_2: Final = 0x12  # field 2, length-delimited
_DEPRECATED: Final = 8002  # field 1000, length-delimited


def count_spans(payload: bytes) -> int:
    """Spans in an encoded ExportTraceServiceRequest.

    Raises:
        DecodeError: the structure is broken, or an id has a wrong length; says which message and where.
    """
    return _count_request(payload, TRACES, "ExportTraceServiceRequest")


def count_data_points(payload: bytes) -> int:
    """Data points in an encoded ExportMetricsServiceRequest; a histogram is one point whatever its buckets.

    Raises:
        DecodeError: the structure is broken; says which message and where.
    """
    return _count_request(payload, METRICS, "ExportMetricsServiceRequest")


def count_log_records(payload: bytes) -> int:
    """Log records in an encoded ExportLogsServiceRequest.

    Raises:
        DecodeError: the structure is broken, or an id has a wrong length; says which message and where.
    """
    return _count_request(payload, LOGS, "ExportLogsServiceRequest")


def _count_request(payload: bytes, signal: i64, message: str) -> int:
    items: i64 = 0
    at: i64 = 0
    end: i64 = len(payload)
    try:
        while at < end:
            tag, value = read_tag(payload, at, message)
            if tag == _LIST_1:
                start, stop = read_length(payload, value, end, message)
                items += _count_resource(payload, start, stop, signal)
                at = stop
            elif tag >> 3 == 1:
                raise wrong_type(message, tag, at)
            else:
                at = skip_value(payload, tag, value, end, message)
    except IndexError:
        raise truncated(payload, message) from None
    return items


def _count_resource(payload: bytes, at: i64, end: i64, signal: i64) -> i64:
    """Items in one ResourceSpans, ResourceMetrics or ResourceLogs."""
    items: i64 = 0
    deprecated: i64 = 0
    scopes: i64 = 0
    while at < end:
        tag, value = read_tag(payload, at, "resource block")
        if tag in (_LIST_2, _DEPRECATED):
            start, stop = read_length(payload, value, end, "resource block")
            if signal == TRACES:
                found = _count_scope_spans(payload, start, stop)
            elif signal == METRICS:
                found = _count_scope_metrics(payload, start, stop)
            else:
                found = _count_scope_logs(payload, start, stop)
            if tag == _LIST_2:
                scopes += 1
                items += found
            else:
                deprecated += found
            at = stop
        elif tag >> 3 == 2:
            raise wrong_type("resource block", tag, at)
        else:
            at = skip_value(payload, tag, value, end, "resource block")
    return items if scopes else deprecated


def _count_scope_spans(payload: bytes, at: i64, end: i64) -> i64:
    items: i64 = 0
    while at < end:
        if payload[at] != _LIST_2:
            at = _skip_in_scope(payload, at, end)
            continue
        start = at + 2
        size: i64 = payload[at + 1]
        if size > 0x7F:
            high: i64 = payload[start]
            if high < 0x80:
                size += (high << 7) - 0x80
                start += 1
            else:
                size, start = read_small(payload, at + 1, 0x7FFFFFFF, "ScopeSpans")
        stop = start + size
        if stop > end:
            raise overrun("ScopeSpans", at)
        # trace_id of 16 bytes, span_id of 8, then perhaps parent_span_id of 8 or a field behind it
        if (
            size > 29
            and payload[start] == 0x0A
            and payload[start + 1] == 16
            and payload[start + 18] == 0x12
            and payload[start + 19] == 8
        ):
            tag: i64 = payload[start + 28]
            if (tag != 0x22 or payload[start + 29] != 8 or size < 38) and tag < 0x28:
                _check_ids(payload, start + 28, stop, 0x0A, 0x12, 0x22, "Span")
        else:
            _check_ids(payload, start, stop, 0x0A, 0x12, 0x22, "Span")
        items += 1
        at = stop
    return items


def _count_scope_logs(payload: bytes, at: i64, end: i64) -> i64:
    items: i64 = 0
    while at < end:
        if payload[at] != _LIST_2:
            at = _skip_in_scope(payload, at, end)
            continue
        start, stop = read_length(payload, at + 1, end, "ScopeLogs")
        _check_ids(payload, start, stop, 0x4A, 0x52, 0, "LogRecord")
        items += 1
        at = stop
    return items


def _skip_in_scope(payload: bytes, at: i64, end: i64) -> i64:
    """The position behind a field of a scope block that is not its list of items."""
    tag, value = read_tag(payload, at, "scope block")
    if tag == _LIST_2:  # written with more bytes than needed; no encoder does
        raise DecodeError(f"scope block: over-long tag at byte {at}")
    if tag >> 3 == 2:
        raise wrong_type("scope block", tag, at)
    return skip_value(payload, tag, value, end, "scope block")


def _check_ids(payload: bytes, at: i64, end: i64, trace: i64, span: i64, parent: i64, message: str) -> None:
    """Walk the fields of one item; its trace id must have 0 or 16 bytes, its span and parent ids 0 or 8."""
    while at < end:
        tag: i64 = payload[at]
        value = at + 1
        if tag > 0x7F or tag < 8:
            tag, value = read_tag(payload, at, message)
        if tag & 7 != 2:
            if tag | 7 == trace | 7 or tag | 7 == span | 7 or (parent and tag | 7 == parent | 7):
                raise wrong_type(message, tag, at)
            at = skip_value(payload, tag, value, end, message)
            continue
        start, stop = read_length(payload, value, end, message)
        size = stop - start
        if tag == trace:
            if size != 16 and size != 0:
                raise DecodeError(f"{message}: trace_id of {size} bytes instead of 16, at byte {at}")
        elif tag in (span, parent) and size != 8 and size != 0:
            name = "span_id" if tag == span else "parent_span_id"
            raise DecodeError(f"{message}: {name} of {size} bytes instead of 8, at byte {at}")
        at = stop


def _count_scope_metrics(payload: bytes, at: i64, end: i64) -> i64:
    items: i64 = 0
    while at < end:
        if payload[at] != _LIST_2:
            at = _skip_in_scope(payload, at, end)
            continue
        start, stop = read_length(payload, at + 1, end, "ScopeMetrics")
        items += _count_metric(payload, start, stop)
        at = stop
    return items


def _count_metric(payload: bytes, at: i64, end: i64) -> i64:
    """Points of one Metric. Its data is a oneof: another kind replaces what stood before, the same kind adds to it."""
    items: i64 = 0
    kind: i64 = 0
    while at < end:
        tag, value = read_tag(payload, at, "Metric")
        number = tag >> 3
        if is_metric_data(number):
            if tag & 7 != 2:
                raise wrong_type("Metric", tag, at)
            start, stop = read_length(payload, value, end, "Metric")
            points = _count_points(payload, start, stop)
            items = items + points if number == kind else points
            kind = number
            at = stop
        else:
            at = skip_value(payload, tag, value, end, "Metric")
    return items


def is_metric_data(number: i64) -> bool:
    """Whether a field of Metric holds its data: gauge, sum, histogram, exponential_histogram, summary."""
    return number == 5 or number == 7 or number == 9 or number == 10 or number == 11


def _count_points(payload: bytes, at: i64, end: i64) -> i64:
    items: i64 = 0
    while at < end:
        if payload[at] == _LIST_1:
            at = read_length(payload, at + 1, end, "data points")[1]
            items += 1
            continue
        tag, value = read_tag(payload, at, "data points")
        if tag >> 3 == 1:
            raise wrong_type("data points", tag, at)
        at = skip_value(payload, tag, value, end, "data points")
    return items
