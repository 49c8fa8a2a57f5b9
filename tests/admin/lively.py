"""A service with both pipelines, in full swing, on a port: for the tests in a browser, and to look at.

Run as ``python -m tests.admin.lively PORT [empty|bad]``. Everything is made up, but passes through the real page, the
recorder's reading, taps and streams.
"""

import json
import math
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import trio
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from alloytrio.admin.serve import serve_admin
from alloytrio.admin.view import ConfigurationView, EdgeView, RejectedView
from alloytrio.component import KnownTarget
from alloytrio.recorder.lines import EntryFields, KeptEntry
from alloytrio.recorder.traces import Kept
from alloytrio.recorder.viewer import Rings, Viewer
from alloytrio.telemetry import HealthState, LineSeen, LinesSeen, OtlpSeen
from tests.admin.fakes import BATCH, RECEIVER, TEMPO, FakeService, outbox_view
from tests.recorder.otlp import T0, metrics, records, span_id, spans, trace_id

TO_SAMPLES = "otelcol.exporter.prometheus.default"
PROMETHEUS = "prometheus.remote_write.default"
DISCOVERY, RELABEL = "discovery.docker.default", "discovery.relabel.containers"
SOURCE, PROCESS, LOKI = "loki.source.docker.default", "loki.process.default", "loki.write.default"
RECORDER = "recorder.memory.default"
NAMES = (RECEIVER, BATCH, TEMPO, TO_SAMPLES, PROMETHEUS, DISCOVERY, RELABEL, SOURCE, PROCESS, LOKI, RECORDER)
EDGES = (
    EdgeView(RECEIVER, BATCH, "traces"),
    EdgeView(RECEIVER, BATCH, "metrics"),
    EdgeView(BATCH, TEMPO, "traces"),
    EdgeView(BATCH, TO_SAMPLES, "metrics"),
    EdgeView(TO_SAMPLES, PROMETHEUS, "samples"),
    EdgeView(RECEIVER, RECORDER, "traces"),
    EdgeView(DISCOVERY, RELABEL, "targets"),
    EdgeView(RELABEL, SOURCE, "targets"),
    EdgeView(SOURCE, PROCESS, "entries"),
    EdgeView(PROCESS, LOKI, "entries"),
)
CONFIGS: dict[str, dict[str, object]] = {
    RECEIVER: {"grpc": {"endpoint": "0.0.0.0:4317"}, "http": {"endpoint": "0.0.0.0:4318"}},
    TEMPO: {"client": {"endpoint": "tempo:4317"}},
    PROMETHEUS: {"endpoint": [{"url": "http://prometheus:9090/api/v1/write"}]},
    DISCOVERY: {"host": "unix:///var/run/docker.sock"},
    LOKI: {"endpoint": [{"url": "http://loki:3100/loki/api/v1/push"}]},
}
SHOPS = ("web", "cart", "payment", "stock", "mail")
INTERVAL = 0.6  # seconds between updates: those who watch for some need not wait long
EVIL = "<img src=x onerror=alert(1)>\"'&\u202e\x1b[31m"
TEXT = """\
[otelcol.receiver.otlp.default]
grpc = { endpoint = "0.0.0.0:4317" }
http = { endpoint = "0.0.0.0:4318" }
output = { traces = ["otelcol.processor.batch.default"], metrics = ["otelcol.processor.batch.default"] }

[otelcol.processor.batch.default]
timeout = "5s"
send_batch_size = 1024

[otelcol.exporter.otlp.tempo]
client = { endpoint = "tempo:4317", headers = { authorization = "(secret)" } }
"""


@dataclass
class LivelyRings:
    """Rings that are filled while one looks."""

    traces: deque[Kept]
    metrics: deque[Kept]
    logs: deque[Kept]
    entries: deque[Sequence[EntryFields]]
    count: int = 0

    def next(self, payload: bytes) -> Kept:
        """With the next number."""
        self.count += 1
        return Kept(self.count, payload)


