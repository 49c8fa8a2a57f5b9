"""A slow, plain conversion of OpenTelemetry metrics to Prometheus samples, on protobuf's own classes.

Written from the published rules, not from ``alloytrio/wire``: the two are compared by hypothesis. It knows no raw
bytes, no caches and no bounds.
"""

import math
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.wire.text_reference import Labels, attributes_of, finished, label_name, labels_of, metric_name, plain

STALE = struct.pack("<Q", 0x7FF0000000000002)
NAN = struct.pack("<Q", 0x7FF8000000000001)


@dataclass(frozen=True)
class Row:
    """One element that is sent: a float sample, or a native histogram; with its exemplars."""

    labels: Labels
    time_ms: int
    value: bytes = b""
    histogram: tuple[Any, ...] = ()
    exemplars: tuple[tuple[Labels, bytes, int], ...] = ()


@dataclass
class Set:
    """What is remembered of the series of one attribute set."""

    kind: str
    last_ms: int = 0
    exemplar_ms: int = 0
    request: int = 0
    rows: list[Row] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    total: dict[Any, Any] = field(default_factory=dict)


class Reference:
    """Converts requests one after the other.

    Args:
        options: names of the options of ``ConvertSettings`` that are on.
    """

    def __init__(self, *options: str) -> None:
        self.options = set(options)
        self.sets: dict[Labels, Set] = {}
        self.dropped: Counter[str] = Counter()
        self.request = 0
        self.rows: list[Row] = []
        self.info_ms: dict[Labels, int] = {}

    def convert(self, request: ExportMetricsServiceRequest) -> list[Row]:
        """What is sent for a request, in order."""
        self.request += 1
        self.rows = []
        for block in request.resource_metrics:
            newest = 0
            resource = attributes_of(block.resource.attributes)
            job = {}
            if "service.name" in resource:
                space = f"{resource['service.namespace']}/" if "service.namespace" in resource else ""
                job["job"] = space + resource["service.name"]
            if "service.instance.id" in resource:
                job["instance"] = resource["service.instance.id"]
            for scope in block.scope_metrics:
                base = dict(job)
                if "include_scope_labels" in self.options:
                    named = {f"otel_scope_{label_name(k)}": v for k, v in attributes_of(scope.scope.attributes).items()}
                    base |= {**named, "otel_scope_name": scope.scope.name, "otel_scope_version": scope.scope.version}
                for metric in scope.metrics:
                    newest = max(newest, self.metric(metric, base, resource))
            rest = {k: v for k, v in resource.items() if k not in
                    ("service.name", "service.namespace", "service.instance.id")}  # fmt: skip
            info = finished({**job, **labels_of(rest), "__name__": "target_info"})
            if resource and newest and newest >= self.info_ms.get(info, 0) + 60_000:
                self.info_ms[info] = newest
                self.rows.append(Row(info, newest, struct.pack("<d", 1.0)))
        return self.rows

    def metric(self, metric: Any, base: dict[str, str], resource: dict[str, str]) -> int:
        """All points of one metric; returns the newest time."""
        kind = metric.WhichOneof("data")
        if kind is None:
            return 0
        data = getattr(metric, kind)
        counter = kind == "sum" and data.is_monotonic
        name = metric_name(metric.name, metric.unit, gauge=kind == "gauge", counter=counter)
        reason = ""
        if not name.strip("_"):
            reason = "invalid_name"
        elif kind == "exponential_histogram" and "native_histograms" not in self.options:
            reason = "native_histograms_disabled"
        elif kind in ("sum", "histogram", "exponential_histogram") and data.aggregation_temporality != 2:
            if data.aggregation_temporality != 1:
                reason = "unspecified_temporality"
            elif "delta_to_cumulative" not in self.options:
                reason = "delta_temporality"
        if reason:
            self.dropped += Counter({reason: len(data.data_points)})
            return 0
        reserved = {"histogram": "le", "summary": "quantile"}.get(kind, "__name__")
        newest = 0
        for point in data.data_points:
            attributes = attributes_of(point.attributes)
            if "resource_to_telemetry_conversion" in self.options:
                attributes |= resource
            labels = {**base, **labels_of(attributes, reserved)}
            time_ms = point.time_unix_nano // 1_000_000
            delta = kind != "gauge" and kind != "summary" and data.aggregation_temporality == 1
            shape = Shape(self, name, labels, point, delta=delta, exemplars=counter or "histogram" in kind)
            newest = max(newest, time_ms if shape.convert(kind) else 0)
        return newest


