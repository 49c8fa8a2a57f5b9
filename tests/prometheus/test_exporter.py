"""The exporter between OTLP and its outboxes: what it shares, what it bounds, what it says of what it left out."""

from typing import Any

import pytest
import trio
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from tests.prometheus.fake import FakePrometheus, chain, status
from tests.wire.test_convert_points import counter, gauge, native, number, request

EXPORTER = "otelcol.exporter.prometheus.x"
DROPPED = "alloytrio_exporter_dropped_metric_points_total"
QUIET: dict[str, Any] = {"metadata_config": {"send": False}}


def labelled(at: float, *texts: str) -> bytes:
    """A request with a gauge ``g`` with a series for each text."""
    points = [number(1, at, attributes=[KeyValue(key="a", value=AnyValue(string_value=text))]) for text in texts]
    return request(gauge(*points))


async def test_series_beyond_the_bound(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """At max_series new series are left out, counted, and reported once with an example; known ones go on."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint=QUIET, exporter={"max_series": 2}) as running:
        await running.send(labelled(1, "1", "2", "3"))
        await running.send(labelled(2, "4", "1", "2"))
        assert running.metric("alloytrio_exporter_known_series", EXPORTER) == 2
    assert sum(len(samples) for samples in prometheus.series.values()) == 4
    assert running.metric(DROPPED, EXPORTER, reason="max_series") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "max_series" in line]
    assert len(said) == 1
    assert "example=g" in said[0]


async def test_names_outside_ascii(autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Series that a Prometheus before 3.0 leaves out are sent, counted once each, and reported with an example."""
    prometheus = FakePrometheus()
    named = gauge(number(1, 1))
    named.name = "größe"
    keyed = gauge(number(1, 1, attributes=[KeyValue(key="ключ", value=AnyValue(string_value="x"))]))
    async with chain(prometheus, endpoint=QUIET) as running:
        for _ in range(2):
            await running.send(request(named, keyed, gauge(number(1, 1))))
    assert len(prometheus.series) == 3
    assert running.metric("alloytrio_exporter_non_ascii_series_total", EXPORTER) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "outside ASCII" in line]
    assert len(said) == 1
    assert "größe" in said[0]


async def test_losses_are_reported_now_and_then(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is left out for one reason again and again is one line in five minutes, which has the number since."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint=QUIET) as running:
        for at in range(62):
            await running.send(request(counter(number(1, at + 1), temporality=m.AGGREGATION_TEMPORALITY_DELTA)))
            await trio.sleep(10)
    said = [line for line in capsys.readouterr().err.splitlines() if "delta_temporality" in line]
    assert [line.split("points=")[1].split()[0] for line in said] == ["1", "30", "30"]
    assert all("c_total" in line for line in said)


async def test_idle_series_are_forgotten(autojump_clock: trio.testing.MockClock) -> None:
    """Series without a point for five minutes make room for others."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint=QUIET, exporter={"max_series": 2, "gc_frequency": "1m"}) as running:
        await running.send(labelled(1, "1", "2"))
        await trio.sleep(299)
        await running.send(labelled(300, "2", "3"))
        await trio.sleep(62)
        assert running.metric("alloytrio_exporter_known_series", EXPORTER) == 1
        await running.send(labelled(362, "3"))
    assert running.metric(DROPPED, EXPORTER, reason="max_series") == 1
    assert {dict(labels)["a"] for labels in prometheus.series} == {"1", "2", "3"}


async def test_endpoints_that_want_the_same_share_a_conversion(autojump_clock: trio.testing.MockClock) -> None:
    """Two endpoints with equal settings cost one conversion and one memory of series, and get the same."""
    one, two = FakePrometheus(), FakePrometheus()
    async with chain(one, two, endpoint=QUIET) as running:
        await running.send(labelled(1, "1", "2"))
        assert running.metric("alloytrio_exporter_known_series", EXPORTER) == 2
    assert one.series == two.series
    assert len(one.series) == 2


async def test_native_histograms_are_named_while_they_are_off(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exponential histograms that no endpoint wants are counted and named in the log, not lost in silence."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint=QUIET) as running:
        await running.send(request(native(1, positive={"bucket_counts": [1]})))
    assert prometheus.series == {}
    assert running.metric(DROPPED, EXPORTER, reason="native_histograms_disabled") == 1
    assert "native_histograms_disabled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        ({"basic_auth": {"username": "u", "password": "p"}}, "Basic dTpw"),
        ({"bearer_token": "t"}, "Bearer t"),
        ({"authorization": {"type": "X", "credentials": "c"}}, "X c"),
    ],
)
async def test_credentials_and_headers(
    autojump_clock: trio.testing.MockClock, credentials: dict[str, Any], header: str
) -> None:
    """Credentials and own headers are on each request, repeated ones too; those of the protocol stay."""
    prometheus = FakePrometheus([status(503)])
    headers = {"X-Scope-OrgID": "tenant", "Content-Encoding": "gzip", "user-agent": "other"}
    async with chain(prometheus, endpoint={**QUIET, **credentials, "headers": headers}) as running:
        await running.send(labelled(1, "1"))
        await trio.sleep(20)
    assert len(prometheus.requests) == 2
    for sent in prometheus.requests:
        assert sent.headers["authorization"] == header
        assert sent.headers["x-scope-orgid"] == "tenant"
        assert sent.headers["content-encoding"] == "snappy"
        assert sent.headers["user-agent"].startswith("alloytrio/")
