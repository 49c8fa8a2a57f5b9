"""The live view: what passes, item by item."""

import json

import pytest
import trio
from trio.testing import MockClock

from alloytrio.admin.live import COMMENT, HEARTBEAT
from alloytrio.admin.tap_items import TapItem, TapQuery, items_of
from alloytrio.admin.tapping import THREAD_BYTES, Look, TapEvents, taps_of, thin_out
from alloytrio.proto.gen.prometheus import Label, Sample, TimeSeries, WriteRequest
from alloytrio.telemetry import LineSeen, LinesSeen, OtlpSeen, SamplesSeen, TargetsSeen
from alloytrio.telemetry.tap import Seen, Tap
from tests.admin.fakes import BATCH, RECEIVER, TEMPO, FakeService
from tests.recorder.otlp import T0, metrics, records, span_id, spans, trace_id
from tests.recorder.test_samples import series
from tests.recorder.test_series import gauge, histogram

SPANS = spans("shop", *[(1, number, 0, f"GET /{number}", 0, 0.25, number == 2) for number in range(1, 5)])


def line(text: str, key: int = 1, **labels: str) -> LineSeen:
    """A line on its way."""
    return LineSeen(key, T0, labels, text.encode(), {}, {})


def test_spans() -> None:
    """Each span shows name, service, duration, kind, status, ids, attributes and resource."""
    items = items_of(OtlpSeen("traces", SPANS))
    assert [item.text for item in items] == ["GET /1", "GET /2", "GET /3", "GET /4"]
    assert items[1].as_json() == {
        "kind": "span",
        "time_ms": T0 // 1_000_000,
        "text": "GET /2",
        "service": "shop",
        "level": "error",
        "detail": "250 ms, server",
        "labels": {"http.route": "/GET /2", "service.name": "shop"},
        "trace_id": trace_id(1),
        "span_id": span_id(2),
    }


def test_points_and_records() -> None:
    """Metrics show their values, log records their text and level."""
    items = items_of(OtlpSeen("metrics", metrics("shop", gauge(20.5, 1, room="a"), histogram(3, 6, 1))))
    assert [(item.text, item.detail, dict(item.labels)) for item in items] == [
        ("temperature", "20.5 Cel", {"room": "a"}),
        ("duration", "count 3, sum 6.0", {}),
    ]
    (item,) = items_of(OtlpSeen("logs", records("shop", (1, 17, "failed", 5, 6))))
    assert (item.text, item.level, item.trace_id) == ("failed", "error", trace_id(5))


def test_samples_and_targets() -> None:
    """Samples show name, value and labels; targets what relabelling made of them."""
    series = TimeSeries(
        labels=[Label(name="__name__", value="up"), Label(name="job", value="shop")],
        samples=[Sample(timestamp=5, value=1.5)],
    )
    (item,) = items_of(SamplesSeen(bytes(WriteRequest(timeseries=[series]))))
    assert (item.text, item.detail, item.service, item.time_ms) == ("up", "1.5", "shop", 5)
    discovered = {"__meta_docker_container_name": "/web"}
    kept, dropped = items_of(TargetsSeen([(discovered, {"container": "web"}), (discovered, None)]))
    assert (kept.text, kept.labels, kept.detail) == ("web", {"container": "web"}, "")
    assert (dropped.labels, dropped.detail) == (discovered, "dropped")


def test_stages_show_what_they_did() -> None:
    """Per stage: what changed of line, labels, metadata, extracted values and time; where a line was dropped."""
    before, other = line("a", 1, level="info"), line("b", 2)
    after = LineSeen(1, T0 + 1, {"level": "warn"}, b"A", {"user": "u"}, {"x": "1"})
    stages = [("json", [after, other]), ("keep", [after, other]), ("drop", [after])]
    first, second = items_of(LinesSeen([before, other], stages))
    assert list(first.stages) == [
        {
            "stage": "json",
            "changes": {
                "line": "A",
                "timestamp": "1767225600.000000000",
                "label level": "warn",
                "metadata user": "u",
                "extracted x": "1",
            },
        },
        {"stage": "keep", "changes": {}},
        {"stage": "drop", "changes": {}},
    ]
    assert list(second.stages) == [
        {"stage": "json", "changes": {}},
        {"stage": "keep", "changes": {}},
        {"stage": "drop", "dropped": True},
    ]


def test_a_label_that_a_stage_removes() -> None:
    """A label that is gone is said to be removed."""
    (item,) = items_of(LinesSeen([line("a", 1, level="info")], [("label_drop", [line("a", 1)])]))
    assert item.stages[0]["changes"] == {"label level": "(removed)"}


