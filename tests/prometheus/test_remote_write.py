"""Metrics in, samples at a receiver: nothing missing, in order, whatever the receiver answers."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m
from pydantic import ValidationError

from alloytrio.errors import QueueFullError
from alloytrio.outbox import BatchPolicy, Storage
from alloytrio.prometheus.remote_write import RemoteWriteConfig
from tests.prometheus.fake import FakePrometheus, chain, lost_answer, refused, settings, silence, status
from tests.wire.test_convert_points import counter, gauge, histogram, native, number, request


def gauges(value: float, at: float, *names: str) -> bytes:
    """A request with a gauge for each name."""
    return request(*[gauge(number(value, at), name=name) for name in names or ("g",)])


async def test_samples_arrive(autojump_clock: trio.testing.MockClock) -> None:
    """Samples of several requests arrive as one request after the deadline, with the protocol's headers."""
    prometheus = FakePrometheus()
    async with chain(prometheus, remote_write={"external_labels": {"cluster": "c"}}) as running:
        await running.send(gauges(1, 1))
        await running.send(gauges(2, 2))
        await trio.sleep(4.9)
        assert prometheus.requests == []
        await trio.sleep(0.2)
        (sent,) = prometheus.requests[-1:]
    assert prometheus.values("g") == [1, 2]
    assert dict(next(iter(prometheus.series)))["cluster"] == "c"
    assert sent.headers["content-encoding"] == "snappy"
    assert sent.headers["content-type"] == "application/x-protobuf"
    assert sent.headers["x-prometheus-remote-write-version"] == "0.1.0"
    assert sent.headers["user-agent"].startswith("alloytrio/")


@pytest.mark.parametrize(
    ("queue", "policy", "wait"),
    [
        ({}, None, 5.0),
        ({}, BatchPolicy("otelcol.processor.batch.x", timeout=2.0, send_batch_size=1), 2.0),
        ({"batch_send_deadline": "3s"}, BatchPolicy("otelcol.processor.batch.x", timeout=2.0), 3.0),
    ],
)
async def test_when_a_request_is_sent(
    autojump_clock: trio.testing.MockClock, queue: dict[str, Any], policy: BatchPolicy | None, wait: float
) -> None:
    """The deadline is its own where it is set, else that of the batch processor before; its size never counts."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint={"queue_config": queue}, policy=policy) as running:
        began = trio.current_time()
        await running.send(gauges(1, 1))
        await trio.sleep(10)
        assert prometheus.times[-1] - began == pytest.approx(wait, abs=0.01)


async def test_samples_per_request(autojump_clock: trio.testing.MockClock) -> None:
    """No request has more samples than configured, and a full one is sent at once."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint={"queue_config": {"max_samples_per_send": 4}}) as running:
        await running.send(request(*[gauge(number(1, 1), name=f"g{index}") for index in range(10)]))
        await trio.sleep(0.1)
        assert len(prometheus.series) == 8
    assert len(prometheus.series) == 10
    assert running.metric("prometheus_remote_storage_max_samples_per_send") == 4


async def test_retry_until_delivered(autojump_clock: trio.testing.MockClock) -> None:
    """Failures that may pass are tried again, with growing waits, and the same bytes."""
    prometheus = FakePrometheus([refused, status(503), status(500), status(429, retry_after="20")])
    async with chain(prometheus, endpoint={"metadata_config": {"send": False}}) as running:
        await running.send(gauges(1, 1))
        await trio.sleep(60)
        assert prometheus.values("g") == [1]
    waits = [later - earlier for earlier, later in pairwise(prometheus.times)]
    assert waits[0] == pytest.approx(0.03, rel=0.51)
    assert waits[1] == pytest.approx(0.06, rel=0.51)
    assert 20 <= waits[3] < 31
    assert len({request.content for request in prometheus.requests}) == 1
    assert [request.headers.get("retry-attempt") for request in prometheus.requests] == [None, "1", "2", "3", "4"]
    assert running.metric("prometheus_remote_storage_samples_retried_total") == 4
    assert running.metric("prometheus_remote_storage_samples_total") == 5


async def test_too_busy_is_given_up_by_option(autojump_clock: trio.testing.MockClock) -> None:
    """With retry_on_http_429 = false what the receiver is too busy for is counted as failed."""
    prometheus = FakePrometheus([status(429)])
    async with chain(
        prometheus, endpoint={"queue_config": {"retry_on_http_429": False}, "metadata_config": {"send": False}}
    ) as running:
        await running.send(gauges(1, 1))
        await trio.sleep(10)
    assert prometheus.values("g") == []
    assert running.metric("prometheus_remote_storage_samples_failed_total") == 1


