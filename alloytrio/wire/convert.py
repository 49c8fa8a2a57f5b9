"""OpenTelemetry metrics to Prometheus series: the walk over an encoded request, and what lasts between requests.

In: an encoded ExportMetricsServiceRequest. Out: encoded TimeSeries, laid end to end: a remote write 1.0 request per
shard. Nothing is decoded into objects: resources, scopes, metric headers and attributes are looked up by their bytes,
and a sample is the bytes that its series always begins with, 8 bytes of value, and a timestamp.

Errors: a broken request raises DecodeError; a broken or unwanted data point is left out and counted with a reason.
Plain classes, compiled with mypyc.
"""

from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire.catalog import INVALID_ATTRIBUTES, MAX_SERIES, Catalog
from alloytrio.wire.convert_histograms import convert_histogram
from alloytrio.wire.convert_native import convert_native
from alloytrio.wire.convert_numbers import convert_number, convert_summary
from alloytrio.wire.emit import MALFORMED, Emitter, Receipt
from alloytrio.wire.families import (
    GAUGE_POINTS,
    HISTOGRAM_POINTS,
    NATIVE_POINTS,
    SUM_POINTS,
    SUMMARY_POINTS,
    ConvertSettings,
    Family,
    ResourceState,
    ScopeState,
    read_header,
    read_resource,
)
from alloytrio.wire.otlp_count import is_metric_data
from alloytrio.wire.points import (
    PointFields,
    read_histogram,
    read_native,
    read_number,
    read_summary,
    repack_histogram,
)
from alloytrio.wire.protobuf import read_length, read_tag, read_varint, skip_value, truncated, wrong_type
from alloytrio.wire.remote_write import encode_metadata, pack_double
from alloytrio.wire.series import NumberSeries

_DEPRECATED: Final = 8002  # field 1000: the old list of scopes
_ONE: Final = pack_double(1.0)
_KINDS: Final = {5: GAUGE_POINTS, 7: SUM_POINTS, 9: HISTOGRAM_POINTS, 10: NATIVE_POINTS, 11: SUMMARY_POINTS}


