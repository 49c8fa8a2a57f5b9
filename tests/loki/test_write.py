"""loki.write against a Loki that refuses what Loki refuses: delivery, retry, refusals, counts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx  # noqa: ASYNC127 - the client that we build on
import pytest
import snappy
import trio
from trio.testing import MockClock

from alloytrio.component import BuildContext
from alloytrio.entry import Entry, EntryBatch, Origin
from alloytrio.listeners import Listeners
from alloytrio.loki.write import LokiWrite, LokiWriteConfig
from alloytrio.outbox import OutboxSettings, Put, Storage, put_all
from alloytrio.telemetry import ComponentTelemetry, HealthState, Telemetry
from tests.loki.fake import Answer, FakeLoki, FakeLokiTransport

URL = "http://loki:3100/loki/api/v1/push"
NOW_NS = 1_700_000_000 * 10**9
HOST = {"host": "loki:3100", "tenant": ""}


@dataclass
class Running:
    write: LokiWrite
    loki: FakeLoki
    transport: FakeLokiTransport
    service: Telemetry
    telemetry: ComponentTelemetry
    stop: trio.Event

    async def put(self, entries: Sequence[Entry], skip: dict[str, dict[str, int]] | None = None) -> None:
        """What a source does with entries."""
        now = trio.current_time()
        handovers = self.write.take(EntryBatch(b"c", list(entries), clock_ns(), now, skip=skip))
        await put_all([Put(each.outlet.lane, each.fragments) for each in handovers])

    def count(self, name: str, **labels: str) -> float:
        wanted = {**HOST, **labels}
        return next((value for found, has, value in self.telemetry.values() if (found, has) == (name, wanted)), 0.0)

    def dropped(self, reason: str, tenant: str = "") -> float:
        return self.count("loki_write_dropped_entries_total", reason=reason, tenant=tenant)

    def state(self) -> HealthState:
        return self.telemetry.health.current.state


def clock_ns() -> int:
    return NOW_NS + int(trio.current_time() * 1e9)


def entry(line: str, *, age: float = 0.0, metadata: dict[str, str] | None = None, **labels: str) -> Entry:
    made = Entry(Origin("stdout", labels or {"app": "web"}), clock_ns() - int(age * 1e9), line.encode(), 0)
    made.metadata = metadata
    return made


@asynccontextmanager
async def running(
    loki: FakeLoki | None = None,
    storage: Storage | None = None,
    external: dict[str, str] | None = None,
    **endpoint: object,
) -> AsyncIterator[Running]:
    service, stop = Telemetry(), trio.Event()
    telemetry = service.component("loki.write.x")
    loki = loki or FakeLoki(clock_ns)
    transport = FakeLokiTransport(loki)
    context = BuildContext(
        component_id="loki.write.x", telemetry=telemetry, stop=stop, storage=storage or Storage.memory(),
        outbox=OutboxSettings(""), listeners=Listeners(), resolve=lambda edge: edge,
    )  # fmt: skip
    config = LokiWriteConfig.model_validate({"endpoint": [{"url": URL, **endpoint}], "external_labels": external or {}})
    write = LokiWrite(config, context, lambda *_: httpx.AsyncClient(transport=transport, timeout=None))
    async with trio.open_nursery() as nursery:
        await nursery.start(write.run)
        yield Running(write, loki, transport, service, telemetry, stop)
        stop.set()
        nursery.cancel_scope.deadline = trio.current_time() + 5
    assert loki.problems == []


async def test_delivery(autojump_clock: MockClock) -> None:
    """Entries arrive once, batched by time, with labels, metadata and the headers that Loki wants."""
    async with running(external={"env": "prod", "app": "not me"}, headers={"X-Extra": "1", "User-Agent": "no"}) as run:
        for n in range(10):
            await run.put([entry(f"line {n}", metadata={"trace_id": "t"})])
            await trio.sleep(0.05)
        assert run.loki.requests == []
        await trio.sleep(1)
        assert run.loki.lines(app="web", env="prod") == [f"line {n}" for n in range(10)]
        assert run.loki.rows()[0][2] == (("trace_id", "t"),)
        assert run.loki.requests == [("", 204)]
        headers = run.transport.headers[0]
        assert headers["user-agent"].startswith("alloytrio/")
        assert (headers["x-extra"], "x-scope-orgid" in headers) == ("1", False)
        assert run.count("loki_write_sent_entries_total") == 10
        assert run.state() is HealthState.HEALTHY
        assert list(run.write.backends()) == ["loki:3100"]
        assert run.write.backends()["loki:3100"].counts.sent_items == 10


async def test_batch_size(autojump_clock: MockClock) -> None:
    """A batch goes out when it is full, and none is larger."""
    async with running(batch_wait="1h", batch_size="64KiB") as run:
        for n in range(50):
            await run.put([entry(f"{n} " + "x" * 10_000)])
        await trio.sleep(0.1)
        assert 7 <= len(run.loki.requests) <= 9
        run.stop.set()
        await trio.sleep(1)
        assert len(run.loki.lines()) == 50


async def test_tenants(autojump_clock: MockClock) -> None:
    """Tenants have requests of their own; an entry's own tenant stands over the endpoint's."""
    async with running(tenant_id="main") as run:
        await run.put([entry("a"), entry("b", app="web", __tenant_id__="t1")])
        await trio.sleep(2)
        assert sorted(run.loki.requests) == [("main", 204), ("t1", 204)]
        assert (run.loki.lines("main"), run.loki.lines("t1")) == (["a"], ["b"])
        assert run.count("loki_write_sent_entries_total", tenant="t1") == 1


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"basic_auth": {"username": "u", "password": "p"}}, "Basic dTpw"),
        ({"bearer_token": "t"}, "Bearer t"),
        ({"authorization": {"type": "X", "credentials": "c"}}, "X c"),
    ],
)
async def test_credentials(autojump_clock: MockClock, settings: dict[str, object], header: str) -> None:
    """Each kind of credentials is sent."""
    async with running(None, None, None, **settings) as run:
        await run.put([entry("a")])
        await trio.sleep(2)
        assert run.transport.headers[0]["authorization"] == header


async def test_loki_is_down(autojump_clock: MockClock) -> None:
    """While Loki is away nothing is lost; waits double, and do not go above the longest; then all is there, once."""
    async with running(min_backoff_period="500ms", max_backoff_period="10s") as run:
        run.loki.down = True
        for n in range(100):
            await run.put([entry(f"{n}")])
            await trio.sleep(1)
        assert run.state() is HealthState.UNHEALTHY
        assert "refused" in run.telemetry.health.current.message
        assert 10 <= run.count("loki_write_batch_retries_total") <= 30
        run.loki.down = False
        await trio.sleep(14)  # the longest wait, a third longer at most
        assert sorted(map(int, run.loki.lines())) == list(range(100))
        assert run.state() is HealthState.HEALTHY


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_retry_after(autojump_clock: MockClock, status: int) -> None:
    """Loki is asked again when it says, not before."""
    async with running() as run:
        run.loki.faults = [Answer(status, "busy", {"Retry-After": "30"})]
        await run.put([entry("a")])
        await trio.sleep(30)
        assert run.loki.lines() == []
        await trio.sleep(3)
        assert run.loki.lines() == ["a"]


async def test_429_without_retry(autojump_clock: MockClock) -> None:
    """With retry_on_http_429 off, a 429 ends the batch, and is counted."""
    async with running(retry_on_http_429=False) as run:
        run.loki.faults = [Answer(429, "Ingestion rate limit exceeded")]
        await run.put([entry("a"), entry("b")])
        await trio.sleep(60)
        assert (run.loki.lines(), run.dropped("rate_limited")) == ([], 2)


async def test_a_lost_answer(autojump_clock: MockClock) -> None:
    """A batch whose answer was lost is sent again, the same in every byte, so that Loki has each line once."""
    async with running() as run:
        run.loki.lost_answers = 2
        await run.put([entry("a"), entry("b")])
        await trio.sleep(10)
        assert (run.loki.lines(), run.loki.duplicates) == (["a", "b"], 4)


async def test_a_loki_that_hangs(autojump_clock: MockClock) -> None:
    """A request ends at its time limit and is made again."""
    async with running(remote_timeout="3s") as run:
        run.transport.hang = True
        await run.put([entry("a")])
        await trio.sleep(6)
        run.transport.hang = False
        await trio.sleep(10)
        assert run.loki.lines() == ["a"]
        assert run.count("loki_write_batch_retries_total") >= 1


async def test_partial_refusal(autojump_clock: MockClock) -> None:
    """Entries that Loki throws away are counted, the others are stored, and nothing is sent again."""
    async with running(max_entry_age="0s", max_line_size=0) as run:
        old = [entry("old", age=200 * 3600), entry("long" + "x" * 300_000)]
        await run.put([entry("a"), *old, entry("b")])
        await trio.sleep(60)
        assert run.loki.lines() == ["a", "b"]
        assert run.loki.requests == [("", 400)]
        assert run.dropped("greater_than_max_sample_age") == 1
        assert run.dropped("line_too_long") == 1
        assert run.count("loki_write_sent_entries_total") == 2


async def test_left_out_before(autojump_clock: MockClock) -> None:
    """What Loki would refuse is not sent, and counted with Loki's reason."""
    async with running() as run:
        many, dotted = entry("x"), entry("x")
        many.labels, dotted.labels = {f"l{n}": "x" for n in range(16)}, {"a.b": "c"}
        await run.put(
            [entry("a"), entry("x", age=200 * 3600), entry("x", age=-3600), entry("x" * 300_000),
             many, dotted]
        )  # fmt: skip
        await trio.sleep(2)
        assert (run.loki.lines(), run.loki.requests) == (["a"], [("", 204)])
        reasons = ("greater_than_max_sample_age", "too_far_in_future", "line_too_long", "max_label_names_per_series",
                   "invalid_labels")  # fmt: skip
        assert [run.dropped(reason) for reason in reasons] == [1] * 5


