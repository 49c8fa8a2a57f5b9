"""otelcol.exporter.loki in front of loki.process and loki.write: what a Loki gets, what a sender waits for."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx  # noqa: ASYNC127 - the client that we build on
import pytest
import trio
from trio.testing import MockClock

from alloytrio.component import BuildContext, Signal
from alloytrio.errors import DecodeError
from alloytrio.listeners import Listeners
from alloytrio.loki.process import LokiProcess, LokiProcessConfig
from alloytrio.loki.write import LokiWrite, LokiWriteConfig
from alloytrio.otelcol.exporter.loki import LokiExporter, LokiExporterConfig
from alloytrio.otlp import OtlpRequest
from alloytrio.outbox import OutboxSettings, Storage, put_all
from alloytrio.telemetry import LinesSeen, Telemetry, Watch
from alloytrio.wire import count_log_records
from tests.loki.fake import FakeLoki, FakeLokiTransport
from tests.wire.test_loki_logs import NOW_NS, request

WRITE = "loki.write.x"
PROCESS = "loki.process.x"
EXPORTER = "otelcol.exporter.loki.x"


class Chain:
    """An exporter, stages, a writer and a Loki."""

    def __init__(self, stages: tuple[dict[str, object], ...], keys: dict[str, object]) -> None:
        self.telemetry, self.stop = Telemetry(), trio.Event()
        self.loki = FakeLoki(lambda: NOW_NS)
        transport = FakeLokiTransport(self.loki)
        objects: dict[str, object] = {}

        def context(component_id: str) -> BuildContext:
            return BuildContext(
                component_id=component_id, telemetry=self.telemetry.component(component_id), stop=self.stop,
                storage=Storage.memory(), outbox=OutboxSettings(""), listeners=Listeners(),
                resolve=objects.__getitem__,
            )  # fmt: skip

        endpoint = {"url": "http://loki:3100/loki/api/v1/push", "max_entry_age": "0s", "max_entry_ahead": "0s"}
        self.write = LokiWrite(
            LokiWriteConfig.model_validate({"endpoint": [endpoint]}),
            context(WRITE),
            lambda *_: httpx.AsyncClient(transport=transport, timeout=None),
        )
        objects[WRITE] = self.write
        process = LokiProcessConfig.model_validate({"forward_to": [WRITE], "stage": stages}).build(context(PROCESS))
        assert isinstance(process, LokiProcess)
        objects[PROCESS] = process
        config = LokiExporterConfig.model_validate({"forward_to": [PROCESS], **keys})
        self.exporter = LokiExporter(config, context(EXPORTER))

    async def send(self, payload: bytes) -> None:
        """Hand over a request as a receiver does."""
        made = OtlpRequest(Signal.LOGS, payload, count_log_records(payload))
        (route,) = self.exporter.routes(Signal.LOGS, None)
        await put_all(route.puts(made))

    def count(self, name: str) -> float:
        """One of the exporter's counters."""
        values = self.telemetry.component(EXPORTER).values()
        return next(value for found, _, value in values if found == name)


@asynccontextmanager
async def chain(*stages: dict[str, object], **keys: object) -> AsyncIterator[Chain]:
    """All of it running."""
    made = Chain(stages, keys)
    async with trio.open_nursery() as components:
        await components.start(made.write.run)
        await components.start(made.exporter.run)
        yield made
        made.stop.set()
    assert made.loki.problems == []


async def test_delivery(autojump_clock: MockClock) -> None:
    """A record reaches Loki with its labels; other signals find no way."""
    async with chain() as it:
        await it.send(request({"a": 1}, {"service.name": "web"}, severity_number=17))
        await trio.sleep(2)
        assert it.loki.label_sets() == [{"exporter": "OTLP", "job": "web", "level": "ERROR"}]
        line = '{"body":"hello","attributes":{"a":1},"resources":{"service.name":"web"}}'
        assert it.loki.rows() == [(NOW_NS, line, ())]
        assert it.exporter.routes(Signal.TRACES, None) == it.exporter.routes(Signal.METRICS, None) == []
        assert it.count("otelcol_exporter_loki_entries_total") == 1
        assert it.count("otelcol_exporter_loki_entries_processed_total") == 1


async def test_structured_metadata(autojump_clock: MockClock) -> None:
    """With structured_metadata the line is the body and the rest is beside it."""
    async with chain(structured_metadata=True) as it:
        await it.send(request({"order.id": 7}))
        await trio.sleep(2)
        assert it.loki.rows() == [(NOW_NS, "hello", (("order_id", "7"),))]


async def test_tenant(autojump_clock: MockClock) -> None:
    """The label that loki.tenant made becomes the tenant by stage.tenant, as in Alloy."""
    async with chain({"tenant": {"label": "team"}}) as it:
        await it.send(request({"team": "a", "loki.tenant": "team"}))
        await trio.sleep(2)
        assert it.loki.lines("a") == ['{"body":"hello"}']


async def test_stages_hold_nothing_back(autojump_clock: MockClock) -> None:
    """What was answered is in the journal, also behind a stage that waits for more lines."""
    async with chain({"multiline": {"firstline": "^START", "max_wait_time": "1h"}}) as it:
        await it.send(request({"loki.format": "raw"}, body="START a"))
        await trio.sleep(2)
        assert it.loki.lines() == ["START a"]


async def test_a_limit_makes_the_sender_wait(autojump_clock: MockClock) -> None:
    """stage.limit without drop holds a request up for as long as its rate says."""
    async with chain({"limit": {"rate": 1, "burst": 1}}) as it:
        times = []
        for _ in range(3):
            await it.send(request())
            times.append(trio.current_time())
        assert [later - earlier for earlier, later in itertools.pairwise(times)] == pytest.approx([1, 1])


async def test_broken(autojump_clock: MockClock) -> None:
    """A record that cannot be read is counted and the others go on; a broken request is refused."""
    async with chain() as it:
        await it.send(request() + request(body="odd").replace(b"odd", b"od\xff"))
        await trio.sleep(2)
        assert it.loki.lines() == ['{"body":"hello"}']
        assert it.count("otelcol_exporter_loki_entries_failed_total") == 1
        (route,) = it.exporter.routes(Signal.LOGS, None)
        made = OtlpRequest(Signal.LOGS, request(), 1)
        with pytest.raises(DecodeError):
            route.puts(replace(made, payload=made.payload[:-1]))


async def test_tap(autojump_clock: MockClock) -> None:
    """Who watches sees the entries as they leave for the stages."""
    async with chain() as it:
        with Watch([it.telemetry.component(EXPORTER).tap], 4) as watch:
            await it.send(request())
            seen = await watch.receive()
        assert isinstance(seen, LinesSeen)
        assert [line.line for line in seen.lines] == [b'{"body":"hello"}']