class Converter:
    """Turns requests into series, and remembers the series.

    Args:
        settings: see there.

    Attributes:
        catalog: the series in memory.
        emitter: has the counts of what was left out, see ``take_dropped``.
        receipt: undoes the latest request if it could not be stored.
    """

    def __init__(self, settings: ConvertSettings) -> None:
        self.settings = settings
        self.emitter = Emitter(settings.shards)
        self.catalog = Catalog(settings, self.emitter)
        self.receipt = Receipt()
        self._fields = PointFields()

    def convert(self, payload: bytes, now: int) -> list[tuple[int, int, bytes]]:
        """The series of a request as (shard, samples, encoded series).

        Args:
            payload: an encoded ExportMetricsServiceRequest.
            now: seconds, monotonic: series that have no point for a while are forgotten by it.

        Raises:
            DecodeError: the structure is broken above the data points.
        """
        self.emitter.begin(now)
        at: i64 = 0
        end: i64 = len(payload)
        try:
            while at < end:
                tag, value = read_tag(payload, at, "ExportMetricsServiceRequest")
                stop = skip_value(payload, tag, value, end, "ExportMetricsServiceRequest")
                if tag == 0x0A:
                    start = read_length(payload, value, end, "ExportMetricsServiceRequest")[0]
                    self._resource_metrics(payload, start, stop)
                at = stop
        except (DecodeError, IndexError) as exc:
            self.emitter.receipt.undo()
            if isinstance(exc, IndexError):
                raise truncated(payload, "ExportMetricsServiceRequest") from None
            raise
        self.receipt = self.emitter.receipt
        return self.emitter.finish()

    def _resource_metrics(self, payload: bytes, at: i64, end: i64) -> None:
        encoded = b""
        scopes: list[int] = []
        deprecated: list[int] = []
        while at < end:
            tag, value = read_tag(payload, at, "ResourceMetrics")
            at = skip_value(payload, tag, value, end, "ResourceMetrics")
            if tag == 0x0A:
                encoded += payload[read_length(payload, value, end, "ResourceMetrics")[0] : at]
            elif tag == 0x12:
                scopes += [read_length(payload, value, end, "ResourceMetrics")[0], at]
            elif tag == _DEPRECATED:
                deprecated += [read_length(payload, value, end, "ResourceMetrics")[0], at]
            elif tag >> 3 <= 2:
                raise wrong_type("ResourceMetrics", tag, at)
        resource = self._resource(encoded)
        self.emitter.begin_resource()
        for scope_at, scope_end in _pairs(scopes or deprecated):
            self._scope_metrics(payload, scope_at, scope_end, resource)
        if resource is not None and self.settings.include_target_info and self.emitter.newest_ms:
            if resource.info is None and not resource.info_refused and resource.attributes:
                resource.info = self.catalog.info(self.catalog.labels.target_info(resource))
                resource.info_refused = resource.info is None
            if resource.info is not None:
                self._write_info(resource.info)

    def _resource(self, encoded: bytes) -> ResourceState | None:
        """The resource with these bytes; None: it cannot be read, or there is no room for another one."""
        resource = self.catalog.resources.get(encoded)
        if resource is None and self._has_key():
            try:
                resource = read_resource(encoded)
            except (DecodeError, IndexError) as exc:
                self.emitter.examples.setdefault(INVALID_ATTRIBUTES, f"resource: {exc}")
                return None
            self.catalog.resources[encoded] = resource
            self.catalog.keys += 1
        return resource

    def _has_key(self) -> bool:
        return self.catalog.keys < self.settings.max_keys

    def _write_info(self, info: NumberSeries) -> None:
        """A 1 for ``target_info`` or ``otel_scope_info`` at the newest time of the resource's points, not too often."""
        emitter = self.emitter
        newest_ms = emitter.newest_ms
        if info.shard < 0 or newest_ms < info.last_ms + self.settings.info_interval_ms:
            return
        emitter.at_time(newest_ms * 1_000_000)
        if emitter.admit(info):
            emitter.write(info, info.key, _ONE)

    def _scope_metrics(self, payload: bytes, at: i64, end: i64, resource: ResourceState | None) -> None:
        encoded = b""
        metrics: list[int] = []
        while at < end:
            tag, value = read_tag(payload, at, "ScopeMetrics")
            at = skip_value(payload, tag, value, end, "ScopeMetrics")
            if tag == 0x0A:
                encoded += payload[read_length(payload, value, end, "ScopeMetrics")[0] : at]
            elif tag == 0x12:
                metrics.append(read_length(payload, value, end, "ScopeMetrics")[0])
                metrics.append(at)
            elif tag >> 3 <= 2:
                raise wrong_type("ScopeMetrics", tag, at)
        scope = self._scope(encoded, resource) if resource is not None else None
        for metric_at, metric_end in _pairs(metrics):
            self._metric(payload, metric_at, metric_end, resource, scope)
        if scope is not None and resource is not None and self.settings.include_scope_info and self.emitter.newest_ms:
            if scope.info is None and not scope.info_refused:
                scope.info = self.catalog.info(self.catalog.labels.scope_info(resource, scope))
                scope.info_refused = scope.info is None
            if scope.info is not None:
                self._write_info(scope.info)

    def _scope(self, encoded: bytes, resource: ResourceState) -> ScopeState | None:
        scope = resource.scopes.get(encoded)
        if scope is None and self._has_key():
            try:
                scope = self.catalog.labels.scope_state(encoded)
            except (DecodeError, IndexError) as exc:
                self.emitter.examples.setdefault(INVALID_ATTRIBUTES, f"scope: {exc}")
                return None
            resource.scopes[encoded] = scope
            self.catalog.keys += 1
        return scope

    def _metric(
        self, payload: bytes, at: i64, end: i64, resource: ResourceState | None, scope: ScopeState | None
    ) -> None:
        header = b""
        header_at = at
        number: i64 = 0
        data: list[int] = []
        while at < end:
            begin = at
            tag, value = read_tag(payload, at, "Metric")
            at = skip_value(payload, tag, value, end, "Metric")
            if is_metric_data(tag >> 3):
                if tag & 7 != 2:
                    raise wrong_type("Metric", tag, begin)
                if number != tag >> 3:
                    data = []
                    number = tag >> 3
                data += [read_length(payload, value, end, "Metric")[0], at]
                header += payload[header_at:begin]
                header_at = at
            elif tag >> 3 == 12:
                header += payload[header_at:begin]
                header_at = at
        header += payload[header_at:end]
        if number:
            self._data(payload, header, number, data, resource, scope)

    def _data(
        self,
        payload: bytes,
        header: bytes,
        number: i64,
        data: list[int],
        resource: ResourceState | None,
        scope: ScopeState | None,
    ) -> None:
        """All points of one metric; ``data`` has the borders of its Gauge, Sum … messages."""
        points: list[int] = []
        temporality: i64 = 0
        monotonic: i64 = 0
        for data_at, data_end in _pairs(data):
            at: i64 = data_at
            end: i64 = data_end
            while at < end:
                if payload[at] == 0x0A:
                    start, at = read_length(payload, at + 1, end, "data points")
                    points.append(start)
                    points.append(at)
                    continue
                tag, value = read_tag(payload, at, "data points")
                at = skip_value(payload, tag, value, end, "data points")
                if tag == 0x10:
                    temporality = min(read_varint(payload, value, "data points")[0], 3)
                elif tag == 0x18:
                    monotonic = 1 if read_varint(payload, value, "data points")[0] else 0
                elif tag >> 3 == 1:
                    raise wrong_type("data points", tag, at)
        if not points:
            return
        if resource is None or scope is None:
            self._drop_all(INVALID_ATTRIBUTES if self._has_key() else MAX_SERIES, len(points) // 2)
            return
        family = self._family(header, _KINDS[number], temporality, monotonic, resource, scope)
        if family is None:
            self._drop_all(INVALID_ATTRIBUTES if self._has_key() else MAX_SERIES, len(points) // 2)
        elif family.refusal:
            self.emitter.examples.setdefault(family.refusal, family.name)
            self._drop_all(family.refusal, len(points) // 2)
        else:
            self._points(payload, points, family)

    def _drop_all(self, reason: str, points: int) -> None:
        self.emitter.dropped[reason] = self.emitter.dropped.get(reason, 0) + points

    def _family(
        self, header: bytes, kind: i64, temporality: i64, monotonic: i64, resource: ResourceState, scope: ScopeState
    ) -> Family | None:
        key = header + bytes((kind << 3 | temporality << 1 | monotonic,))
        family = scope.families.get(key)
        if family is None and self._has_key():
            try:
                metric = read_header(header)
            except (DecodeError, IndexError) as exc:
                self.emitter.examples.setdefault(INVALID_ATTRIBUTES, f"metric: {exc}")
                return None
            metric.kind = kind
            metric.temporality = temporality
            metric.is_monotonic = monotonic == 1
            family = scope.families[key] = self.catalog.labels.family(resource, scope, metric)
            self.catalog.keys += 1
        return family

    def _points(self, payload: bytes, points: list[int], family: Family) -> None:
        kind = family.kind
        fields = self._fields
        catalog = self.catalog
        for index in range(0, len(points), 2):
            at: i64 = points[index]
            end: i64 = points[index + 1]
            try:
                if kind <= SUM_POINTS:
                    read_number(fields, payload, at, end)
                    convert_number(catalog, family, fields, payload)
                elif kind == HISTOGRAM_POINTS:
                    self._histogram(payload, at, end, family)
                elif kind == NATIVE_POINTS:
                    read_native(fields, payload, at, end)
                    convert_native(catalog, family, fields, payload)
                else:
                    read_summary(fields, payload, at, end)
                    convert_summary(catalog, family, fields, payload)
            except (DecodeError, IndexError) as exc:
                self.emitter.drop_with(MALFORMED, f"{family.name}: {exc}")

    def _histogram(self, payload: bytes, at: i64, end: i64, family: Family) -> None:
        fields = self._fields
        read_histogram(fields, payload, at, end)
        if fields.is_scattered:
            payload = repack_histogram(payload, at, end)
            read_histogram(fields, payload, 0, len(payload))
        convert_histogram(self.catalog, family, fields, payload)

    def forget_idle(self, before: int) -> None:
        """Forget series that had no point since ``before``, in seconds of ``convert``'s ``now``."""
        self.catalog.forget_idle(before)

    def metadata(self) -> tuple[int, bytes]:
        """Type, help and unit of all families in memory, as (families, encoded request)."""
        parts: dict[str, bytes] = {}
        for resource in self.catalog.resources.values():
            for scope in resource.scopes.values():
                for family in scope.families.values():
                    if not family.refusal and family.name not in parts:
                        parts[family.name] = encode_metadata(
                            family.metadata_type, family.name, family.description, family.unit
                        )
        return len(parts), b"".join(parts.values())


def _pairs(borders: list[int]) -> list[tuple[int, int]]:
    return [(borders[index], borders[index + 1]) for index in range(0, len(borders), 2)]
