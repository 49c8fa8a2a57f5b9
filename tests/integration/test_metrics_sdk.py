"""The OpenTelemetry Python SDK records, a real Prometheus answers: values, names and labels are those of the tables."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from tests.integration.metric_service import MetricService
from tests.integration.prometheus_server import PrometheusServer, needs_prometheus
from tests.integration.service import poll

pytestmark = needs_prometheus

RESOURCE = {
    "service.name": "orders", "service.namespace": "shop", "service.instance.id": "i-1", "host.name": "h1",
}  # fmt: skip
BOUNDS = [5.0, 10.0, 25.0, 50.0, 100.0]
LATENCIES = [0.001 * 1.1**power for power in range(80)]  # seconds
DELTA = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[PrometheusServer]:
    """A Prometheus that takes remote write."""
    with PrometheusServer(tmp_path / "prometheus") as running:
        yield running


def exporter(service: MetricService, transport: str, **options: Any) -> Any:
    """The SDK's exporter for one of the two ports."""
    if transport == "grpc":
        return GrpcExporter(f"127.0.0.1:{service.otlp_port}", insecure=True, **options)
    return HttpExporter(f"http://127.0.0.1:{service.http_port}/v1/metrics", **options)


def meter_provider(made: Any) -> MeterProvider:
    """A provider that exports when it is told to, with an exponential histogram for ``db.latency``."""
    view = View(instrument_name="db.latency", aggregation=ExponentialBucketHistogramAggregation())
    reader = PeriodicExportingMetricReader(made, export_interval_millis=math.inf)
    return MeterProvider([reader], resource=Resource(RESOURCE), views=[view])


def record_everything(provider: MeterProvider) -> None:
    """Every instrument of the API, recorded twice with an export in between."""
    meter = provider.get_meter("shop.orders", "1.0")
    orders = meter.create_counter("shop.orders", unit="{order}", description="Orders placed.")
    revenue = meter.create_counter("shop.revenue", unit="EUR")
    carts = meter.create_up_down_counter("shop.carts")
    duration = meter.create_histogram("http.server.duration", unit="ms", explicit_bucket_boundaries_advisory=BOUNDS)
    latency = meter.create_histogram("db.latency", unit="s")
    meter.create_gauge("room.temperature", unit="Cel").set(-4.5, {"room.name": "Küche"})
    meter.create_observable_counter("process.cpu.time", [lambda _: [Observation(12.5, {"state": "user"})]], unit="s")
    meter.create_observable_up_down_counter("queue.size", [lambda _: [Observation(2**40)]], unit="By")

    def utilization(_: CallbackOptions) -> list[Observation]:
        return [Observation(0.25, {"cpu": number}) for number in (0, 1)]

    meter.create_observable_gauge("process.cpu.utilization", [utilization], unit="1")
    for _ in range(2):
        orders.add(3, {"payment.method": "card", "express": True})
        orders.add(2, {"payment.method": "cash"})
        revenue.add(19.5)
        carts.add(5)
        carts.add(-2)
        for milliseconds in (1, 10, 10, 20, 75, 1000):
            duration.record(milliseconds, {"http.route": "/orders"})
        for seconds in LATENCIES:
            latency.record(seconds)
        assert provider.force_flush(30_000)


EXPECTED = {
    "shop_orders_total": {(("express", "true"), ("payment_method", "card")): 6, (("payment_method", "cash"),): 4},
    "shop_revenue_EUR_total": {(): 39},
    "shop_carts": {(): 6},
    "room_temperature_celsius": {(("room_name", "Küche"),): -4.5},
    "process_cpu_time_seconds_total": {(("state", "user"),): 12.5},
    "queue_size_bytes": {(): 2**40},
    "process_cpu_utilization_ratio": {(("cpu", "0"),): 0.25, (("cpu", "1"),): 0.25},
    "http_server_duration_milliseconds_sum": {(("http_route", "/orders"),): 2232},
    "http_server_duration_milliseconds_count": {(("http_route", "/orders"),): 12},
    "target_info": {(("host_name", "h1"),): 1},
}
BUCKETS = {"5": 2, "10": 6, "25": 8, "50": 8, "100": 10, "+Inf": 12}


