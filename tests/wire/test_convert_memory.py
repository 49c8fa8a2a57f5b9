"""What a converter remembers: bounds, order, undoing, forgetting, labels that the outside changes, shards."""

import struct
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from alloytrio.errors import DecodeError
from alloytrio.wire.convert import Converter
from alloytrio.wire.families import ConvertSettings, Labels
from alloytrio.wire.protobuf import bytes_field
from tests.prompb import message_class
from tests.wire.metric_points import START, decode_rows
from tests.wire.metrics_reference import Row
from tests.wire.test_convert_points import (
    convert,
    converter,
    counter,
    gauge,
    histogram,
    native,
    number,
    request,
    simple,
)


def text(key: str, value: str) -> KeyValue:
    """A text attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=value))


def with_resource(resource: dict[str, str], *metrics: m.Metric, scope: str = "") -> bytes:
    """A request with one resource and scope."""
    message = ExportMetricsServiceRequest()
    block = message.resource_metrics.add()
    block.resource.attributes.extend(text(key, value) for key, value in resource.items())
    block.scope_metrics.add(metrics=metrics).scope.name = scope
    return message.SerializeToString()


def rows_of(target: Converter, payload: bytes) -> list[Row]:
    """The rows of an encoded request."""
    return [row for _, _, encoded in target.convert(payload, 0) for row in decode_rows(encoded)]


def full(**options: Any) -> Converter:
    """A converter with target_info."""
    return Converter(ConvertSettings(lambda labels: labels, **options))


# Order


def test_order_within_a_series() -> None:
    """Older points and repeated ones are left out and counted; the series goes on after them."""
    target = converter()
    sent = [simple(convert(target, gauge(number(value, at)))) for value, at in ((1, 5), (2, 4), (3, 5), (4, 6))]
    assert sent == [{"g": 1}, {}, {}, {"g": 4}]
    assert target.emitter.take_dropped()[0] == {"out_of_order": 1, "duplicate_timestamp": 1}


def test_the_last_point_of_a_millisecond_counts() -> None:
    """Two points of one millisecond in one request would be refused together; the later one replaces the first."""
    target = converter()
    assert simple(convert(target, gauge(number(1, 0.0001), number(2, 0.0002)))) == {"g": 2}
    assert target.emitter.take_dropped()[0] == {"duplicate_timestamp": 1}
    rows = convert(target, histogram([1, 1], [1.0], 1), histogram([2, 2], [1.0], 1))
    assert simple(rows) == {"h_count": 4, "h_bucket{le=1}": 2, "h_bucket{le=+Inf}": 4}


def test_same_labels_by_other_names_are_one_series() -> None:
    """Points that end in the same labels keep one order, however they are spelt."""
    target = converter()
    first = number(1, 1, attributes=[text("a.b", "x"), text("c", "y")])
    second = number(2, 1, attributes=[text("c", "y"), text("a_b", "x")])
    assert len(convert(target, gauge(first, second))) == 1
    assert target.catalog.series == 1


def test_different_kinds_with_the_same_labels() -> None:
    """A gauge that is named like a histogram's count is left out: the two would overwrite each other."""
    target = converter()
    rows = convert(target, histogram([1], []), gauge(number(5), name="h.count"))
    assert simple(rows) == {"h_count": 1, "h_bucket{le=+Inf}": 1}
    assert target.emitter.take_dropped() == ({"name_collision": 1}, {"name_collision": "h_count{}"})


def test_undo() -> None:
    """A request that was not stored leaves no trace: the same request passes again, deltas are not added twice."""
    target = converter(delta_to_cumulative=True)
    metrics = [
        gauge(number(1, 1)),
        counter(number(5, 1), temporality=m.AGGREGATION_TEMPORALITY_DELTA),
        histogram([1], [], 1),
    ]
    first = convert(target, *metrics)
    target.receipt.undo()
    assert convert(target, *metrics) == first
    assert convert(target, *metrics) == []


def test_undo_of_an_earlier_request() -> None:
    """Undoing a request lets its samples pass again even if a later one was taken meanwhile: none is lost."""
    target = converter()
    convert(target, gauge(number(1, 1)))
    receipt = target.receipt
    convert(target, gauge(number(2, 2)))
    receipt.undo()
    assert simple(convert(target, gauge(number(1, 1)))) == {"g": 1}