async def test_a_bad_stream_is_found(autojump_clock: MockClock) -> None:
    """A request that is refused whole is cut until the bad stream stands alone; the others arrive."""
    async with running() as run:
        original, bad = run.loki.answer, 'app="bad"'

        def refuse(headers: httpx.Headers, body: bytes) -> Answer:
            if bad.encode() in snappy.decompress(body):
                return Answer(400, "error parsing labels: 1:2: parse error")
            return original(headers, body)

        run.loki.answer = refuse  # type: ignore[method-assign,assignment]
        await run.put([entry(str(n), app="bad" if n == 7 else f"app{n}") for n in range(20)])
        await trio.sleep(10)
        assert sorted(map(int, run.loki.lines())) == [n for n in range(20) if n != 7]
        assert run.dropped("ingester_error") == 1


async def test_wrong_credentials_keep_the_batch(autojump_clock: MockClock) -> None:
    """What is refused for a reason outside of the batch is kept and sent when the reason is gone."""
    async with running() as run:
        run.loki.faults = [Answer(401, "no org id")] * 2
        await run.put([entry("a"), entry("b")])
        await trio.sleep(5)
        assert run.state() is HealthState.UNHEALTHY
        await trio.sleep(900)
        assert run.loki.lines() == ["a", "b"]