class Shape:
    """One point on its way to rows."""

    def __init__(
        self, owner: Reference, name: str, labels: dict[str, str], point: Any, *, delta: bool, exemplars: bool
    ) -> None:
        self.owner, self.name, self.labels, self.point, self.delta = owner, name, labels, point, delta
        self.time_ms = point.time_unix_nano // 1_000_000
        self.takes_exemplars = exemplars
        self.stale = point.flags & 1

    def named(self, suffix: str = "", **more: str) -> Labels:
        """The labels of one of the point's series."""
        return finished({**self.labels, "__name__": self.name + suffix, **more})

    def drop(self, reason: str) -> bool:
        """Count it."""
        self.owner.dropped[reason] += 1
        return False

    def convert(self, kind: str) -> bool:
        """Add the point's rows; False: nothing is known of its time."""
        parts = kind in ("histogram", "summary")
        keys = [self.named("_count"), self.named("_sum")] if parts else [self.named()]
        if kind == "histogram" and list(self.point.explicit_bounds) != sorted(self.point.explicit_bounds):
            return self.drop("invalid_histogram")
        kind = "number" if kind in ("gauge", "sum") else kind
        found = [self.owner.sets.get(key) for key in keys]
        if found[0] is None and not any(found):
            found[0] = fresh = Set(kind)
            fresh.bounds = list(getattr(self.point, "explicit_bounds", ()))
            self.owner.sets.update(dict.fromkeys(keys, fresh))
        known = found[0]
        if known is None or known.kind != kind or any(other not in (None, known) for other in found[1:]):
            return self.drop("name_collision")
        if kind == "histogram" and sum(self.point.bucket_counts[: len(self.bounds(known))]) > 1 << 62:
            return self.drop("invalid_histogram")
        if not 1 << 35 <= self.time_ms < 1 << 42 or self.point.time_unix_nano >= 1 << 63:
            return self.drop("timestamp_out_of_range")
        if kind == "histogram" and known.bounds != self.bounds(known):
            known.bounds = self.bounds(known)
            known.total.clear()
        if kind == "exponential_histogram" and not self.stale and self.native_problem():
            return self.drop("invalid_histogram") or True
        self.admit(known, kind)
        return True

    def admit(self, known: Set, kind: str) -> None:
        """Keep the order of the set, then add the rows."""
        if self.time_ms < known.last_ms or (self.delta and self.time_ms == known.last_ms):
            self.drop("out_of_order")
            return
        if self.time_ms == known.last_ms:
            self.drop("duplicate_timestamp")
            if known.request != self.owner.request:
                return
            for row in known.rows:
                self.owner.rows.remove(row)
        known.last_ms, known.request = self.time_ms, self.owner.request
        known.rows = getattr(self, kind)(known)
        self.owner.rows += known.rows

    def value(self, number: float) -> bytes:
        """The 8 bytes of a value."""
        if self.stale:
            return STALE
        return NAN if math.isnan(number) else struct.pack("<d", number)

    def exemplars(self, known: Set) -> list[tuple[Labels, bytes, int, float]]:
        """New ones, in order of time."""
        found = []
        for item in sorted(self.point.exemplars, key=lambda item: item.time_unix_nano // 1_000_000):
            ids = {"trace_id": item.trace_id.hex(), "span_id": item.span_id.hex()}
            labels = finished({name: text for name, text in ids.items() if text.strip("0")})
            time_ms = item.time_unix_nano // 1_000_000
            if labels and 1 << 35 <= time_ms < 1 << 42 and time_ms > known.exemplar_ms:
                known.exemplar_ms = time_ms
                number = float(item.as_int) if item.WhichOneof("value") == "as_int" else item.as_double
                found.append((labels, struct.pack("<d", number), time_ms, number))
        return found

    def number(self, known: Set) -> list[Row]:
        """A gauge's or sum's row."""
        number = float(self.point.as_int) if self.point.WhichOneof("value") == "as_int" else self.point.as_double
        if self.delta:
            if not self.stale:
                known.total["n"] = known.total.get("n", 0) + number
            number = known.total.get("n", 0.0)
        new = self.exemplars(known) if self.takes_exemplars else []
        return [Row(self.named(), self.time_ms, self.value(number), (), tuple(item[:3] for item in new))]

    def summary(self, known: Set) -> list[Row]:
        """Sum, count and quantiles."""
        rows = {
            self.named("_sum"): self.value(self.point.sum),
            self.named("_count"): self.value(float(self.point.count)),
        }
        for quantile in self.point.quantile_values:
            rows.setdefault(self.named(quantile=plain(quantile.quantile)), self.value(quantile.value))
        return [Row(labels, self.time_ms, value) for labels, value in rows.items()]

    def histogram(self, known: Set) -> list[Row]:
        """Sum, count and buckets."""
        bounds = known.bounds
        counts = [
            sum(self.point.bucket_counts[: i + 1]) for i in range(min(len(bounds), len(self.point.bucket_counts)))
        ]
        count, total = self.point.count, self.point.sum
        if self.delta:
            counts, count, total = self.added_up(known, bounds, counts)
        rows = []
        if self.point.HasField("sum") or self.stale:
            rows.append((self.named("_sum"), self.value(total)))
        rows.append((self.named("_count"), self.value(float(count))))
        texts = [plain(bound) for bound in bounds]
        buckets = {texts[i]: self.value(float(counts[i])) for i in range(len(counts)) if texts[i] not in texts[i + 1 :]}
        if self.stale:
            buckets = dict.fromkeys(texts, STALE)
        buckets.pop("+Inf", None)
        buckets["+Inf"] = self.value(float(count))
        by_bucket: dict[str, list[tuple[Labels, bytes, int]]] = {}
        for *item, number in [] if self.stale else self.exemplars(known):
            bucket = next((plain(bound) for bound in bounds if not bound < number), "+Inf")
            by_bucket.setdefault(bucket, []).append(tuple(item))  # type: ignore[arg-type]  # three of four
        rows += [(self.named("_bucket", le=text), value) for text, value in buckets.items()]
        return [
            Row(labels, self.time_ms, value, (), tuple(by_bucket.get(dict(labels).get("le", ""), ())))
            for labels, value in rows
        ]

    def bounds(self, known: Set) -> list[float]:
        """Those of the point; a point that only ends the series may leave them out."""
        return list(self.point.explicit_bounds) or (known.bounds if self.stale else [])

    def added_up(self, known: Set, bounds: list[float], counts: list[int]) -> tuple[list[int], int, float]:
        """A delta histogram with all before it; other bounds start anew."""
        state = known.total
        if state.get("bounds") != bounds or (counts and len(state["counts"]) != len(counts)):
            state.clear()
            state.update(bounds=bounds, counts=[0] * len(counts), count=0, sum=0.0)
        if not self.stale:
            state["counts"] = [a + b for a, b in zip(state["counts"], counts or state["counts"], strict=True)]
            state["count"] += self.point.count
            state["sum"] += self.point.sum
        return list(state["counts"]), state["count"], state["sum"]

    def native_problem(self) -> bool:
        """Whether Prometheus would refuse it."""
        point = self.point
        total = point.zero_count + sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
        wrong = total > point.count or (total != point.count and not math.isnan(point.sum))
        return bool(point.scale < -4 or wrong or point.count >= 1 << 63 or self.too_far())

    def too_far(self) -> bool:
        """Whether an index has more than 32 bits."""
        indexes = [index for side in self.sides().values() for index in side]
        return any(not -(1 << 31) <= index < 1 << 31 for index in indexes)

    def sides(self) -> dict[str, dict[int, int]]:
        """Counts by native index."""
        shift = max(self.point.scale - 8, 0)
        found: dict[str, dict[int, int]] = {"positive": {}, "negative": {}}
        for side, buckets in found.items():
            source = getattr(self.point, side)
            for index, count in enumerate(source.bucket_counts, source.offset):
                if count:
                    native = math.floor(index / 2**shift) + 1
                    buckets[native] = buckets.get(native, 0) + count
        return found

    def exponential_histogram(self, known: Set) -> list[Row]:
        """A native histogram."""
        point, sides = self.point, self.sides()
        new = tuple(item[:3] for item in self.exemplars(known))
        if self.stale:
            content: tuple[Any, ...] = (0x7FF0000000000002, STALE, 0, 0, b"", (), ())
        else:
            threshold = point.zero_threshold if point.zero_threshold > 0 else 1e-128
            content = (
                point.count,
                self.value(point.sum),
                min(point.scale, 8),
                point.zero_count,
                struct.pack("<d", threshold),
                tuple(sorted(sides["positive"].items())),
                tuple(sorted(sides["negative"].items())),
            )
        return [Row(self.named(), self.time_ms, b"", content, new)]
