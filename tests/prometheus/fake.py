"""A receiver of remote write 1.0 as Prometheus is one: order within a series, a bad sample rolls a request back."""

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import snappy
import trio

from alloytrio.component import BuildContext, Signal
from alloytrio.listeners import Listeners
from alloytrio.otelcol.exporter.prometheus import PrometheusExporter, PrometheusExporterConfig
from alloytrio.otlp import OtlpRequest, OtlpRoute
from alloytrio.outbox import BatchPolicy, OutboxSettings, Storage, put_all
from alloytrio.prometheus.remote_write import RemoteWrite, RemoteWriteConfig
from alloytrio.telemetry import Telemetry
from alloytrio.wire import count_data_points
from tests.prompb import message_class

Labels = tuple[tuple[str, str], ...]
Fault = Callable[[Callable[[], httpx.Response]], Awaitable[httpx.Response]]
"""What goes wrong with one request; may call its argument, which stores the request."""


async def lost_answer(store: Callable[[], httpx.Response]) -> httpx.Response:
    """The request is stored, but its answer gets lost."""
    store()
    await trio.lowlevel.checkpoint()
    raise httpx.ReadError("connection reset")


async def silence(store: Callable[[], httpx.Response]) -> httpx.Response:
    """The request is stored, and never answered."""
    store()
    await trio.sleep_forever()
    raise AssertionError


def status(code: int, body: str = "", **headers: str) -> Fault:
    """The request is not stored, and answered with a status."""

    async def fault(store: Callable[[], httpx.Response]) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(code, text=body, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return fault


async def refused(store: Callable[[], httpx.Response]) -> httpx.Response:
    """Nobody listens."""
    await trio.lowlevel.checkpoint()
    raise httpx.ConnectError("connection refused")


@dataclass
class FakePrometheus:
    """Stores samples by series.

    Args:
        faults: of the coming requests, one each; then all goes well.
        out_of_order_window: older samples are taken too.
    """

    faults: list[Fault] = field(default_factory=list)
    out_of_order_window: bool = False
    series: dict[Labels, dict[int, bytes]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    metadata: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)

    def client(self, *_: object) -> httpx.AsyncClient:
        """A client whose requests come here."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._handle), timeout=None)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(trio.current_time())
        body = await request.aread()

        def store() -> httpx.Response:
            return self.store(body)

        response = await self.faults.pop(0)(store) if self.faults else store()
        self.statuses.append(response.status_code)
        return response

    def store(self, body: bytes) -> httpx.Response:
        """Take all of a request or nothing."""
        message: Any = message_class("WriteRequest").FromString(bytes(snappy.decompress(body)))
        trial = {labels: dict(samples) for labels, samples in self.series.items()}
        for series in message.timeseries:
            labels = tuple((label.name, label.value) for label in series.labels)
            stored = trial.setdefault(labels, {})
            for sample in series.samples:
                value = struct.pack("<d", sample.value)
                newest = max(stored, default=0)
                if sample.timestamp < newest and not self.out_of_order_window:
                    return httpx.Response(400, text="out of order sample\n")
                if stored.get(sample.timestamp, value) != value:
                    return httpx.Response(400, text="duplicate sample for timestamp\n")
                stored[sample.timestamp] = value
        self.series = trial
        for entry in message.metadata:
            self.metadata[entry.metric_family_name] = (entry.type, entry.help, entry.unit)
        return httpx.Response(204)

    def values(self, name: str) -> list[float]:
        """All values of the series with a name, in order of time."""
        found = [samples for labels, samples in self.series.items() if dict(labels)["__name__"] == name]
        return [struct.unpack("<d", samples[time])[0] for samples in found for time in sorted(samples)]


@dataclass
class Chain:
    """An exporter and a remote write behind it."""

    telemetry: Telemetry
    exporter: PrometheusExporter
    remote_write: RemoteWrite
    routes: list[OtlpRoute]
    stop: trio.Event

    async def send(self, payload: bytes) -> None:
        """Hand over one encoded request, as a receiver does."""
        request = OtlpRequest(Signal.METRICS, payload, count_data_points(payload))
        await put_all([put for route in self.routes for put in route.puts(request)])

    def metric(self, name: str, component: str = "prometheus.remote_write.x", **labels: str) -> float:
        """The value of one of our own metrics; 0 if there is none."""
        full = {"component_id": component, "component_path": "/", **labels}
        for family in self.telemetry.registry.collect():
            for sample in family.samples:
                if sample.name == name and full.items() <= sample.labels.items():
                    return sample.value
        return 0.0


def settings(**changed: Any) -> OutboxSettings:
    """Of outboxes in tests."""
    return replace(OutboxSettings(name="", put_timeout=1.0), **changed)


@asynccontextmanager
async def chain(
    *backends: FakePrometheus,
    endpoint: dict[str, Any] | None = None,
    exporter: dict[str, Any] | None = None,
    remote_write: dict[str, Any] | None = None,
    storage: Storage | None = None,
    outbox: OutboxSettings | None = None,
    policy: BatchPolicy | None = None,
) -> AsyncIterator[Chain]:
    """Run an exporter and a remote write with one endpoint per backend; at the end it is stopped and drained."""
    telemetry, stop = Telemetry(), trio.Event()
    clients = iter(backends)
    objects: dict[str, object] = {}

    def context(component_id: str) -> BuildContext:
        return BuildContext(
            component_id=component_id,
            telemetry=telemetry.component(component_id),
            stop=stop,
            storage=storage or Storage.memory(),
            outbox=outbox or settings(),
            listeners=Listeners(),
            resolve=objects.__getitem__,
        )

    url = {"url": "http://prometheus:9090/api/v1/write"}
    config = RemoteWriteConfig.model_validate(
        {"endpoint": [{**url, **(endpoint or {})} for _ in backends], **(remote_write or {})}
    )
    writer = RemoteWrite(config, context("prometheus.remote_write.x"), lambda *_: next(clients).client())
    objects["prometheus.remote_write.x"] = writer
    made = PrometheusExporterConfig.model_validate({"forward_to": ["prometheus.remote_write.x"], **(exporter or {})})
    converter = PrometheusExporter(made, context("otelcol.exporter.prometheus.x"))
    found = Chain(telemetry, converter, writer, converter.routes(Signal.METRICS, policy), stop)
    async with trio.open_nursery() as components:
        await components.start(writer.run)
        await components.start(converter.run)
        yield found
        stop.set()