def test_what_cannot_be_read_is_said() -> None:
    """A broken request is shown as such."""
    (item,) = items_of(OtlpSeen("traces", b"\xff"))
    assert item.kind == "unreadable"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (TapQuery(), True),
        (TapQuery(text="GET"), True),
        (TapQuery(text="post"), False),
        (TapQuery(labels={"n": "1"}), True),
        (TapQuery(labels={"n": "2"}), False),
        (TapQuery(labels={"m": "1"}), False),
    ],
)
def test_filters(query: TapQuery, *, expected: bool) -> None:
    """Text in any case, labels by their exact value as shown."""
    assert TapItem("span", 0, "get /", labels={"n": 1}).matches(query) == expected


@pytest.mark.parametrize("wanted", [0, 1, 3, 10, 11])
def test_thinning_out_is_even(wanted: int) -> None:
    """As many as wanted, spread over all, in order."""
    items = [TapItem("span", number, "") for number in range(10)]
    chosen = [item.time_ms for item in thin_out(items, wanted)]
    assert len(chosen) == min(wanted, 10)
    assert chosen == sorted(set(chosen))


MANY = spans("shop", *[(1, number, 0, f"page {number}.", 0, 1, False) for number in range(1, 201)])


def looked(seen: Seen, query: TapQuery, wanted: int = 1_000, turn: int = 0) -> Look:
    """A look for which time stands still."""
    looking = Look(seen, query, wanted, turn, lambda: 0.0)
    looking.run()
    return looking


@pytest.mark.parametrize(
    ("query", "wanted", "found"),
    [
        (TapQuery(), 1_000, 200),
        (TapQuery(), 10, 10),
        (TapQuery(), 0, 0),
        (TapQuery(text="PAGE 150."), 10, 1),
        (TapQuery(text="PAGE 150."), 0, 0),
        (TapQuery(text="nowhere"), 10, 0),
        (TapQuery(text="É"), 10, 0),
        (TapQuery(text="page"), 10, 10),
        (TapQuery(labels={"http.route": "/page 7."}), 10, 1),
    ],
)
def test_as_many_as_wanted_are_found(query: TapQuery, wanted: int, found: int) -> None:
    """A search looks at all of a request until it has enough; all its items count."""
    looking = looked(OtlpSeen("traces", MANY), query, wanted)
    assert (len(looking.found), looking.size) == (found, 200)
    assert all(item.matches(query) for item in looking.found)


def test_a_look_ends_when_its_time_is_over() -> None:
    """After its time a look stops behind the part that it is at; the next one begins elsewhere in the request."""
    now = [0.0]

    def clock() -> float:
        now[0] += 0.0015  # what one part takes
        return now[0]

    query = TapQuery(labels={"http.route": "/page 7."})
    for turn, found in ((0, ["page 7."]), (3, [])):
        looking = Look(OtlpSeen("traces", MANY), query, 10, turn, clock)
        looking.run()
        assert [item.text for item in looking.found] == found
        assert looking.size == 200


@pytest.mark.parametrize("turn", range(9))
def test_what_is_found_is_in_order(turn: int) -> None:
    """Wherever a search begins, what it found is shown in the order in which it came."""
    found = looked(OtlpSeen("traces", MANY), TapQuery(text="5."), turn=turn).found
    assert [item.text for item in found] == [f"page {number}." for number in range(5, 200, 10)]


def test_samples_lines_and_targets_are_chosen_too() -> None:
    """The same for what is no OpenTelemetry request; what cannot be read is one item."""
    payload = bytes(WriteRequest(timeseries=[series(f"m{number}", (1, 1)) for number in range(200)]))
    looking = looked(SamplesSeen(payload), TapQuery(text="M150"))
    assert ([item.text for item in looking.found], looking.size) == (["m150"], 200)
    lines = LinesSeen([line(f"line {number}", number) for number in range(100)])
    looking = looked(lines, TapQuery(), 4)
    assert [item.text for item in looking.found] == ["line 0", "line 25", "line 50", "line 75"]
    assert [item.text for item in looked(lines, TapQuery(text="LINE 7"), 2).found] == ["line 7", "line 70"]
    looking = looked(TargetsSeen([({"__address__": "a"}, None), ({"__address__": "b"}, None)]), TapQuery(text="B"))
    assert ([item.text for item in looking.found], looking.size) == (["b"], 2)
    (item,) = looked(OtlpSeen("traces", b"\xff"), TapQuery()).found
    assert item.kind == "unreadable"


