"""recorder.memory: keeps the latest within its bound, and shows it."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from alloytrio.component import BuildContext, Signal
from alloytrio.entry import Entry, EntryBatch, Origin
from alloytrio.listeners import Listeners
from alloytrio.otlp import OtlpRequest
from alloytrio.outbox import Fragment, OutboxSettings, Put, Storage, put_all
from alloytrio.proto.gen.prometheus import WriteRequest
from alloytrio.recorder.lines import LineQuery
from alloytrio.recorder.memory import POSITIONS_BYTES, MemoryRecorder, MemoryRecorderConfig
from alloytrio.recorder.ring import ENTRY_BYTES, LABEL_BYTES, LABELS_BYTES, EntryRing, RequestRing
from alloytrio.recorder.traces import TraceQuery
from alloytrio.recorder.viewer import IDLE_SECONDS, Rings, Viewer
from alloytrio.samples import METADATA
from alloytrio.telemetry import HealthState, Telemetry
from tests.recorder.otlp import metrics, records, spans, trace_id
from tests.recorder.test_samples import metadata, series
from tests.recorder.test_series import gauge


def entries(*lines: str) -> list[Entry]:
    """Entries of one container."""
    origin = Origin("stdout", {"container": "web"})
    return [Entry(origin, number, line.encode(), number) for number, line in enumerate(lines, 1)]


def recorder_of(telemetry: Telemetry, stop: trio.Event | None = None, **settings: object) -> MemoryRecorder:
    """A recorder, with its default settings but for some."""
    context = BuildContext(
        component_id="recorder.memory.default",
        telemetry=telemetry.component("recorder.memory.default"),
        stop=trio.Event() if stop is None else stop,
        storage=Storage.memory(),
        outbox=OutboxSettings(name=""),
        listeners=Listeners(),
        resolve=lambda edge: edge,
    )
    return MemoryRecorderConfig.model_validate(settings).build(context)


def test_requests_are_kept_up_to_the_bound() -> None:
    """Exactly the bound fits; one byte more pushes out the oldest; what never fits is only counted."""
    ring = RequestRing(10)
    ring.add(b"12345", 1)
    ring.add(b"67890", 2)
    assert [kept.payload for kept in ring.latest()] == [b"67890", b"12345"]
    ring.add(b"x", 1)
    assert [kept.payload for kept in ring.latest()] == [b"x", b"67890"]
    ring.add(b"x" * 11, 5)
    assert (ring.items_seen, ring.bytes_kept) == (9, 6)
    assert [kept.number for kept in ring.latest()] == [3, 2]


def test_entries_are_kept_up_to_the_bound() -> None:
    """The same for lines, which count with what it takes to keep them."""
    one = ENTRY_BYTES + 1 + LABELS_BYTES + LABEL_BYTES
    ring = EntryRing(2 * one)
    ring.add(entries("a"))
    ring.add(entries("b"))
    assert [batch[0][2] for batch in ring.latest()] == [b"b", b"a"]
    ring.add(entries("c"))
    assert [batch[0][2] for batch in ring.latest()] == [b"c", b"b"]
    ring.add(entries("d", "e", "f", "g", "h", "i"))
    ring.add([])
    assert (ring.items_seen, ring.bytes_kept) == (9, 2 * one)


def test_labels_count_as_often_as_they_are_kept() -> None:
    """Lines of one stream share their labels; labels and structured metadata of its own cost a line what they take."""
    shared, own, described = EntryRing(10_000), EntryRing(10_000), EntryRing(10_000)
    shared.add(entries("a", "b"))
    own.add([*entries("a"), *entries("b")])
    line, more = entries("a", "b")
    line.metadata = {"trace_id": "1"}
    described.add([line, more])
    assert own.bytes_kept == described.bytes_kept == shared.bytes_kept + LABELS_BYTES + LABEL_BYTES


def test_later_changes_do_not_reach_what_is_kept() -> None:
    """Stages behind the recorder may change an entry; what it was when it passed is kept."""
    ring = EntryRing(10_000)
    (entry,) = entries("before")
    entry.metadata = {"a": "1"}
    ring.add([entry])
    entry.line, entry.metadata["a"] = b"after", "2"
    assert ring.latest()[0][0][2:] == (b"before", {"a": "1"})


async def test_what_passes_can_be_seen() -> None:
    """Traces, records, container lines and series are found after they passed, and counted."""
    telemetry = Telemetry()
    recorder = recorder_of(telemetry)
    for signal, payload in (
        (Signal.TRACES, spans("shop", (1, 1, 0, "GET /", 0, 1, False))),
        (Signal.LOGS, records("shop", (1, 9, "hello", 1, 1))),
        (Signal.METRICS, metrics("shop", gauge(1, 1))),
    ):
        (route,) = recorder.routes(signal, None)
        assert route.puts(OtlpRequest(signal, payload, 1)) == []
    (handover,) = recorder.take(EntryBatch(b"web", entries(f'{{"trace_id":"{trace_id(1)}"}}'), 0, 0.0))
    assert (handover.outlet, handover.fragments) == (recorder.outlets()[0], [])
    (target,) = recorder.sample_targets(None)
    fragments = [Fragment(2, bytes(WriteRequest(timeseries=[series("up", (1, 1), (2, 1))])), "series/snappy")]
    assert target.puts([*fragments, Fragment(1, metadata(up=2)[0], f"{METADATA}/snappy")], lambda: None) == []
    recorder.forget(b"web")
    viewer = recorder.viewer
    assert [each.root for each in (await viewer.search_traces(TraceQuery())).items] == ["GET /"]
    trace = await viewer.trace(trace_id(1))
    assert trace is not None
    assert len(trace.spans) == 1
    lines = await viewer.search_lines(LineQuery(trace_id=trace_id(1)))
    assert [line.service for line in lines.items] == ["shop", "web"]
    found = await viewer.search_series("", "", 10)
    assert [(each.info.name, each.info.unit) for each in found.items] == [("temperature", "Cel"), ("up", "s")]
    assert found.services == ["shop"]
    assert viewer.kept() == {"traces": 1, "metrics": 1, "logs": 1, "samples": 2, "entries": 1}
    counted = [value for name, _, value in telemetry.values()["recorder.memory.default"] if name.endswith("_total")]
    assert counted == [1, 1, 1, 2, 1]


async def test_runs_until_stopped(autojump_clock: MockClock) -> None:
    """It is healthy from the start and returns when it is told to stop."""
    telemetry, stop = Telemetry(), trio.Event()
    recorder = recorder_of(telemetry, stop)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        assert telemetry.healths()["recorder.memory.default"].state is HealthState.HEALTHY
        await trio.sleep(1000)
        stop.set()
    assert trio.current_time() >= 1000


async def test_settings_bound_the_series() -> None:
    """``max_series`` and ``max_points`` bound what is shown; metadata above ``max_bytes`` is not kept."""
    request = bytes(WriteRequest(timeseries=[series("a", (1, 1), (2, 2)), series("b", (1, 1), (2, 2))]))
    recorder = recorder_of(Telemetry(), max_series=1, max_points=1)
    (target,) = recorder.sample_targets(None)
    target.puts([Fragment(4, request, "series/snappy")], lambda: None)
    (found,) = (await recorder.viewer.search_series("", "", 10)).items
    assert (found.info.name, [point.value for point in found.points]) == ("b", [2])
    known = metadata(b=2)[0]
    for max_bytes, kept in ((len(known), [known]), (len(known) - 1, [])):
        recorder = recorder_of(Telemetry(), max_bytes=max_bytes)
        (target,) = recorder.sample_targets(None)
        target.puts([Fragment(1, known, f"{METADATA}/snappy")], lambda: None)
        assert [payload for each in recorder._metadata for payload in each.payloads] == kept


async def test_positions_of_a_source_without_a_backend(autojump_clock: MockClock) -> None:
    """A source behind which there is only a recorder keeps its positions there, for as long as the process lives."""
    stop = trio.Event()
    recorder = recorder_of(Telemetry(), stop)
    (outlet,) = recorder.outlets()
    assert outlet.is_transient
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        for number in range(3):
            position = {b"web": b"%d" % number}
            await put_all([Put(outlet.lane, [Fragment(0, b"", "positions/identity", position)])])
        assert outlet.lane.outbox.positions == {b"web": b"2"}
        stop.set()


async def test_many_positions_take_no_more_room(autojump_clock: MockClock) -> None:
    """However often positions are put, what is kept of them stays within the bound."""
    stop = trio.Event()
    recorder = recorder_of(Telemetry(), stop)
    (outlet,) = recorder.outlets()
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        position = {b"web": b"x" * 30_000}
        for _ in range(2 * POSITIONS_BYTES // 30_000):
            await put_all([Put(outlet.lane, [Fragment(0, b"", "positions/identity", position)])])
        assert outlet.lane.outbox.stats().used_bytes <= POSITIONS_BYTES
        stop.set()


async def test_searches_forget_when_nobody_looks() -> None:
    """What searches learnt is given back after a while, and learnt again when somebody looks."""
    now = [0.0]
    ring = RequestRing(10_000)
    ring.add(spans("shop", (1, 1, 0, "GET /", 0, 1, False)), 1)
    viewer = Viewer(Rings(ring.latest, list, list, list, dict), clock=lambda: now[0])
    assert len((await viewer.search_traces(TraceQuery())).items) == 1
    index = viewer._index
    now[0] = IDLE_SECONDS
    viewer.forget_if_idle()
    assert viewer._index is index
    now[0] = IDLE_SECONDS + 1
    viewer.forget_if_idle()
    assert viewer._index is not index
    assert len((await viewer.search_traces(TraceQuery())).items) == 1


@pytest.mark.parametrize("text", ["0", "-1", '"x"'])
def test_the_bound_must_be_a_size(text: str, tmp_path: Path) -> None:
    """A bound of nothing is no recorder."""
    with pytest.raises(ValueError, match="max_bytes"):
        MemoryRecorderConfig.model_validate({"max_bytes": text})