@pytest.mark.parametrize("fault", [lost_answer, silence])
@pytest.mark.parametrize("window", [False, True])
async def test_lost_answers(autojump_clock: trio.testing.MockClock, fault: Any, window: bool) -> None:
    """A batch that was stored although its answer got lost: nothing is missing, nothing is set aside."""
    prometheus = FakePrometheus([fault], out_of_order_window=window)
    async with chain(prometheus, endpoint={"metadata_config": {"send": False}}) as running:
        for at in range(1, 4):
            await running.send(gauges(at, at, "a", "b", "c"))
        await trio.sleep(60)
        await running.send(gauges(9, 9, "a"))
    assert prometheus.values("a") == [1, 2, 3, 9]
    assert prometheus.values("b") == prometheus.values("c") == [1, 2, 3]
    assert running.metric("prometheus_remote_storage_samples_failed_total") == 0
    redelivered = running.metric("alloytrio_remote_write_redelivered_samples_total")
    assert redelivered == (0 if window else 6)


async def test_lost_answers_of_a_part(autojump_clock: trio.testing.MockClock) -> None:
    """Repeating a batch run by run may fail again half-way; what is not stored yet still arrives."""
    prometheus = FakePrometheus([status(504), lost_answer, status(503), lost_answer])
    async with chain(prometheus, endpoint={"metadata_config": {"send": False}}) as running:
        for at in range(1, 5):
            await running.send(gauges(at, at, "a", "b"))
        await trio.sleep(120)
    assert prometheus.values("a") == prometheus.values("b") == [1, 2, 3, 4]
    assert running.metric("prometheus_remote_storage_samples_failed_total") == 0


async def drop(store: Any) -> Any:
    """The request gets lost before it is stored, and nobody knows."""
    await trio.lowlevel.checkpoint()
    raise httpx.ReadError("connection reset")


@pytest.mark.parametrize("fault", [drop, lost_answer])
async def test_a_bad_series_in_a_batch_of_unknown_outcome(autojump_clock: trio.testing.MockClock, fault: Any) -> None:
    """Whether the batch was stored or not: a series that is ahead at the receiver takes no other's samples with it."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint={"metadata_config": {"send": False}}) as running:
        await running.send(gauges(1, 100, "x"))
        await trio.sleep(10)
        prometheus.faults.append(fault)
        names = [f"g{index}" for index in range(20)]
        for at in (101, 102, 103):
            await running.send(gauges(at, at, *names[:3], "x", *names[3:]))
        (x,) = [samples for labels, samples in prometheus.series.items() if dict(labels)["__name__"] == "x"]
        x[max(x) + 3_600_000] = bytes(8)
        await trio.sleep(60)
    assert all(prometheus.values(name) == [101, 102, 103] for name in names)
    assert running.metric("prometheus_remote_storage_samples_failed_total") == 3
    assert running.metric("alloytrio_remote_write_redelivered_samples_total") == 0


async def test_a_bad_sample_takes_no_other_with_it(autojump_clock: trio.testing.MockClock) -> None:
    """A receiver that has newer samples of one series refuses the batch; all but that series' sample arrive."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint={"metadata_config": {"send": False}}) as running:
        await running.send(gauges(1, 100, "x"))
        await trio.sleep(10)
        ahead = next(iter(prometheus.series.values()))
        ahead[max(ahead) + 3_600_000] = bytes(8)
        names = [f"g{index}" for index in range(40)]
        await running.send(gauges(2, 101, *names[:20], "x", *names[20:]))
        await trio.sleep(60)
    assert all(prometheus.values(name) == [2] for name in names)
    assert running.metric("prometheus_remote_storage_samples_failed_total") == 1
    assert len(prometheus.requests) < 20


async def test_what_is_out_of_order_is_not_sent(autojump_clock: trio.testing.MockClock) -> None:
    """Equal and older points of a series are caught before the receiver would refuse a whole request for them."""
    prometheus = FakePrometheus()
    async with chain(prometheus) as running:
        await running.send(gauges(1, 5))
        await running.send(gauges(2, 4))
        await running.send(gauges(3, 5))
        await running.send(gauges(4, 6))
        await trio.sleep(10)
    assert prometheus.values("g") == [1, 4]
    assert set(prometheus.statuses) == {204}
    component = "otelcol.exporter.prometheus.x"
    lost = "alloytrio_exporter_dropped_metric_points_total"
    assert running.metric(lost, component, reason="out_of_order") == 1
    assert running.metric(lost, component, reason="duplicate_timestamp") == 1