def test_a_broken_request_leaves_no_trace() -> None:
    """When a request turns out to be broken half-way, the points before it pass again."""
    target = converter()
    good = request(gauge(number(1, 1)))
    for broken in (good + b"\x0a\x05\x0a", good + b"\x0a", good + bytes_field(0x0A, b"\x10\x01")):
        with pytest.raises(DecodeError):
            target.convert(broken, 0)
    assert len(target.convert(good, 0)) == 1


# Series that are one


def histogram_with(at: int, *attributes: KeyValue) -> m.Metric:
    """A histogram of two buckets with one point."""
    metric = histogram([1, 2], [1.0], at, sum=3.0)
    metric.histogram.data_points[0].attributes.extend(attributes)
    return metric


def test_orders_of_attributes_are_one_histogram() -> None:
    """Attributes in another order lead to the same series: an older point is out of order, and nothing counts twice."""
    target = converter()
    one, two = text("a", "1"), text("b", "2")
    assert len(convert(target, histogram_with(2, one, two))) == 4
    assert convert(target, histogram_with(1, two, one)) == []
    assert target.emitter.take_dropped()[0] == {"out_of_order": 1}
    assert (target.catalog.series, target.catalog.keys) == (4, 5)


@pytest.mark.parametrize("name", ["h_sum", "h_count"])
def test_a_series_of_a_histogram_is_no_gauge(name: str) -> None:
    """A gauge with the labels of a histogram's series is left out and counted; and the other way round."""
    same = gauge(number(1, 1))
    same.name = name
    for first, second in ((histogram_with(1), same), (same, histogram_with(1))):
        target = converter()
        assert convert(target, first)
        assert convert(target, second) == []
        assert target.emitter.take_dropped()[0] == {"name_collision": 1}


def test_labels_on_both_sides_of_name_and_le() -> None:
    """Labels are sorted in each series, also those before ``__name__``, which begin with a capital letter."""
    target = converter()
    rows = convert(target, histogram_with(1, text("z", "1"), text("Zone", "2"), text("a", "3")))
    sums = [[name for name, _ in row.labels] for row in rows]
    assert sums == [["Zone", "__name__", "a", "z"]] * 2 + [["Zone", "__name__", "a", "le", "z"]] * 2


# Bounds


def test_max_series() -> None:
    """At the bound new series are left out, counted and named; those that are known go on."""
    target = converter(max_series=4)
    points = [number(1, 1, attributes=[text("n", str(index))]) for index in range(5)]
    assert len(convert(target, gauge(*points))) == 4
    assert target.catalog.series == 4
    assert target.emitter.take_dropped() == ({"max_series": 1}, {"max_series": "g"})
    later = [number(2, 2, attributes=[text("n", str(index))]) for index in range(4)]
    assert len(convert(target, gauge(*later))) == 4


def test_max_series_counts_all_series_of_a_histogram() -> None:
    """A histogram counts with its sum, its count and its buckets."""
    assert len(convert(converter(max_series=5), histogram([1, 1, 1], [1.0, 2.0], sum=1.0))) == 5
    assert convert(converter(max_series=4), histogram([1, 1, 1], [1.0, 2.0], sum=1.0)) == []


def test_max_keys() -> None:
    """Spellings of one series, scopes and resources are bounded too."""
    target = converter(max_keys=4)  # a resource, a scope, a family, one set of attributes
    spellings = [[text("a.b", "x")], [text("a_b", "x")]]
    rows = convert(target, gauge(*[number(1, at, attributes=spelling) for at, spelling in enumerate(spellings)]))
    assert len(rows) == 1
    assert rows_of(target, with_resource({"service.name": "other"}, gauge(number(1, 5)))) == []
    assert target.emitter.take_dropped()[0] == {"max_series": 2}
    assert target.catalog.keys == 4


def test_idle_series_are_forgotten() -> None:
    """Series that had no point for a while are forgotten, with all that led to them; others stay."""
    target = full(include_scope_info=True)
    target.convert(with_resource({"service.name": "a"}, gauge(number(1, 1)), histogram([1], [1.0], 1)), 100)
    target.convert(with_resource({"service.name": "b"}, gauge(number(1, 1))), 200)
    assert (target.catalog.series, target.catalog.keys, len(target.catalog.resources)) == (10, 10, 2)
    target.forget_idle(200)
    assert (target.catalog.series, target.catalog.keys, len(target.catalog.resources)) == (3, 4, 1)
    target.forget_idle(201)
    assert (target.catalog.series, target.catalog.keys, len(target.catalog.resources)) == (0, 0, 0)
    assert len(target.convert(with_resource({"service.name": "a"}, gauge(number(1, 1))), 300)) == 1


# Labels


