"""The overview's figures, and their way to whoever watches."""

import json
import time
from collections.abc import Mapping

import pytest
import trio
from trio.testing import MockClock

from alloytrio.admin.live import COMMENT, HEARTBEAT, MAX_READERS, PENDING_UPDATES, Live
from alloytrio.admin.overview import Overview
from alloytrio.admin.sampler import INTERVAL
from alloytrio.telemetry import HealthState
from tests.admin.fakes import BATCH, RECEIVER, TEMPO, FakeService, outbox_view

EDGE_IN, EDGE_OUT = f"edge {RECEIVER} {BATCH}", f"edge {BATCH} {TEMPO}"
OUTBOX = f"outbox {TEMPO} {TEMPO}"


def running(service: FakeService) -> Overview:
    """The overview of a service that took in and delivered 20 spans in 2 s."""
    live = Live(service, trio.Event())
    taken = service.handles[RECEIVER].counter("otelcol_receiver_accepted_spans_total", "Help.")
    sent = service.handles[TEMPO].counter("otelcol_exporter_sent_spans_total", "Help.")
    live.tick(0)
    taken.inc(20)
    sent.inc(20)
    service.change_outbox(TEMPO, sent_items=20)
    live.tick(2)
    return live.overview()


def texts(shown: Overview) -> Mapping[str, str]:
    """Texts by key."""
    return {key: cell.text for key, cell in shown.cells.items()}


def test_all_is_well() -> None:
    """State, flows, edges and the backend when everything is delivered."""
    service = FakeService()
    service.change_outbox(TEMPO, last_success_ns=time.time_ns())
    shown = running(service)
    found = texts(shown)
    assert found["state"] == "Receiving and delivering"
    assert (found["in"], found["out"]) == ("10.0 spans/s", "10.0 spans/s")
    assert (found[EDGE_IN], found[EDGE_OUT]) == ("10.0 spans/s", "10.0 spans/s")
    assert (found["held"], found["held age"]) == ("nothing", "all that was accepted is delivered")
    assert found[f"{OUTBOX} state"] == "delivering"
    assert found[f"{OUTBOX} rate"] == "10.0 items/s"
    assert shown.cells[f"{OUTBOX} success"].time_ms > 0
    assert found[f"health {BATCH}"] == "healthy"
    assert found["memory"].endswith("MiB")
    assert (shown.problems, shown.received_anything) == ([], True)


def test_a_backend_is_down() -> None:
    """What is held back and why: the component, the queue, the next attempt, the backend's words."""
    service = FakeService()
    reason = "UNAVAILABLE: connection refused"
    service.handles[TEMPO].health.set(HealthState.UNHEALTHY, reason)
    service.change_outbox(
        TEMPO,
        queued_items=5_000,
        queued_bytes=1 << 20,
        used_bytes=95,
        capacity_bytes=100,
        oldest_age=90.0,
        retry_wait=12.0,
        last_error=reason,
        last_error_ns=time.time_ns(),
    )
    shown = running(service)
    found = texts(shown)
    assert found["state"] == "1 of 3 unhealthy"
    assert [(each.component_id, each.reason) for each in shown.problems] == [(TEMPO, reason)]
    assert found["held"] == "5\u202f000 items\n1.00 MiB"
    assert found["held age"] == "oldest 1 min 30 s"
    assert (found["held why"], shown.cells["held why"].title) == ("waiting for tempo:4317", f"tempo:4317: {reason}")
    assert (found[f"{OUTBOX} state"], found[f"{OUTBOX} retry"]) == ("retrying", "next attempt in 12.0 s")
    assert found[f"{OUTBOX} error"] == reason
    queue = shown.cells[f"{OUTBOX} queue"]
    assert (queue.state, queue.fill) == ("bad", 0.95)
    assert shown.cells["held"].state == "bad"


