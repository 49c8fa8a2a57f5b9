"""loki.process as a component: stages in order, fan-out, what sources are told."""

from collections.abc import Sequence

import pytest
import trio

from alloytrio.entry import Entry, EntryBatch, EntryConsumer, EntryOutlet, Handover
from alloytrio.loki.process import LokiProcess, LokiProcessConfig
from alloytrio.loki.process.stage import StageContext
from alloytrio.telemetry import HealthState, Telemetry
from tests.loki.outlets import Backend
from tests.loki.process.support import NOW_NS, entry


class Sink:
    """A consumer that keeps what it gets."""

    def __init__(self, key: str, held: int | None = None) -> None:
        self.outlet = EntryOutlet(key, Backend().lane)
        self.taken: list[Entry] = []
        self.forgotten: list[bytes] = []
        self.holds = False

    def outlets(self) -> Sequence[EntryOutlet]:
        return [self.outlet]

    def take(self, batch: EntryBatch) -> list[Handover]:
        self.taken += batch.entries
        return [Handover(self.outlet)]

    def forget(self, source: bytes) -> None:
        self.forgotten.append(source)


def process(consumers: Sequence[EntryConsumer], *stages: dict[str, object]) -> LokiProcess:
    config = LokiProcessConfig.model_validate({"forward_to": ["loki.write.default"], "stage": stages})
    telemetry = Telemetry().component("loki.process.test")
    built = [stage.build(StageContext(telemetry)) for stage in config.stage]
    return LokiProcess(built, consumers, telemetry, trio.Event())


def batch(*entries: Entry) -> EntryBatch:
    return EntryBatch(b"c1", list(entries), NOW_NS, 0.0)


JSON: dict[str, object] = {"json": {"expressions": {"level": ""}}}
TEMPLATE: dict[str, object] = {"template": {"source": "level", "template": "{{ ToLower .Value }}"}}
LABELS: dict[str, object] = {"labels": {"values": {"level": ""}}}


def test_stages_run_in_order() -> None:
    """Each stage sees what the ones before it did."""
    sink = Sink("w")
    process([sink], JSON, TEMPLATE, LABELS).take(batch(entry('{"level":"ERROR"}'), entry("plain")))
    assert [each.labels for each in sink.taken] == [{"app": "web", "level": "error"}, {"app": "web"}]
    assert [each.line for each in sink.taken] == [b'{"level":"ERROR"}', b"plain"]


def test_extracted_begins_with_the_labels() -> None:
    """The extracted values start as a copy of the labels, and each component starts anew."""
    sink = Sink("w")
    second = process([sink], {"labels": {"values": {"copy": "app", "none": "level"}}})
    process([second], JSON).take(batch(entry('{"level":"x"}')))
    assert sink.taken[0].labels == {"app": "web", "copy": "web"}


def test_two_consumers_do_not_see_each_other() -> None:
    """What one branch does to an entry, the other does not see."""
    first, second = Sink("a"), Sink("b")
    branch = process([first], {"static_labels": {"values": {"x": "y"}}}, {"output": {"source": "app"}})
    process([branch, second], LABELS).take(batch(entry("line", metadata={"m": "1"})))
    assert (first.taken[0].labels, first.taken[0].line) == ({"app": "web", "x": "y"}, b"web")
    assert (second.taken[0].labels, second.taken[0].line) == ({"app": "web"}, b"line")
    assert first.taken[0].metadata is not second.taken[0].metadata


def test_outlets_are_named_once() -> None:
    """An outlet that two ways lead to is one outlet."""
    sink = Sink("a")
    assert [outlet.key for outlet in process([sink, process([sink, Sink("b")])]).outlets()] == ["a", "b"]


def test_what_is_held_is_told() -> None:
    """Handovers say which entries are held, when to call again, and how long to wait."""
    multiline: dict[str, object] = {"multiline": {"firstline": "^S"}}
    limit: dict[str, object] = {"limit": {"rate": 1, "burst": 1}}
    component = process([process([Sink("a")], limit), Sink("b")], multiline)
    subject = entry("S", seq=3)
    assert component.holds
    assert not process([Sink("a")], limit).holds
    for handover in component.take(batch(subject)):
        assert (handover.held, handover.wake_at, handover.wait_until) == ({"stdout": 3}, 3.0, 0.0)
    subjects = [entry(text, seq=seq) for text, seq in [("S", 4), ("S", 5), ("S", 6)]]
    waits = {handover.outlet.key: handover.wait_until for handover in component.take(batch(*subjects))}
    assert waits == {"a": 2.0, "b": 0.0}


def test_nothing_left_still_hands_over() -> None:
    """Where all entries were left out there is still a handover, so that positions move."""
    sink = Sink("a")
    [handover] = process([sink], {"drop": {"expression": "."}}).take(batch(entry("x")))
    assert (handover.fragments, handover.held, sink.taken) == ([], {}, [])


def test_forget() -> None:
    """A reader that is gone is forgotten all the way down."""
    sink = Sink("a")
    component = process([sink], {"multiline": {"firstline": "^S"}})
    component.take(batch(entry("S")))
    component.forget(b"c1")
    component.take(EntryBatch(b"c1", [], NOW_NS, 0.0, ended=True))
    assert (sink.taken, sink.forgotten) == ([], [b"c1"])


async def test_run() -> None:
    """It is healthy from its start, and returns when it is told that no more will come."""
    telemetry, stop = Telemetry().component("loki.process.test"), trio.Event()
    component = LokiProcess([], [], telemetry, stop)
    async with trio.open_nursery() as components:
        await components.start(component.run)
        assert telemetry.health.current.state is HealthState.HEALTHY
        stop.set()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"stage": [{"luhn": {}}]}, "stage luhn is one of Alloy's that alloytrio does not have"),
        ({"stage": [{"metrics": {}}]}, "stage metrics is one of Alloy's"),
        ({"stage": [{}]}, "exactly one key"),
        ({"stage": [{"docker": {}, "cri": {}}]}, "exactly one key, its name; found 2: docker, cri"),
        ({"stage": [{"nosuch": {}}]}, "nosuch"),
        ({"stage": [{"docker": None}]}, "needs a table"),
        ({"forward_to": []}, "forward_to"),
    ],
)
def test_refused_at_load(table: dict[str, object], words: str) -> None:
    """A stage that is unknown, or not exactly one, is an error that names it."""
    with pytest.raises(ValueError, match="validation error") as caught:
        LokiProcessConfig.model_validate({"forward_to": ["loki.write.default"], **table})
    assert words in str(caught.value)
