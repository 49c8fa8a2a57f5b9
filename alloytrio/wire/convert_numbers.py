"""Points of gauges and sums, and of summaries, to float samples.

Plain classes, compiled with mypyc.
"""

from struct import Struct
from typing import Final, cast

from mypy_extensions import i64

from alloytrio.wire.catalog import Catalog
from alloytrio.wire.emit import OUT_OF_ORDER, TIMESTAMP, Emitter, sample_field
from alloytrio.wire.exemplars import new_exemplars
from alloytrio.wire.families import Family
from alloytrio.wire.otlp_values import plain_text
from alloytrio.wire.points import PointFields, read_fixed64, read_sfixed64
from alloytrio.wire.protobuf import read_tag, skip_value
from alloytrio.wire.remote_write import QUIET_NAN, STALE, encode_series, head_labels, pack_double
from alloytrio.wire.series import DeltaState, NumberSeries, SeriesSet, SummarySeries

ZERO: Final = bytes(8)

_unpack_double = Struct("<d").unpack_from


def convert_number(catalog: Catalog, family: Family, fields: PointFields, payload: bytes) -> None:
    """One NumberDataPoint, already read into ``fields``."""
    emitter = catalog.emitter
    found = family.series.get(fields.attributes)
    if found is None:
        found = catalog.number(family, fields.attributes)
        if found is None:
            return
    if not may_send(catalog, emitter, found, fields, payload, family.kind == 1):
        return
    series = cast(NumberSeries, found)
    if family.is_delta and not _accumulate(emitter, series, fields, payload):
        return
    if not emitter.admit(series):
        return
    if fields.flags:
        value = STALE
    elif family.is_delta:
        value = _total(series)
    else:
        value = _value(fields, payload)
    if fields.has_exemplars and family.is_monotonic and catalog.settings.exemplars:
        exemplars = new_exemplars(emitter, fields, payload, series)
        if exemplars:
            joined = b"".join([exemplar.field for exemplar in exemplars])
            encoded = encode_series(head_labels(series.key), sample_field(value, emitter.tail), joined)
            emitter.write_whole(series, encoded, 1 + len(exemplars))
            return
    emitter.write(series, series.key, value)


def may_send(
    catalog: Catalog, emitter: Emitter, series: SeriesSet, fields: PointFields, payload: bytes, is_gauge: bool
) -> bool:
    """Whether the series is sent, and the point's time can be; sets the emitter's time."""
    if series.shard < 0:
        emitter.drop(series.refusal)
        return False
    if fields.time_at < 0 or not emitter.at_time(read_fixed64(payload, fields.time_at)):
        emitter.drop(TIMESTAMP)
        return False
    if catalog.settings.start_timestamp_zero_ingestion and fields.start_at >= 0 and not is_gauge and not fields.flags:
        emitter.write_zeros(series, read_fixed64(payload, fields.start_at))
    return True


def double_at(payload: bytes, at: i64) -> bytes:
    """The 8 bytes of a double; any NaN becomes the ordinary one, so that none can pass for a staleness marker."""
    if at < 0:
        return ZERO
    if payload[at + 7] & 0x7F == 0x7F and payload[at + 6] & 0xF0 == 0xF0:
        number = _unpack_double(payload, at)[0]
        if number != number:
            return QUIET_NAN
    return payload[at : at + 8]


def _value(fields: PointFields, payload: bytes) -> bytes:
    if fields.is_int:
        return pack_double(float(read_sfixed64(payload, fields.value_at)))
    return double_at(payload, fields.value_at)


def _accumulate(emitter: Emitter, series: NumberSeries, fields: PointFields, payload: bytes) -> bool:
    """Add a delta to the series' total; False: it is out of order, and counted."""
    if emitter.time_ms <= series.last_ms:
        emitter.drop(OUT_OF_ORDER)
        return False
    state = series.delta
    if state is None:
        state = DeltaState()
    emitter.receipt.deltas.append((series, state))
    state = series.delta = state.copy()
    if not fields.flags and fields.value_at >= 0:
        if fields.is_int:
            state.total_int += read_sfixed64(payload, fields.value_at)
        else:
            state.total += _unpack_double(payload, fields.value_at)[0]
    return True


def _total(series: NumberSeries) -> bytes:
    state = series.delta
    assert state is not None
    return pack_double(float(state.total_int) + state.total)


def convert_summary(catalog: Catalog, family: Family, fields: PointFields, payload: bytes) -> None:
    """One SummaryDataPoint, already read into ``fields``."""
    emitter = catalog.emitter
    found = family.series.get(fields.attributes)
    if found is None:
        found = catalog.summary(family, fields.attributes)
        if found is None:
            return
    if not may_send(catalog, emitter, found, fields, payload, False):
        return
    series = cast(SummarySeries, found)
    samples = [
        (series.sum_head, double_at(payload, fields.sum_at)),
        (series.count_head, count_at(payload, fields.count_at)),
    ]
    quantiles = fields.quantiles
    for index in range(0, len(quantiles), 2):
        raw, value = _quantile(payload, quantiles[index], quantiles[index + 1])
        text = plain_text(_unpack_double(raw)[0])
        head = catalog.quantile_head(family, fields.attributes, series, raw, text)
        samples.append((head, value))
    if not emitter.admit(series):
        return
    pieces: list[bytes] = []
    items: i64 = 0
    seen: set[bytes] = set()
    for head, value in samples:
        if head and head not in seen:
            seen.add(head)
            pieces.append(head + (STALE if fields.flags else value) + emitter.tail)
            items += 1
    emitter.write_whole(series, b"".join(pieces), items)


def count_at(payload: bytes, at: i64) -> bytes:
    """The double for an unsigned 8-byte count."""
    if at < 0:
        return ZERO
    return pack_double(float(int.from_bytes(payload[at : at + 8], "little")))


def _quantile(payload: bytes, at: i64, end: i64) -> tuple[bytes, bytes]:
    """Quantile and value, 8 bytes each."""
    quantile = value = ZERO
    while at < end:
        tag, place = read_tag(payload, at, "ValueAtQuantile")
        at = skip_value(payload, tag, place, end, "ValueAtQuantile")
        if tag == 0x09:
            quantile = payload[place : place + 8]
        elif tag == 0x11:
            value = double_at(payload, place)
    return quantile, value