def test_a_full_disk() -> None:
    """That nothing can be written goes before the room that there would be; senders that are refused are counted."""
    service = FakeService()
    service.change_outbox(TEMPO, capacity_bytes=1000, retry_wait=1.0, write_error="cannot write to the journal: full")
    refused = service.handles[RECEIVER].counter("otelcol_receiver_refused_spans_total", "Spans.")
    accepted = service.handles[RECEIVER].counter("otelcol_receiver_accepted_spans_total", "Spans.")
    live = Live(service, trio.Event())
    accepted.inc(5)
    live.tick(0)
    refused.inc(20)
    live.tick(2)
    shown = live.overview()
    assert (shown.cells["held room"].text, shown.cells["held room"].state) == (
        "cannot write to the journal: full",
        "bad",
    )
    assert (shown.cells["in"].text, shown.cells["in"].state) == ("0 spans/s\n10.0 spans/s refused", "bad")


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (100, 100, "90 % of its room is free"),
        (200, 100, "90 % of its room is free"),
        (100, 110, "room for 2 min at this rate"),
        (980, 990, "room for 2 s at this rate"),
        (990, 991, "no room left: senders wait"),
        (1000, 1000, "no room left: senders wait"),
    ],
)
def test_how_long_there_is_room(before: int, after: int, text: str) -> None:
    """During an outage: for how long more can be taken, as the journal grows now; nothing while all is delivered."""
    service = FakeService()
    service.change_outbox(TEMPO, used_bytes=before, capacity_bytes=1000, retry_wait=1.0, queued_items=1)
    live = Live(service, trio.Event())
    live.tick(0)
    service.change_outbox(TEMPO, used_bytes=after)
    live.tick(2 if after != 110 else 1.5)
    assert texts(live.overview())["held room"] == text
    service.change_outbox(TEMPO, retry_wait=None)
    assert texts(live.overview())["held room"] == ""


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, "idle"),
        ({"last_success_ns": 2}, "delivering"),
        ({"last_success_ns": 1, "last_error_ns": 2}, "failing"),
        ({"last_success_ns": 3, "last_error_ns": 2}, "delivering"),
        ({"last_success_ns": 3, "retry_wait": 1.0}, "retrying"),
    ],
)
def test_words_for_delivery(values: dict[str, object], word: str) -> None:
    """What the last attempt says about a backend."""
    service = FakeService()
    service.change_outbox(TEMPO, **values)
    assert texts(running(service))[f"{OUTBOX} state"] == word


def test_before_anything_came() -> None:
    """A service that nobody has sent anything to says so, and one that is not ready too."""
    service = FakeService(ready=False)
    shown = Live(service, trio.Event()).overview()
    assert texts(shown)["state"] == "Not ready"
    assert texts(shown)["in"] == "nothing yet"
    assert not shown.received_anything


def test_the_shape_changes_with_what_there_is() -> None:
    """Figures leave the shape as it is; a component, a backend or a problem more changes it."""
    service = FakeService()
    first = running(service).shape
    assert running(service).shape == first
    service.backends[TEMPO].append(outbox_view("second", "other:4317"))
    second = running_shape(service)
    assert second != first
    service.handles[TEMPO].health.set(HealthState.UNHEALTHY, "no")
    assert running_shape(service) not in (first, second)


def running_shape(service: FakeService) -> str:
    """The shape without changing anything."""
    return Live(service, trio.Event()).overview().shape


def cells_of(piece: bytes | None) -> dict[str, object]:
    """The cells of an event."""
    assert piece is not None
    name, data = piece.decode().removesuffix("\n\n").split("\n")
    assert name == "event: cells"
    cells = json.loads(data.removeprefix("data: "))["cells"]
    assert isinstance(cells, dict)
    return cells


async def test_watchers_get_everything_then_changes() -> None:
    """The first update holds all cells, the next only what changed; when nobody watches no cells are made."""
    service = FakeService()
    live = Live(service, trio.Event())
    live.tick(0)
    events = live.events()
    assert events is not None
    with events:
        live.tick(2)
        assert f"health {BATCH}" in cells_of(await events.next())
        service.handles[BATCH].health.set(HealthState.UNHEALTHY, "no")
        live.tick(4)
        changed = cells_of(await events.next())
        assert f"health {BATCH}" in changed
        assert f"health {RECEIVER}" not in changed
    live.tick(6)


async def test_a_slow_watcher_gets_everything_again() -> None:
    """Updates that find no room are dropped; the next that does holds all cells."""
    live = Live(FakeService(), trio.Event())
    events = live.events()
    assert events is not None
    with events:
        for second in range(PENDING_UPDATES + 2):
            live.tick(second)
        for _ in range(PENDING_UPDATES):
            await events.next()
        live.tick(100)
        assert f"health {BATCH}" in cells_of(await events.next())


async def test_runs_until_the_stop(autojump_clock: MockClock) -> None:
    """Samples are taken at the interval; at the stop the task and every stream end, later ones at once."""
    stop = trio.Event()
    live = Live(FakeService(), stop)
    events = live.events()
    assert events is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live.run)
        with events:
            for _ in range(3):
                assert await events.next() is not None
            assert trio.current_time() == pytest.approx(2 * INTERVAL)
            stop.set()
            while await events.next() is not None:
                pass
    late = live.events()
    assert late is not None
    with late:
        assert await late.next() is None


async def test_silence_is_filled(autojump_clock: MockClock) -> None:
    """A stream without updates sends a comment, so that a reader that is gone is noticed."""
    events = Live(FakeService(), trio.Event()).events()
    assert events is not None
    with events:
        started = trio.current_time()
        assert await events.next() == COMMENT
        assert trio.current_time() - started == pytest.approx(HEARTBEAT)


def test_readers_are_bounded() -> None:
    """One more than allowed is refused; when one has gone there is room again."""
    live = Live(FakeService(), trio.Event())
    readers = []
    for _ in range(MAX_READERS):
        events = live.events()
        assert events is not None
        readers.append(events.__enter__())
    assert live.events() is None
    readers[0].__exit__(None, None, None)
    assert live.events() is not None
