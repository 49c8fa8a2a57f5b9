"""A Prometheus that is away, restarted, cut off, silent or switched off, and kill -9: no sample missing or refused.

Outages are as short as a few exports take. ``OUTAGE_SECONDS=150`` in the environment makes each of the two outages of
`test_outages_and_kills` last at least so many seconds, with a kill -9 of alloytrio in the middle of the first.
"""

import os
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from tests.integration.link import Link
from tests.integration.metric_service import WRITER, MetricSender, MetricService, request_of
from tests.integration.prometheus_server import PrometheusServer, needs_prometheus
from tests.integration.service import poll

pytestmark = needs_prometheus

SERIES = 20  # counters of each request; with them a gauge and a histogram
# Short waits, so that an outage is over soon after its end; and many requests, so that faults hit some under way.
ENDPOINT = """
remote_timeout = "2s"
queue_config = { max_backoff = "200ms", batch_send_deadline = "100ms" }
"""
OUTAGE = float(os.environ.get("OUTAGE_SECONDS", "0"))  # least length of an outage
Written = list[tuple[int, float]]  # milliseconds, value


class Recorder:
    """An application: records and exports every 10 ms, and repeats an export until it is acknowledged.

    Attributes:
        written: time and value of each acknowledged export; all series have the same.
    """

    def __init__(self, port: int) -> None:
        self.written: Written = []
        self._sender = MetricSender(port)
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="recorder")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()
        self._sender.close()

    def stop(self) -> None:
        """Finish the export under way, and make no more."""
        self._stop.set()
        self._thread.join(60)

    def _has_ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        for number in count(1):
            if self._stop.wait(0.01):
                return
            at = time.time_ns()
            self._sender.send(export(number, at), attempts=1000)
            with self._progress:
                self.written.append((at // 1_000_000, number))
                self._progress.notify_all()

    def more(self, exports: int, *, seconds: float = 0.0) -> None:
        """Wait until that many more exports are acknowledged, and at least that many seconds are over."""
        end = time.monotonic() + seconds
        with self._progress:
            assert not self._progress.wait_for(self._has_ended, max(0.0, end - time.monotonic()))
            wanted = len(self.written) + exports
            assert self._progress.wait_for(lambda: len(self.written) >= wanted, 60), len(self.written)


def export(number: int, at: int) -> bytes:
    """A request in which every series has the value ``number`` at a time in nanoseconds."""
    counter, gauge, histogram = m.Metric(name="steps"), m.Metric(name="level"), m.Metric(name="work")
    counter.sum.is_monotonic = True
    counter.sum.aggregation_temporality = m.AGGREGATION_TEMPORALITY_CUMULATIVE
    for index in range(SERIES):
        point = counter.sum.data_points.add(as_int=number, time_unix_nano=at)
        point.attributes.add(key="worker").value.int_value = index
    gauge.gauge.data_points.add(as_double=number, time_unix_nano=at)
    histogram.histogram.aggregation_temporality = m.AGGREGATION_TEMPORALITY_CUMULATIVE
    histogram.histogram.data_points.add(
        count=number, sum=number, bucket_counts=[number, 0], explicit_bounds=[1.0], time_unix_nano=at
    )
    return request_of(counter, gauge, histogram).SerializeToString()


def wait_until_all_is_there(prometheus: PrometheusServer, service: MetricService, written: Written) -> None:
    """Each series must have what was acknowledged, in this order and no more; nothing was refused."""
    names = {"steps_total": SERIES, "level": 1, "work_sum": 1, "work_count": 1, "work_bucket": 2}
    last = written[-1][1]
    poll(lambda: prometheus.value('level{job="test"}') == last, "the last sample", 60 + OUTAGE)
    for name, series in names.items():
        poll(lambda name=name, series=series: prometheus.value(f"count({name} == {last})") == series, name)  # type: ignore[misc]  # bound early
        found = prometheus.samples(name)
        assert len(found) == series, name
        for labels, samples in found.items():
            assert samples == written, f"{labels}: {len(set(written) - set(samples))} of {len(written)} missing"
    assert service.metric("prometheus_remote_storage_samples_failed_total") == 0
    assert service.metric("prometheus_remote_storage_samples_dropped_total") == 0
    assert service.set_aside == []


@pytest.fixture(params=["0s", "30m"], ids=["in order only", "out-of-order window"])
def prometheus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PrometheusServer]:
    """A Prometheus of each kind."""
    with PrometheusServer(tmp_path / "prometheus", out_of_order_window=request.param) as running:
        yield running


def test_outages_and_kills(prometheus: PrometheusServer, tmp_path: Path) -> None:
    """Prometheus away, restarted and killed, alloytrio killed before, meanwhile and after: every sample is there."""
    with (
        MetricService(tmp_path / "service", prometheus.url, endpoint=ENDPOINT) as service,
        Recorder(service.otlp_port) as recorder,
    ):
        recorder.more(40)
        for _ in range(2):  # with requests under way
            service.kill()
            service.start()
            recorder.more(30)
        prometheus.stop()
        recorder.more(40, seconds=OUTAGE / 2)
        service.wait_for_health("unhealthy", WRITER)
        service.kill()
        service.start()
        recorder.more(30, seconds=OUTAGE / 2)
        prometheus.start()
        recorder.more(40)
        prometheus.kill()
        service.kill()
        service.start()
        recorder.more(20, seconds=OUTAGE)
        prometheus.start()
        recorder.more(40)
        recorder.stop()
        wait_until_all_is_there(prometheus, service, recorder.written)
        service.wait_for_health("healthy", WRITER)


def test_lost_answers(prometheus: PrometheusServer, tmp_path: Path) -> None:
    """A link that is reset after requests were stored, and then falls silent: what is repeated is not refused."""
    with (
        Link(prometheus.port) as link,
        MetricService(
            tmp_path / "service", prometheus.url.replace(str(prometheus.port), str(link.port)), endpoint=ENDPOINT
        ) as service,
        Recorder(service.otlp_port) as recorder,
    ):
        recorder.more(40)
        link.reset_after = 3_000
        poll(lambda: link.resets >= 5, "resets")
        link.reset_after = 0
        recorder.more(40)
        before = link.connections
        link.silence()
        poll(lambda: link.connections > before, "a new connection after the timeout")
        recorder.more(40)
        recorder.stop()
        wait_until_all_is_there(prometheus, service, recorder.written)


def test_receiver_that_is_switched_off(tmp_path: Path) -> None:
    """Without its flag Prometheus answers 404: health and log name the flag, and nothing is lost until it is set."""
    with (
        PrometheusServer(tmp_path / "prometheus", remote_write=False) as prometheus,
        MetricService(tmp_path / "service", prometheus.url) as service,
        Recorder(service.otlp_port) as recorder,
    ):
        recorder.more(20)
        service.wait_for_health("unhealthy", WRITER)
        recorder.stop()
        hint = "start Prometheus with --web.enable-remote-write-receiver"
        health = service.components()[WRITER]["health"]
        assert isinstance(health, dict)
        assert "HTTP 404" in str(health["message"])
        assert hint in str(health["message"])
        service.wait_for_log(hint)
        prometheus.stop()
        prometheus.remote_write = True
        prometheus.start()
        wait_until_all_is_there(prometheus, service, recorder.written)