async def test_too_large(autojump_clock: MockClock) -> None:
    """A request above Loki's limit is cut in halves."""
    async with running() as run:
        run.loki.faults = [Answer(413, "too large")] * 3
        await run.put([entry(str(n)) for n in range(8)])
        await trio.sleep(5)
        assert run.loki.lines() == [str(n) for n in range(8)]


async def test_ingestion_blocked(autojump_clock: MockClock) -> None:
    """260 is no success: nothing was stored, and that is counted."""
    async with running() as run:
        run.loki.faults = [Answer(260, "blocked")]
        await run.put([entry("a")])
        await trio.sleep(60)
        assert (run.loki.lines(), run.dropped("blocked_ingestion")) == ([], 1)
        assert run.count("loki_write_sent_entries_total") == 0


async def test_restart(autojump_clock: MockClock) -> None:
    """What was not delivered is delivered after a restart."""
    storage, loki = Storage.memory(), FakeLoki(clock_ns)
    loki.down = True
    async with running(loki, storage) as run:
        await run.put([entry("a")])
        await trio.sleep(3)
    loki.down = False
    async with running(loki, storage):
        await trio.sleep(3)
    assert loki.lines() == ["a"]


async def test_two_endpoints(autojump_clock: MockClock) -> None:
    """Each endpoint gets all entries, or those that are for it only; one that is down does not hold up the other."""
    service, stop = Telemetry(), trio.Event()
    lokis = {"one": FakeLoki(clock_ns), "two": FakeLoki(clock_ns)}
    endpoints = [{"url": f"http://{name}/loki/api/v1/push", "name": name} for name in lokis]
    context = BuildContext(
        component_id="loki.write.x", telemetry=service.component("loki.write.x"), stop=stop, storage=Storage.memory(),
        outbox=OutboxSettings(""), listeners=Listeners(), resolve=lambda edge: edge,
    )  # fmt: skip
    transports = iter([FakeLokiTransport(loki) for loki in lokis.values()])
    write = LokiWrite(
        LokiWriteConfig.model_validate({"endpoint": endpoints}), context,
        lambda *_: httpx.AsyncClient(transport=next(transports), timeout=None),
    )  # fmt: skip
    assert [outlet.key for outlet in write.outlets()] == ["loki.write.x/one", "loki.write.x/two"]
    run = Running(write, lokis["one"], FakeLokiTransport(lokis["one"]), service, context.telemetry, stop)
    lokis["one"].down = True
    async with trio.open_nursery() as nursery:
        await nursery.start(write.run)
        await run.put([entry("both")])
        await run.put([entry("two")], skip={"loki.write.x/one": {"stdout": 1}})
        await trio.sleep(2)
        assert lokis["two"].lines() == ["both", "two"]
        lokis["one"].down = False
        await trio.sleep(60)
        assert lokis["one"].lines() == ["both"]
        stop.set()


