"""What somebody who watches the logs' components sees: lines, what each stage does to them, targets."""

from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from alloytrio.admin.tap_items import items_of
from alloytrio.entry import Entry, EntryBatch
from alloytrio.entry_seen import MAX_LINE_BYTES, MAX_LINES, show_entries
from alloytrio.loki.process import LokiProcess, LokiProcessConfig
from alloytrio.loki.process.stage import StageContext
from alloytrio.loki.process.stages import StageEntry
from alloytrio.telemetry import LinesSeen, TargetsSeen, Telemetry, Watch
from alloytrio.telemetry.tap import Seen
from tests.loki.process.support import NOW_NS, entry
from tests.loki.process.test_process import JSON, LABELS, Sink, batch
from tests.loki.source.chain import process, world

S = TypeVar("S")
MULTILINE: dict[str, object] = {"multiline": {"firstline": "^START", "max_wait_time": "3s"}}
DROP: dict[str, object] = {"drop": {"expression": ".*secret.*"}}


class Watched:
    """A ``loki.process`` that somebody watches."""

    def __init__(self, *stages: dict[str, object], max_items: int = 10) -> None:
        config = LokiProcessConfig.model_validate({"forward_to": ["loki.write.default"], "stage": stages})
        telemetry = Telemetry().component("loki.process.test")
        built = [stage.build(StageContext(telemetry)) for stage in config.stage]
        self.sink = Sink("w")
        names = [stage.name for stage in config.stage]
        self.process = LokiProcess(built, [self.sink], telemetry, trio.Event(), names)
        self.watch = Watch([telemetry.tap], max_items)

    async def seen(self) -> LinesSeen:
        """The next thing that the watcher sees."""
        return of(LinesSeen, await self.watch.receive())


def of(kind: type[S], seen: Seen) -> S:
    """What was seen, which must be of that kind."""
    assert isinstance(seen, kind)
    return seen


def effects(seen: LinesSeen) -> list[list[dict[str, object]]]:
    """Per line, what the page shows of each stage."""
    return [[dict(each) for each in item.stages] for item in items_of(seen)]


async def test_each_stage_is_shown() -> None:
    """Per line and stage, what it changed; where a line is dropped, nothing behind it; what goes on is the same."""
    it = Watched(JSON, LABELS, DROP)
    with it.watch:
        it.process.take(batch(entry('{"level":"warn"}', seq=1), entry("a secret", seq=2)))
        seen = await it.seen()
    assert effects(seen) == [
        [
            {"stage": "json", "changes": {"extracted level": "warn"}},
            {"stage": "labels", "changes": {"label level": "warn"}},
            {"stage": "drop", "changes": {}},
        ],
        [
            {"stage": "json", "changes": {}},
            {"stage": "labels", "changes": {}},
            {"stage": "drop", "dropped": True},
        ],
    ]
    assert [each.line for each in it.sink.taken] == [b'{"level":"warn"}']


async def test_lines_that_a_stage_holds_back() -> None:
    """A line that waits for others is not called dropped, and is seen again when it goes on."""
    it = Watched(JSON, MULTILINE)
    with it.watch:
        it.process.take(batch(entry("START", seq=1), entry("more", seq=2)))
        first = await it.seen()
        it.process.take(batch(entry("START again", seq=3)))
        second = await it.seen()
    held = {"stage": "multiline", "held": True}
    assert [each[-1] for each in effects(first)] == [held, held]
    assert [each[-1] for each in effects(second)] == [held, {"stage": "multiline", "released": True}]
    assert [item.text for item in items_of(second)] == ["START again", "START\nmore"]
    assert [each.line for each in it.sink.taken] == [b"START\nmore"]


async def test_what_is_seen_does_not_change() -> None:
    """What a later component does to an entry does not change what was seen before."""
    it = Watched(LABELS)
    with it.watch:
        line = entry("before", metadata={"a": "1"})
        it.process.take(batch(line))
        assert line.metadata is not None
        line.line, line.metadata["a"] = b"after", "2"
        (seen,) = (await it.seen()).lines
    assert (seen.line, seen.metadata) == (b"before", {"a": "1"})