def events_in(piece: bytes | None) -> list[tuple[str, dict[str, object]]]:
    """Names and values of the events in a piece of the stream."""
    assert piece is not None
    found = []
    for event in piece.decode().removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def next_of(events: TapEvents, tap: Tap, item: Seen) -> list[tuple[str, dict[str, object]]]:
    """What the stream sends for an item."""
    tap.show(item)
    return events_in(await events.next())


async def test_stream_filters_thins_and_counts(autojump_clock: MockClock) -> None:
    """Of four spans in one request two are shown at two per second; the counts say so; time allows more."""
    now = [0.0]
    tap, watches = Tap(), set[TapEvents]()
    with TapEvents([tap], TapQuery(per_second=2), trio.Event(), watches, lambda: now[0]) as events:
        assert tap.is_watched
        assert watches == {events}
        found = await next_of(events, tap, OtlpSeen("traces", SPANS))
        assert [(name, value.get("text")) for name, value in found[:-1]] == [("item", "GET /1"), ("item", "GET /3")]
        assert found[-1] == ("count", {"seen": 4, "shown": 2, "missed": 0})
        assert await next_of(events, tap, OtlpSeen("traces", SPANS)) == [
            ("count", {"seen": 8, "shown": 2, "missed": 0})
        ]
        now[0] = 0.5
        found = await next_of(events, tap, OtlpSeen("traces", SPANS))
        assert len(found) == 2
    assert not tap.is_watched
    assert watches == set()


async def test_stream_of_one_kind() -> None:
    """An edge that carries traces shows no metrics."""
    tap = Tap()
    with TapEvents([tap], TapQuery(kinds=frozenset({"traces"})), trio.Event(), set()) as events:
        tap.show(OtlpSeen("metrics", metrics("shop", gauge(1, 1))))
        assert len(await next_of(events, tap, OtlpSeen("traces", SPANS))) == 5


async def test_many_small_requests_are_counted_together(autojump_clock: MockClock) -> None:
    """While nothing is shown, counts come now and then and the last one is true."""
    tap = Tap()
    with TapEvents([tap], TapQuery(text="nowhere"), trio.Event(), set()) as events:
        for _ in range(60):
            tap.show(OtlpSeen("traces", SPANS))
        assert events_in(await events.next())[-1][0] == "count"
        pieces = 1
        while (piece := await events.next()) != COMMENT:
            last = events_in(piece)
            pieces += 1
        assert last == [("count", {"seen": 240, "shown": 0, "missed": 0})]
        assert pieces < 60


async def test_the_stream_rests_for_its_work(autojump_clock: MockClock) -> None:
    """After a piece that took a millisecond the stream rests 250, but never longer than a second."""
    now = [0.0]
    tap = Tap()
    with TapEvents([tap], TapQuery(), trio.Event(), set(), lambda: now[0]) as events:
        for spent, rested in ((0.001, 0.25), (5.0, 1.0)):
            began = trio.current_time()
            await next_of(events, tap, OtlpSeen("traces", SPANS))
            assert trio.current_time() == pytest.approx(began)
            now[0] += spent
            await next_of(events, tap, OtlpSeen("traces", SPANS))
            assert trio.current_time() == pytest.approx(began + rested)


@pytest.mark.parametrize("spare", [0, 1])
async def test_a_large_request_is_shown(spare: int) -> None:
    """A request at or beyond the size that is looked at in a thread is shown like any other."""
    name = "x" * (THREAD_BYTES + spare - len(spans("shop", (1, 1, 0, "", 0, 1, False))))
    tap = Tap()
    with TapEvents([tap], TapQuery(), trio.Event(), set()) as events:
        (item, count) = await next_of(events, tap, OtlpSeen("traces", spans("shop", (1, 1, 0, name, 0, 1, False))))
    assert (item[0], count[1]["seen"]) == ("item", 1)


async def test_stream_ends_with_the_service(autojump_clock: MockClock) -> None:
    """A silent stream sends comments, and ends at the stop."""
    stop = trio.Event()
    with TapEvents([Tap()], TapQuery(), stop, set()) as events:
        assert await events.next() == COMMENT
        assert trio.current_time() == pytest.approx(HEARTBEAT)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 1)
            stop.set()
            assert await events.next() is None


def test_where_to_look() -> None:
    """A component that shows something is looked at itself; others where their data comes from."""
    service = FakeService()
    own = service.handles[RECEIVER].tap
    assert taps_of(RECEIVER, service.edges(), service.telemetry) == ([own], frozenset())
    assert taps_of(TEMPO, service.edges(), service.telemetry) == ([own], frozenset({"traces"}))
    batch = service.handles[BATCH].tap
    assert taps_of(TEMPO, service.edges(), service.telemetry) == ([batch], frozenset({"traces"}))
