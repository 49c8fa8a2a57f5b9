"""Input that is broken in every way, through to a real Prometheus: the good points of the same request arrive, the
bad ones are counted with a reason."""

import math
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from alloytrio.wire.protobuf import bytes_field
from tests.integration.metric_service import MetricSender, MetricService, request_of
from tests.integration.prometheus_server import PrometheusServer, needs_prometheus
from tests.integration.service import poll

pytestmark = needs_prometheus

MS = 1_000_000  # nanoseconds
LOST = "prometheus_remote_storage_samples_failed_total"


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[PrometheusServer]:
    """A Prometheus as it is by default: in order only."""
    with PrometheusServer(tmp_path / "prometheus") as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, prometheus: PrometheusServer) -> Iterator[MetricService]:
    """alloytrio in front of it."""
    with MetricService(tmp_path / "service", prometheus.url) as running:
        yield running


def send(service: MetricService, payload: bytes) -> None:
    """Send one request, which must be acknowledged."""
    sender = MetricSender(service.otlp_port)
    try:
        sender.send(payload)
    finally:
        sender.close()


def gauge(name: str, *points: tuple[int, float], **attributes: str) -> m.Metric:
    """A gauge with one series. Args: points: (nanoseconds, value)."""
    metric = m.Metric(name=name)
    for at, value in points:
        point = metric.gauge.data_points.add(time_unix_nano=at, as_double=value)
        for key, text in attributes.items():
            point.attributes.add(key=key).value.string_value = text
    return metric


def test_unsorted_and_repeated_points(prometheus: PrometheusServer, service: MetricService) -> None:
    """Of points that go back in time the newer ones count, of points at the same time the last one."""
    now = time.time_ns() // MS * MS
    metrics = [
        gauge("good", (now - 2 * MS, 1), (now - MS, 2), (now, 3)),
        gauge("unsorted", (now, 3), (now - 2 * MS, 1), (now - MS, 2)),
        gauge("repeated", (now, 1), (now + 1, 2), (now, 3)),
    ]
    metrics += [gauge(f"other_{number}", (now, number)) for number in range(100)]
    send(service, request_of(*metrics).SerializeToString())
    send(service, request_of(gauge("good", (now, 9), (now - MS, 9), (now + MS, 4))).SerializeToString())
    poll(lambda: prometheus.value("good") == 4, "the last sample")
    at = now // MS
    stored = {name: next(iter(prometheus.samples(name).values())) for name in ("good", "unsorted", "repeated")}
    assert stored == {
        "good": [(at - 2, 1), (at - 1, 2), (at, 3), (at + 1, 4)],
        "unsorted": [(at, 3)],
        "repeated": [(at, 3)],
    }
    assert prometheus.value('count({__name__=~"other_.*"})') == 100
    assert service.dropped() == {"out_of_order": 3, "duplicate_timestamp": 3}
    assert service.metric(LOST) == 0


def broken_gauge(now: int) -> bytes:
    """An encoded gauge with a good point, one of each broken kind, and a good one again."""
    value = b""
    for _ in range(10_000):
        value = bytes_field(0x2A, bytes_field(0x0A, value))  # an array in an array …
    deep = bytes_field(0x3A, bytes_field(0x0A, b"deep") + bytes_field(0x12, value))
    latin_1 = bytes_field(0x3A, bytes_field(0x0A, b"key") + bytes_field(0x12, bytes_field(0x0A, b"caf\xe9")))
    sample = b"\x19" + struct.pack("<Q", now) + b"\x21" + struct.pack("<d", 1.5)
    numbered = [
        bytes_field(0x3A, bytes_field(0x0A, b"n") + bytes_field(0x12, bytes_field(0x0A, digit)))
        for digit in (b"1", b"2")
    ]
    points = [sample + numbered[0], sample + deep, sample + latin_1, sample[:-3], b"\xff" * 12, sample + numbered[1]]
    data = b"".join(bytes_field(0x0A, point) for point in points)
    return bytes_field(0x0A, b"broken") + bytes_field(0x2A, data)


def test_broken_points(prometheus: PrometheusServer, service: MetricService) -> None:
    """Attributes 10 000 levels deep, text that is not UTF-8 and points cut short cost only themselves."""
    now = time.time_ns()
    resource_metrics = bytes_field(0x12, bytes_field(0x12, broken_gauge(now)))
    good = request_of(gauge("good", (now, 1.5))).SerializeToString()
    send(service, bytes_field(0x0A, resource_metrics) + good)
    poll(lambda: prometheus.value("good") == 1.5, "the good metric")
    assert prometheus.values("broken") == {(("n", "1"),): 1.5, (("n", "2"),): 1.5}
    assert service.dropped() == {"invalid_attributes": 2, "malformed": 2}