@pytest.mark.parametrize(("lines", "missed"), [(MAX_LINES, 0), (MAX_LINES + 1, 1), (10 * MAX_LINES, 9 * MAX_LINES)])
async def test_a_batch_is_shown_up_to_a_bound(lines: int, missed: int) -> None:
    """Of more lines than the bound some are shown, evenly spread, and the others count as missed; all go on."""
    it = Watched(JSON)
    with it.watch:
        it.process.take(batch(*[entry(f"{number}", seq=number) for number in range(lines)]))
        seen = await it.seen()
        assert it.watch.missed == missed
    assert len(seen.lines) == min(lines, MAX_LINES)
    assert len(it.sink.taken) == lines


async def test_long_lines_are_cut() -> None:
    """Of a line longer than the bound its beginning is shown; the line itself stays whole."""
    it = Watched(JSON)
    with it.watch:
        it.process.take(batch(entry("x" * MAX_LINE_BYTES, seq=1), entry("x" * (MAX_LINE_BYTES + 1), seq=2)))
        seen = await it.seen()
    assert [len(each.line) for each in seen.lines] == [MAX_LINE_BYTES, MAX_LINE_BYTES]
    assert [len(each.line) for each in it.sink.taken] == [MAX_LINE_BYTES, MAX_LINE_BYTES + 1]


def test_a_full_watcher_costs_no_pictures() -> None:
    """While nobody could take them, stages run as if nobody watched, and the batch counts as missed."""
    it = Watched(JSON, max_items=1)
    with it.watch:
        for number in range(3):
            it.process.take(batch(entry("a", seq=number)))
        assert it.watch.missed == 2
    assert len(it.sink.taken) == 3


def test_nothing_is_shown_of_nothing() -> None:
    """A batch without entries (time has passed) is not shown."""
    telemetry = Telemetry().component("loki.write.x")
    with Watch([telemetry.tap], 1) as watch:
        show_entries(telemetry.tap, [])
        assert watch.has_room


def test_stages_have_the_names_of_their_tables() -> None:
    """As the user wrote them."""
    tables = ({"json": {"expressions": {"a": ""}}}, {"match": {"selector": '{a="b"}', "action": "drop"}})
    assert [StageEntry.model_validate(table).name for table in tables] == ["json", "match"]


async def test_the_whole_way_of_a_line(autojump_clock: MockClock) -> None:
    """Source, stages and writer each show a line as it passes them, discovery shows its targets at once."""
    async with world(stages=[{"static_labels": {"values": {"team": "a"}}}]) as it:
        web = it.add("web")
        async with process(it) as run:
            await trio.sleep(1)
            ids = ("loki.source.docker.x", "loki.process.x", "loki.write.x", "discovery.docker.x")
            taps = [tap for each in ids if (tap := run.service.tap(each)) is not None]
            assert all(tap.is_offered for tap in taps)
            with Watch(taps, 10) as watch:
                targets = of(TargetsSeen, await watch.receive())
                it.write(web, "hello")
                source, stages, write = [of(LinesSeen, await watch.receive()) for _ in range(3)]
                it.add("db")
                more = of(TargetsSeen, await watch.receive())
            assert [(each["__meta_docker_container_name"]) for each, _ in targets.targets] == ["/web"]
            assert len(more.targets) == 2
            assert [[line.line for line in each.lines] for each in (source, stages, write)] == [[b"hello"]] * 3
            assert source.lines[0].labels == {"container": "web", "stream": "stdout"}
            assert [name for name, _ in stages.stages] == ["0"]
            assert write.lines[0].labels == {"container": "web", "stream": "stdout", "team": "a"}
            await trio.sleep(2)
            assert it.loki.lines(container="web") == ["hello"]


def test_pictures_cost_nothing_while_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a watcher no snapshot is made."""

    def refuse(*_: object) -> None:
        raise AssertionError

    for name in ("line_seen", "some_of", "key_of"):
        monkeypatch.setattr(f"alloytrio.loki.process.watched.{name}", refuse)
    it = Watched(JSON)
    lines: list[Entry] = [entry("a")]
    it.process.take(EntryBatch(b"c1", lines, NOW_NS, 0.0))
    assert len(it.sink.taken) == 1