def arrived(prometheus: PrometheusServer) -> bool:
    """Whether the second export of everything is stored."""
    return prometheus.value("http_server_duration_milliseconds_count") == 12


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_every_instrument(prometheus: PrometheusServer, tmp_path: Path, transport: str) -> None:
    """PromQL gives what the SDK recorded: values, names, labels, quantiles of both kinds of histograms, metadata."""
    with MetricService(tmp_path / "service", prometheus.url) as service:
        provider = meter_provider(exporter(service, transport))
        record_everything(provider)
        provider.shutdown()
        poll(lambda: arrived(prometheus), "the second export")
        for name, series in EXPECTED.items():
            assert prometheus.values(name) == series, name
        found = prometheus.values("http_server_duration_milliseconds_bucket")
        assert {dict(labels)["le"]: value for labels, value in found.items()} == BUCKETS
        named = {labels["__name__"] for labels, _ in prometheus.instant('{job="shop/orders", instance="i-1"}')}
        assert named == {*EXPECTED, "http_server_duration_milliseconds_bucket", "db_latency_seconds"}
        # Six of 12 observations are at most 10; the ninth is one of two in (50, 100].
        quantile = "histogram_quantile({}, http_server_duration_milliseconds_bucket)"
        assert prometheus.value(quantile.format(0.5)) == pytest.approx(10)
        assert prometheus.value(quantile.format(0.75)) == pytest.approx(75)
        assert prometheus.value("histogram_count(db_latency_seconds)") == 2 * len(LATENCIES)
        assert prometheus.value("histogram_sum(db_latency_seconds)") == pytest.approx(2 * sum(LATENCIES))
        middle = sorted(LATENCIES)[len(LATENCIES) // 2]
        assert prometheus.value("histogram_quantile(0.5, db_latency_seconds)") == pytest.approx(middle, rel=0.1)
        assert service.dropped() == {}
        assert service.set_aside == []


def test_exemplars_lead_to_traces(prometheus: PrometheusServer, tmp_path: Path) -> None:
    """What is counted inside a span carries its ids to Prometheus' exemplars, for counters and buckets."""
    with MetricService(tmp_path / "service", prometheus.url) as service:
        provider = meter_provider(exporter(service, "grpc"))
        meter = provider.get_meter("shop.orders")
        counter = meter.create_counter("shop.orders")
        histogram = meter.create_histogram("work.duration", unit="s", explicit_bucket_boundaries_advisory=[1.0, 2.0])
        with TracerProvider().get_tracer("shop").start_as_current_span("order") as span:
            counter.add(3)
            histogram.record(1.5)
            trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        assert provider.force_flush(30_000)
        poll(lambda: prometheus.value("shop_orders_total") == 3, "the counter")

        def exemplars() -> dict[str, tuple[str, str]]:
            found = prometheus.ask("query_exemplars", query='{job="shop/orders"}', start="0", end="4000000000")
            return {
                entry["seriesLabels"]["__name__"] + entry["seriesLabels"].get("le", ""): (
                    exemplar["labels"]["trace_id"], exemplar["value"],
                )
                for entry in found
                for exemplar in entry["exemplars"]
            }  # fmt: skip

        wanted = {"shop_orders_total": (trace_id, "3"), "work_duration_seconds_bucket2": (trace_id, "1.5")}
        poll(lambda: exemplars() == wanted, "the exemplars")


def test_delta_temporality_is_added_up(prometheus: PrometheusServer, tmp_path: Path) -> None:
    """With convert_delta_to_cumulative, an SDK that sends deltas ends up with the same totals."""
    option = "convert_delta_to_cumulative = true"
    with MetricService(tmp_path / "service", prometheus.url, exporter=option) as service:
        preferred = {**DELTA, ObservableCounter: AggregationTemporality.DELTA}
        provider = meter_provider(exporter(service, "http", preferred_temporality=preferred))
        record_everything(provider)
        provider.shutdown()
        poll(lambda: arrived(prometheus), "the second export")
        for name, series in EXPECTED.items():
            assert prometheus.values(name) == series, name
        found = prometheus.values("http_server_duration_milliseconds_bucket")
        assert {dict(labels)["le"]: value for labels, value in found.items()} == BUCKETS
        assert prometheus.value("histogram_count(db_latency_seconds)") == 2 * len(LATENCIES)


def test_delta_temporality_is_reported(prometheus: PrometheusServer, tmp_path: Path) -> None:
    """Without the option deltas are left out, counted, and named once in the log."""
    with MetricService(tmp_path / "service", prometheus.url) as service:
        provider = meter_provider(exporter(service, "grpc", preferred_temporality=DELTA))
        record_everything(provider)
        provider.shutdown()
        poll(lambda: prometheus.value("shop_carts") == 6, "the other metrics")
        # Twice: two series of orders, one each of revenue and of both histograms.
        assert service.dropped() == {"delta_temporality": 10}
        assert service.log.count("delta_temporality") == 1
        assert prometheus.instant("shop_orders_total") == []