def test_finish() -> None:
    """What the outside does to labels shows: added, renamed, dropped, per series."""

    def finish(labels: Labels) -> Labels | None:
        if labels.get("le") == "2" or labels["__name__"] == "h_sum":
            return None
        name = labels["__name__"].replace("h_", "renamed_")
        return {**labels, "__name__": name, "zone": "z"}

    target = Converter(ConvertSettings(finish, adds_only=False, include_target_info=False))
    for at in range(2):
        rows = convert(target, histogram([1, 2, 3], [1.0, 2.0], at, sum=1.0), gauge(number(1, at)))
        assert simple(rows) == {
            "renamed_count{zone=z}": 6, "renamed_bucket{le=1,zone=z}": 1, "renamed_bucket{le=+Inf,zone=z}": 6,
            "g{zone=z}": 1,
        }  # fmt: skip


@pytest.mark.parametrize("adds_only", [True, False])
def test_labels_around_le(adds_only: bool) -> None:
    """Bucket labels are sorted whatever stands before and behind le."""

    def finish(labels: Labels) -> Labels | None:
        return {"A": "1", "a": "2", "z": "3", **labels}

    target = Converter(ConvertSettings(finish, adds_only=adds_only, include_target_info=False))
    rows = convert(target, histogram([1, 2], [1.0]))
    assert [dict(row.labels) for row in rows[1:]] == [
        {"A": "1", "__name__": "h_bucket", "a": "2", "le": le, "z": "3"} for le in ("1", "+Inf")
    ]


def test_series_that_are_not_wanted() -> None:
    """A series that a rule drops is counted as that, and one without a name is not sent."""
    dropping = Converter(ConvertSettings(lambda labels: None, adds_only=False))
    assert convert(dropping, gauge(number(1, 1)), histogram([1], [], 1)) == []
    nameless = Converter(ConvertSettings(lambda labels: {"a": "b"}, adds_only=False))
    assert convert(nameless, gauge(number(1, 1))) == []
    assert dropping.emitter.take_dropped()[0]["dropped_series"] == 1
    assert nameless.emitter.take_dropped()[0] == {"invalid_name": 1}


def test_target_info() -> None:
    """One sample per resource and minute with its other attributes, at the time of the newest point."""
    target = full()
    resource = {"service.name": "s", "service.namespace": "n", "service.instance.id": "i", "host.name": "h"}
    rows = rows_of(target, with_resource(resource, gauge(number(1, 1), number(2, 2))))
    assert simple(rows)["target_info{host_name=h,instance=i,job=n/s}"] == 1
    assert rows[-1].time_ms == START // 10**6 + 2000
    assert len(rows_of(target, with_resource(resource, gauge(number(1, 61))))) == 1
    assert len(rows_of(target, with_resource(resource, gauge(number(1, 62))))) == 2
    kept = full(keep_identifying_resource_attributes=True)
    name = "target_info{host_name=h,instance=i,job=n/s,service_instance_id=i,service_name=s,service_namespace=n}"
    assert name in simple(rows_of(kept, with_resource(resource, gauge(number(1, 1)))))


def test_scope_info_and_labels() -> None:
    """Scopes are labels, or a series of their own, by option."""
    payload = with_resource({"service.name": "s"}, gauge(number(1, 1)), scope="lib")
    rows = simple(rows_of(converter(include_scope_info=True), payload))
    assert rows == {"g{job=s}": 1, "otel_scope_info{job=s,otel_scope_name=lib}": 1}
    assert list(simple(rows_of(converter(include_scope_labels=True), payload))) == ["g{job=s,otel_scope_name=lib}"]


def test_resource_to_telemetry_conversion() -> None:
    """All resource attributes are on every point, and override the point's own of the same key."""
    target = converter(resource_to_telemetry_conversion=True)
    payload = with_resource(
        {"service.name": "s", "k": "resource"}, gauge(number(1, 1, attributes=[text("k", "point")]))
    )
    assert list(simple(rows_of(target, payload))) == ["g{job=s,k=resource,service_name=s}"]


def test_shards() -> None:
    """A series always goes to the same shard, and all shards together hold everything."""
    target = converter(shards=3)
    places: dict[int, set[str]] = {}
    for at in range(3):
        points = [number(at, at, attributes=[text("n", str(index))]) for index in range(20)]
        parts = target.convert(request(gauge(*points)), 0)
        assert sum(items for _, items, _ in parts) == 20
        for shard, _, encoded in parts:
            places.setdefault(shard, set()).update(simple(decode_rows(encoded)))
    assert set(places) == {0, 1, 2}
    assert sum(len(names) for names in places.values()) == 20