async def test_a_refused_request_passes_when_repeated(autojump_clock: trio.testing.MockClock) -> None:
    """A request that found no room in the outbox passes when its sender repeats it: it is not taken for a duplicate."""
    prometheus = FakePrometheus([status(503)] * 20)
    async with chain(prometheus, outbox=settings(max_bytes=40_000, segment_bytes=5_000)) as running:
        payloads = [gauges(at, at, *[f"g{at}x{index}" for index in range(800)]) for at in range(1, 12)]
        refused_payloads = []
        for payload in payloads:
            try:
                await running.send(payload)
            except QueueFullError:
                refused_payloads.append(payload)
        assert refused_payloads
        await trio.sleep(600)
        for payload in refused_payloads:
            await running.send(payload)
            await trio.sleep(10)
    assert sum(len(samples) for samples in prometheus.series.values()) == 11 * 800


async def test_a_receiver_that_is_switched_off(autojump_clock: trio.testing.MockClock) -> None:
    """404: the health says which flag Prometheus needs; nothing is lost, and all arrives when it has the flag."""
    prometheus = FakePrometheus([status(404, "404 page not found")] * 3)
    async with chain(prometheus, endpoint={"metadata_config": {"send": False}}) as running:
        await running.send(gauges(1, 1))
        await trio.sleep(6)
        assert "--web.enable-remote-write-receiver" in running.telemetry.healths()["prometheus.remote_write.x"].message
        await trio.sleep(3600)
    assert prometheus.values("g") == [1]


async def test_several_endpoints(autojump_clock: trio.testing.MockClock) -> None:
    """Each endpoint has its own queue: one that is down does not hold up the other."""
    good, bad = FakePrometheus(), FakePrometheus([refused] * 500)
    async with chain(good, bad) as running:
        await running.send(gauges(1, 1))
        await trio.sleep(5.1)
        assert (good.values("g"), bad.values("g")) == ([1], [])
        bad.faults.clear()
        await trio.sleep(60)
        assert bad.values("g") == [1]


async def test_relabelling(autojump_clock: trio.testing.MockClock) -> None:
    """Rules drop and rename series, external labels included; other endpoints are not touched."""
    rules = [
        {"source_labels": ["__name__"], "regex": "secret_.*", "action": "drop"},
        {"source_labels": ["cluster"], "target_label": "zone"},
        {"regex": "cluster", "action": "labeldrop"},
    ]
    prometheus = FakePrometheus()
    async with chain(
        prometheus, endpoint={"write_relabel_config": rules}, remote_write={"external_labels": {"cluster": "c"}},
        exporter={"include_target_info": False},
    ) as running:  # fmt: skip
        await running.send(gauges(1, 1, "secret.one", "open"))
    assert [dict(labels) for labels in prometheus.series] == [{"__name__": "open", "zone": "c"}]


async def test_external_labels_do_not_override(autojump_clock: trio.testing.MockClock) -> None:
    """A label of the series wins over an external one."""
    prometheus = FakePrometheus()
    async with chain(prometheus, remote_write={"external_labels": {"a": "outer", "b": "outer"}}) as running:
        attribute = KeyValue(key="a", value=AnyValue(string_value="own"))
        await running.send(request(gauge(number(1, 1, attributes=[attribute]))))
    assert dict(next(iter(prometheus.series))) == {"__name__": "g", "a": "own", "b": "outer"}


async def test_shards_keep_order(autojump_clock: trio.testing.MockClock) -> None:
    """With several requests at the same time, each series is still in order, whichever request fails."""
    prometheus = FakePrometheus([status(503), silence, status(500), lost_answer] * 3)
    queue = {"min_shards": 4, "batch_send_deadline": "1s"}
    async with chain(prometheus, endpoint={"queue_config": queue, "metadata_config": {"send": False}}) as running:
        names = [f"g{index}" for index in range(30)]
        for at in range(1, 20):
            await running.send(gauges(at, at, *names))
            await trio.sleep(0.7)
        await trio.sleep(300)
    assert all(prometheus.values(name) == list(range(1, 20)) for name in names)
    assert running.metric("prometheus_remote_storage_samples_failed_total") == 0