@pytest.mark.parametrize(
    "table",
    [
        {"endpoint": []},
        {"endpoint": [{"url": "loki:3100"}]},
        {"endpoint": [{"url": "unix:///x"}]},
        {"endpoint": [{"url": URL, "name": "a"}, {"url": URL, "name": "a"}]},
        {"endpoint": [{"url": URL, "name": "1"}, {"url": URL}]},
        {"endpoint": [{"url": URL, "min_backoff_period": "10s", "max_backoff_period": "1s"}]},
        {"endpoint": [{"url": URL, "queue_config": {}}]},
        {"endpoint": [{"url": URL, "headers": {"X-A": "b\r\nX-C: d"}}]},
        {"endpoint": [{"url": URL}], "external_labels": {"a.b": "c"}},
        {"endpoint": [{"url": URL}], "wal": {}},
    ],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    with pytest.raises(ValueError, match="validation error"):
        LokiWriteConfig.model_validate(table)


@pytest.mark.parametrize(("retries", "elapsed"), [(0, 0.0), (1, 10.5), (3, 33.5)])
def test_max_backoff_retries(retries: int, elapsed: float) -> None:
    """A number of attempts becomes the time that they take; none is for ever."""
    config = LokiWriteConfig.model_validate({"endpoint": [{"url": URL, "max_backoff_retries": retries}]})
    assert config.endpoint[0].retry_policy().max_elapsed_time == elapsed