# Broken input


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (number(1, 1, attributes=[KeyValue(key="deep")]), "invalid_attributes"),
        (m.NumberDataPoint(as_double=1), "timestamp_out_of_range"),
        (m.NumberDataPoint(as_double=1, time_unix_nano=2**64 - 1), "timestamp_out_of_range"),
    ],
)
def test_good_points_of_the_same_request_arrive(bad: m.NumberDataPoint, reason: str) -> None:
    """A bad point is left out and counted with a reason."""
    target = converter()
    value = b"\x10\x01"
    for _ in range(10_000):
        value = bytes_field(0x2A, bytes_field(0x0A, value))
    deep = bytes_field(0x3A, bytes_field(0x0A, b"deep") + bytes_field(0x12, value))
    point = bad.SerializeToString()
    if reason == "invalid_attributes":
        point = point[: point.index(b"\x3a")] + deep
    good = number(2, 1).SerializeToString()
    data = bytes_field(0x0A, good) + bytes_field(0x0A, point)
    metric = bytes_field(0x0A, b"g") + bytes_field(0x2A, data)
    payload = bytes_field(0x0A, bytes_field(0x12, bytes_field(0x12, metric)))
    assert simple(rows_of(target, payload)) == {"g": 2}
    assert target.emitter.take_dropped()[0] == {reason: 1}


@pytest.mark.parametrize("kind", [0x2A, 0x3A, 0x4A, 0x52, 0x5A])
@pytest.mark.parametrize("point", [b"\x19\x00", b"\x3a\x05", b"\x0b", b"\x3a\x85\x01", b"\x4a\xff\xff\xff\xff\xff"])
def test_broken_points(kind: int, point: bytes) -> None:
    """A point that does not decode is counted as malformed, whatever its kind."""
    target = converter(native_histograms=True)
    metric = bytes_field(0x0A, b"g") + bytes_field(kind, bytes_field(0x0A, point) + b"\x10\x02")
    payload = bytes_field(0x0A, bytes_field(0x12, bytes_field(0x12, metric)))
    assert rows_of(target, payload) == []
    assert sum(target.emitter.take_dropped()[0].values()) == 1


def test_text_that_is_not_utf8() -> None:
    """Prometheus skips such series in silence; they are left out here, and counted."""
    target = converter()
    bad_metric = bytes_field(0x0A, b"\xff") + gauge(number(1)).SerializeToString()[3:]
    payload = bytes_field(0x0A, bytes_field(0x12, bytes_field(0x12, bad_metric)))
    assert rows_of(target, payload) == []
    bad_resource = bytes_field(
        0x0A, bytes_field(0x0A, bytes_field(0x0A, bytes_field(0x0A, b"\xff"))) + request(gauge(number(1)))[2:]
    )
    assert rows_of(target, bad_resource) == []
    assert target.emitter.take_dropped()[0] == {"invalid_attributes": 2}


@pytest.mark.parametrize("name", ["größe", "размер", "サイズ", "गति", "حجم"])
def test_names_in_every_script(name: str) -> None:
    """Letters of every script stay in metric and label names."""
    rows = convert(converter(), gauge(number(1, 1, attributes=[text(name, name)]), name=name))
    labels = dict(rows[0].labels)
    assert labels["__name__"].replace("_", "") == "".join(c for c in name if c.isalpha())
    assert name in labels.values()


def test_metadata() -> None:
    """Type, help and unit of each family, once, without those that are not sent."""
    target = converter()
    described = gauge(number(1, 1))
    described.description = "what it is"
    described.unit = "By"
    convert(target, described, counter(number(1)), histogram([1], []), native(positive={"bucket_counts": [1]}))
    families, encoded = target.metadata()
    entries = message_class("WriteRequest").FromString(encoded).metadata  # type: ignore[attr-defined]  # made at run time
    found = [(entry.type, entry.metric_family_name, entry.help, entry.unit) for entry in entries]
    assert found == [(2, "g_bytes", "what it is", "bytes"), (1, "c_total", "", ""), (3, "h", "", "")]
    assert families == 3


def test_integers() -> None:
    """Integer values are sent as the nearest double."""
    for value in (0, -1, 2**53 + 1, 2**63 - 1, -(2**63)):
        (row,) = convert(converter(), gauge(m.NumberDataPoint(time_unix_nano=START, as_int=value)))
        assert struct.unpack("<d", row.value) == (float(value),)