def test_times_that_cannot_be(prometheus: PrometheusServer, service: MetricService) -> None:
    """Times of 1970 and beyond 2100 are left out; what Prometheus itself finds too old is set aside, and it alone."""
    now = time.time_ns()
    send(service, request_of(gauge("before", (now, 1))).SerializeToString())
    poll(lambda: prometheus.value("before") == 1, "a first sample, which says what is too old")
    hour = 3600 * 1000 * MS
    metrics = [gauge(f"good_{number}", (now, 1)) for number in range(50)]
    metrics += [gauge("first", (0, 1)), gauge("last", (2**63, 1)), gauge("ancient", (now - 3 * hour, 1))]
    metrics += [gauge(f"good_{number}", (now, 1)) for number in range(50, 100)]
    send(service, request_of(*metrics).SerializeToString())
    poll(lambda: prometheus.value('count({__name__=~"good_.*"})') == 100, "the good metrics")
    poll(lambda: service.metric(LOST) == 1, "the refused sample")
    assert service.dropped() == {"timestamp_out_of_range": 2}
    assert any(b"out of bounds" in path.read_bytes() for path in service.set_aside)
    assert prometheus.instant("ancient offset 3h") == []


def test_values_that_are_no_numbers(prometheus: PrometheusServer, service: MetricService) -> None:
    """A NaN is an ordinary one whatever its bits, also those of a staleness marker; no value ends a series."""
    now = time.time_ns()
    payloads = ("000000000000f87f", "020000000000f07f", "efbeaddeefbefdff", "010000000000f0ff")
    nan = gauge("not_a_number")
    for number in range(len(payloads)):
        point = nan.gauge.data_points.add(time_unix_nano=now, as_double=1.0)
        point.attributes.add(key="n").value.int_value = number
    encoded = nan.SerializeToString()
    for payload in payloads:
        encoded = encoded.replace(struct.pack("<d", 1.0), bytes.fromhex(payload), 1)
    ended = gauge("ended", (now - 1000 * MS, 1))
    ended.gauge.data_points.add(time_unix_nano=now, flags=1)
    infinite = gauge("infinite", (now, math.inf))
    request = request_of(ended, infinite).SerializeToString()
    send(service, request + bytes_field(0x0A, bytes_field(0x12, bytes_field(0x12, encoded))))
    poll(lambda: prometheus.value("infinite") == math.inf, "infinity")
    assert len(prometheus.instant("not_a_number")) == len(payloads)
    assert all(math.isnan(value) for _, value in prometheus.instant("not_a_number"))
    assert prometheus.instant("ended") == []
    assert next(iter(prometheus.samples("ended").values())) == [((now - 1000 * MS) // MS, 1)]
    assert service.dropped() == {}


def test_names_and_values_in_every_script(prometheus: PrometheusServer, service: MetricService) -> None:
    """Values may be of any script. Names in others than ASCII, which this Prometheus does not know, are reported."""
    now = time.time_ns()
    texts = ["größe", "温度", "метрика", "حرارة", "🔥🧯", "e\u0301", "\u202eabc", "a\x00b", "\U0010ffff", 'q"\\\n']
    metrics = [gauge("texts", (now, 1), text=text) for text in texts]
    metrics += [gauge(text, (now, 1)) for text in texts]
    metrics.append(gauge("keys", (now, 1), **dict.fromkeys(("schlüssel", "ключ", "plain.key"), "x")))
    metrics.append(gauge("good", (now, 1)))
    send(service, request_of(*metrics).SerializeToString())
    poll(lambda: prometheus.value("good") == 1, "the good metric")
    assert {dict(labels)["text"] for labels in prometheus.values("texts")} == set(texts)
    assert prometheus.value("abc") == 1
    assert prometheus.value("a_b") == 1
    assert prometheus.value("q") == 1
    assert service.dropped() == {"invalid_name": 2}  # symbols alone
    service.wait_for_log("a name has letters outside ASCII")
    assert service.metric("alloytrio_exporter_non_ascii_series_total") == 5  # four metrics, and the one with such keys
    assert service.metric(LOST) == 0
