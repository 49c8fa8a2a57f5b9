"""Exemplars: the traces behind a sample, as fields of its series.

Source: ``otelcol.exporter.prometheus``: the labels are ``trace_id`` and ``span_id`` only. On purpose different: in a
histogram an exemplar belongs to the bucket whose bound is equal to or above its value.

Plain classes, compiled with mypyc.
"""

from struct import Struct

from mypy_extensions import i64

from alloytrio.wire.emit import Emitter
from alloytrio.wire.points import PointFields, read_fixed64, read_sfixed64
from alloytrio.wire.protobuf import bytes_field, read_length, read_tag, skip_value, varint
from alloytrio.wire.remote_write import MAX_TIME_MS, MIN_TIME_MS, encode_label, pack_double
from alloytrio.wire.series import SeriesSet

_unpack_double = Struct("<d").unpack_from


class Exemplar:
    """One exemplar, encoded as a field of a series."""

    def __init__(self, value: float, time_ms: i64, field: bytes) -> None:
        self.value = value
        self.time_ms: i64 = time_ms
        self.field = field


def new_exemplars(emitter: Emitter, fields: PointFields, payload: bytes, series: SeriesSet) -> list[Exemplar]:
    """The exemplars of a point that are newer than those its series had before, by time; at most one per time.

    Raises:
        DecodeError, IndexError: one is broken.
    """
    found: list[Exemplar] = []
    for index in range(0, len(fields.exemplars), 2):
        exemplar = _read(payload, fields.exemplars[index], fields.exemplars[index + 1])
        if exemplar is not None and exemplar.time_ms > series.exemplar_ms:
            found.append(exemplar)
    found.sort(key=_time_of)
    kept: list[Exemplar] = []
    for exemplar in found:
        if exemplar.time_ms > series.exemplar_ms:
            series.exemplar_ms = exemplar.time_ms
            kept.append(exemplar)
    emitter.exemplars += len(kept)
    return kept


def _time_of(exemplar: Exemplar) -> int:
    return exemplar.time_ms


def _read(payload: bytes, at: i64, end: i64) -> Exemplar | None:
    """An exemplar; None if it names no trace, or its time cannot be sent."""
    value = 0.0
    time_ms: i64 = 0
    trace_id = b""
    span_id = b""
    while at < end:
        tag, place = read_tag(payload, at, "Exemplar")
        at = skip_value(payload, tag, place, end, "Exemplar")
        if tag == 0x11:
            time_ms = read_fixed64(payload, place) // 1_000_000
        elif tag == 0x19:
            value = _unpack_double(payload, place)[0]
        elif tag == 0x31:
            value = float(read_sfixed64(payload, place))
        elif tag == 0x22:
            span_id = payload[read_length(payload, place, end, "Exemplar")[0] : at]
        elif tag == 0x2A:
            trace_id = payload[read_length(payload, place, end, "Exemplar")[0] : at]
    labels = b""
    if len(span_id) == 8 and span_id.strip(b"\0"):
        labels = bytes_field(0x0A, encode_label("span_id", span_id.hex()))
    if len(trace_id) == 16 and trace_id.strip(b"\0"):
        labels += bytes_field(0x0A, encode_label("trace_id", trace_id.hex()))
    if not labels or time_ms < MIN_TIME_MS or time_ms > MAX_TIME_MS:
        return None
    content = labels + b"\x11" + pack_double(value) + b"\x18" + varint(time_ms)
    return Exemplar(value, time_ms, bytes_field(0x1A, content))