async def test_metadata(autojump_clock: trio.testing.MockClock) -> None:
    """Type and help of each family are sent, and again after the interval."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint={"metadata_config": {"send_interval": "30s"}}) as running:
        await running.send(request(counter(number(1, 1)), histogram([1], [], 1)))
        await trio.sleep(10)
        assert prometheus.metadata == {"c_total": (1, "", ""), "h": (3, "", "")}
        await running.send(gauges(1, 2))
        await trio.sleep(10)
        assert "g" not in prometheus.metadata
        await trio.sleep(11)
        await running.send(gauges(1, 3))
    assert prometheus.metadata["g"] == (2, "", "")
    assert running.metric("prometheus_remote_storage_metadata_total") == 5


async def test_restart_sends_what_was_left(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """Samples that could not be delivered are delivered by the next process, in order and once."""
    prometheus = FakePrometheus([lost_answer, *[refused] * 500])
    with closing(Storage.disk(tmp_path)) as storage:
        with trio.move_on_after(20):
            async with chain(prometheus, storage=storage) as running:
                for at in range(1, 4):
                    await running.send(gauges(at, at, "a", "b"))
                await trio.sleep(60)
    prometheus.faults.clear()
    with closing(Storage.disk(tmp_path)) as storage:
        async with chain(prometheus, storage=storage) as running:
            await running.send(gauges(4, 4, "a"))
            await trio.sleep(60)
    assert prometheus.values("a") == [1, 2, 3, 4]
    assert prometheus.values("b") == [1, 2, 3]
    assert running.metric("prometheus_remote_storage_samples_failed_total") == 0


@pytest.mark.parametrize(
    ("endpoint", "remote_write", "limit"),
    [({}, {}, 28_800), ({"queue_config": {"sample_age_limit": "1m"}}, {}, 60),
     ({}, {"wal": {"max_keepalive_time": "10m"}}, 600)],
)  # fmt: skip
async def test_samples_that_waited_too_long(
    autojump_clock: trio.testing.MockClock, endpoint: dict[str, Any], remote_write: dict[str, Any], limit: float
) -> None:
    """Samples are given up at their age limit, and counted."""
    prometheus = FakePrometheus([refused] * 20_000)
    queue = {"max_backoff": "5s", "min_backoff": "5s"}
    merged = {**endpoint, "queue_config": {**queue, **endpoint.get("queue_config", {})}}
    async with chain(prometheus, endpoint=merged, remote_write=remote_write) as running:
        await running.send(gauges(1, 1))
        dropped = "prometheus_remote_storage_samples_dropped_total"
        await trio.sleep(limit - 1)
        assert running.metric(dropped, reason="too_old") == 0
        await trio.sleep(20)
        assert running.metric(dropped, reason="too_old") >= 1
        prometheus.faults.clear()


async def test_kinds_are_counted_apart(autojump_clock: trio.testing.MockClock) -> None:
    """Histograms and exemplars have their own counters."""
    prometheus = FakePrometheus()
    async with chain(prometheus, endpoint={"send_native_histograms": True}) as running:
        exemplar = m.Exemplar(as_double=1, time_unix_nano=1_767_225_600_500_000_000, trace_id=bytes(range(16)))
        await running.send(
            request(counter(number(1, 1, exemplars=[exemplar])), native(1, positive={"bucket_counts": [1]}))
        )
    prefix = "prometheus_remote_storage"
    counts = [running.metric(f"{prefix}_{kind}_total") for kind in ("samples", "exemplars", "histograms")]
    assert counts == [1, 1, 1]


@pytest.mark.parametrize(
    "config",
    [
        {"endpoint": []},
        {"endpoint": [{"url": "prometheus:9090"}]},
        {"endpoint": [{"url": "http://a"}, {"url": "http://b", "name": "0"}]},
        {"endpoint": [{"url": "http://a", "protobuf_message": "io.prometheus.write.v2.Request"}]},
        {"endpoint": [{"url": "http://a", "queue_config": {"min_backoff": "9s"}}]},
        {"endpoint": [{"url": "http://a", "bearer_token": "x", "basic_auth": {}}]},
        {"endpoint": [{"url": "http://a", "headers": {"X-A": "b\r\nX-C: d"}}]},
        {"endpoint": [{"url": "http://a"}], "external_labels": {"a-b": "x"}},
        {"endpoint": [{"url": "http://a", "write_relabel_config": [{"action": "hashmod"}]}]},
    ],
)
def test_what_cannot_work_is_refused_at_load(config: dict[str, Any]) -> None:
    """Mistakes are found before anything starts."""
    with pytest.raises(ValidationError):
        RemoteWriteConfig.model_validate(config)