class Lively(FakeService):
    """The deployment of this project with a shop behind it."""

    def __init__(self, mood: str) -> None:
        super().__init__(
            names=NAMES,
            rows=EDGES,
            backends={
                TEMPO: [outbox_view(TEMPO, "tempo:4317", capacity_bytes=1 << 30)],
                PROMETHEUS: [outbox_view(PROMETHEUS, "prometheus:9090", capacity_bytes=1 << 30)],
                LOKI: [outbox_view(LOKI, "loki:3100", capacity_bytes=1 << 30)],
            },
            found={
                DISCOVERY: [self._target(name, "") for name in (*SHOPS, EVIL, "noisy")],
                RELABEL: [self._target(name, "") for name in (*SHOPS, EVIL, "noisy")],
                SOURCE: [self._target(name, "reading") for name in (*SHOPS, EVIL, "noisy")],
            },
            configs={name: CONFIGS.get(name, {}) for name in NAMES},
            running=ConfigurationView("/etc/alloytrio/alloytrio.toml", TEXT),
            on_disk=ConfigurationView("/etc/alloytrio/alloytrio.toml", TEXT.replace("1024", "2048")),
        )
        self.mood = mood
        self.random = random.Random(7)
        self.rings = LivelyRings(deque(maxlen=300), deque(maxlen=300), deque(maxlen=300), deque(maxlen=300))
        newest = {name: partial(self._newest, name) for name in ("traces", "metrics", "logs", "entries")}
        self.recording = Viewer(Rings(**newest, seen=lambda: {"spans": self.rings.count}))  # type: ignore[arg-type]
        if mood == "bad":
            reason = "UNAVAILABLE: connection to tempo:4317 was refused"
            self.handles[TEMPO].health.set(HealthState.UNHEALTHY, reason)
            self.refused = [
                RejectedView(
                    "1", time.time_ns() - 9_000_000_000, "traces/gzip", 3, 812, "INVALID_ARGUMENT: span id is empty"
                )
            ]
            self.payloads = {"1": b"payload"}

    def _newest(self, name: str) -> list[object]:
        return list(reversed(getattr(self.rings, name)))

    @staticmethod
    def _target(name: str, state: str) -> KnownTarget:
        discovered = {
            "__meta_docker_container_name": f"/{name}",
            "__meta_docker_container_id": f"{abs(hash(name)):x}"[:12],
            "__meta_docker_container_label_com_docker_compose_project": "shop",
            "__address__": "172.18.0.4:80",
        }
        labels = {"container": name, "project": "shop"}
        if name == "noisy":
            return KnownTarget(discovered, None, "rule 2: drop, container matches noisy")
        return KnownTarget(discovered, labels, state=state, last_entry_ns=time.time_ns() if state else 0)

    def tick(self, number: int) -> None:
        """A fifth of a second of traffic."""
        swing = 1 + 0.5 * math.sin(number / 40)
        spans_now, points, lines = int(2_400 * swing), int(700 * swing), int(180 * swing)
        receiver = self.handles[RECEIVER]
        receiver.counter("otelcol_receiver_accepted_spans_total", "Spans.", transport="grpc").inc(spans_now)
        receiver.counter("otelcol_receiver_accepted_metric_points_total", "Points.", transport="grpc").inc(points)
        self.handles[TO_SAMPLES].counter("prometheus_forwarded_samples_total", "Samples.").inc(points * 5)
        self.handles[SOURCE].counter("loki_source_docker_target_entries_total", "Lines.").inc(lines)
        self.handles[PROCESS].counter("loki_process_dropped_lines_total", "Dropped.", reason="drop_stage").inc(
            lines // 9
        )
        recorded = self.handles[RECORDER].counter("alloytrio_recorder_recorded_items_total", "Kept.", kind="traces")
        recorded.inc(spans_now)
        self._deliver(TEMPO, "otelcol_exporter_sent_spans_total", spans_now, self.mood == "bad")
        self._deliver(PROMETHEUS, "prometheus_remote_storage_samples_total", points * 5, False)
        self._deliver(LOKI, "loki_write_sent_entries_total", lines - lines // 9, False)
        self._record(number)

    def _deliver(self, component_id: str, counter: str, items: int, is_down: bool) -> None:
        stats = self.backends[component_id][0].stats
        counts = stats.counts
        if is_down:
            queued = stats.queued_items + items
            self.change_outbox(
                component_id,
                queued_items=queued,
                queued_bytes=queued * 74,
                used_bytes=min(1 << 30, queued * 900),
                oldest_age=stats.oldest_age + 0.2,
                retry_wait=1.5,
                last_error="UNAVAILABLE: connection to tempo:4317 was refused",
                last_error_ns=time.time_ns(),
                last_success_ns=counts.last_success_ns or time.time_ns() - 60_000_000_000,
            )
            return
        self.handles[component_id].counter(counter, "Sent.").inc(items)
        self.change_outbox(
            component_id,
            sent_items=counts.sent_items + items,
            accepted_items=counts.accepted_items + items,
            queued_items=items * 3,
            queued_bytes=items * 220,
            used_bytes=items * 900,
            oldest_age=0.6,
            last_success_ns=time.time_ns(),
        )

    def _record(self, number: int) -> None:
        """A trace through the shop, its lines, and metrics."""
        now = (time.time_ns() - T0) / 1e9
        failed = number % 7 == 3
        name = EVIL if number % 11 == 5 else f"{('GET', 'POST')[number % 2]} /{('cart', 'order', 'pay')[number % 3]}"
        d = 0.02 + self.random.random() * 0.3
        trace = number + 1
        shape = (  # service, span, parent, name, start, end, fails with the whole
            ("web", 1, 0, name, 0.0, 1.0, True),
            ("web", 2, 1, "render", 0.82, 0.98, False),
            ("cart", 3, 1, "load cart", 0.05, 0.3, False),
            ("cart", 4, 3, "SELECT carts", 0.08, 0.27, False),
            ("payment", 5, 1, "authorize", 0.33, 0.8, True),
            ("payment", 6, 5, "POST bank.example/charge", 0.36, 0.78, True),
            ("stock", 7, 1, "reserve items", 0.31, 0.45, False),
        )
        rows: dict[str, list[tuple[int, int, int, str, float, float, bool]]] = {}
        for service, span, parent, title, begin, end, fails in shape:
            row = (trace, span, parent, title, now + d * begin, now + d * end, fails and failed)
            rows.setdefault(service, []).append(row)
        for service, some in rows.items():
            payload = spans(service, *some)
            self.rings.traces.append(self.rings.next(payload))
            self.handles[RECEIVER].tap.show(OtlpSeen("traces", payload))
        level = 17 if failed else 9
        body = f"order {number} {'could not be paid: card declined' if failed else 'paid'}"
        body += f" {EVIL}" if number % 11 == 5 else ""
        self.rings.logs.append(self.rings.next(records("payment", (now + d * 0.7, level, body, trace, 5))))
        fields = {"level": "error" if failed else "info", "trace_id": trace_id(trace), "span_id": span_id(1)}
        line = json.dumps({**fields, "msg": f"{name[:9]} done in {d:.3f} s"})
        entry = KeptEntry(T0 + int((now + d) * 1e9), {"container": "web", "project": "shop"}, line.encode(), None)
        self.rings.entries.append([(entry.ts_ns, entry.labels, entry.line, entry.metadata)])
        before = LineSeen(1, entry.ts_ns, entry.labels, entry.line, {}, {})
        after = LineSeen(
            1,
            entry.ts_ns,
            {**entry.labels, "level": "info"},
            entry.line,
            {"trace_id": trace_id(trace)},
            {"level": "info"},
        )
        if self.handles[PROCESS].tap.is_watched:
            dropped: list[LineSeen] = [] if failed else [after]
            stages = [("json", [after]), ("labels", [after]), ("drop", dropped)]
            self.handles[PROCESS].tap.show(LinesSeen([before], stages))
        if number % 5 == 0:
            self.rings.metrics.append(self.rings.next(metrics("web", *self._metrics(number, now))))

    def _metrics(self, number: int, now: float) -> list[Metric]:
        stamp = T0 + int(now * 1e9)
        found = []
        for route in ("/cart", "/order", "/pay"):
            requests = Metric(name="http.server.requests", unit="{request}", description="Requests that were answered.")
            requests.sum.is_monotonic, requests.sum.aggregation_temporality = True, 2  # type: ignore[assignment]
            point = requests.sum.data_points.add(
                time_unix_nano=stamp, as_int=number * len(route) + int(60 * math.sin(number / 9))
            )
            point.attributes.add(key="http.route").value.string_value = route
            found.append(requests)
        memory = Metric(name="process.memory.usage", unit="By", description="Memory of the process.")
        memory.gauge.data_points.add(
            time_unix_nano=stamp, as_double=9e7 + 3e6 * math.sin(number / 20) + self.random.random() * 1e6
        )
        duration = Metric(name="http.server.request.duration", unit="s", description="How long an answer took.")
        duration.histogram.aggregation_temporality = 2  # type: ignore[assignment]
        duration.histogram.data_points.add(
            time_unix_nano=stamp, count=number * 10, sum=number * (1.2 + 0.4 * math.sin(number / 15))
        )
        return [*found, memory, duration]


@dataclass
class Place:
    """The ``[admin]`` table."""

    listen_addr: str = "127.0.0.1:0"
    allowed_hosts: tuple[str, ...] = ()
    ui_path_prefix: str = "/"


async def main(port: int, mood: str) -> None:
    """Serve until the end of stdin, so that nothing outlives the test that started it."""
    service, stop = Lively(mood), trio.Event()
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    if mood == "empty":
        service.backends = {
            key: [outbox_view(key, each[0].backend, capacity_bytes=1 << 30)] for key, each in service.backends.items()
        }
        service.found = {}
    for number in range(0 if mood == "empty" else 60):
        service.tick(number)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_admin, service, listeners, settings=Place(), stop=stop, interval=INTERVAL))
        print(listeners[0].socket.getsockname()[1], flush=True)
        nursery.start_soon(partial(end_with_stdin, stop))
        number = 60
        while not stop.is_set():
            if mood != "empty":
                service.tick(number)
            number += 1
            with trio.move_on_after(0.2):
                await stop.wait()


async def end_with_stdin(stop: trio.Event) -> None:
    """Sets ``stop`` when whoever started this process has closed it."""
    async with trio.lowlevel.FdStream(0) as stdin:
        while await stdin.receive_some(1024):
            pass
    stop.set()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "good")
