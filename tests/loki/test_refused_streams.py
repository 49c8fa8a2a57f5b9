"""Streams that Loki refuses for now wait apart; all others flow on."""

import random

import pytest
import trio
from trio.testing import MockClock

from alloytrio.loki.refused_streams import KnownStreams, encoding_of, tenant_of
from alloytrio.outbox import Storage
from alloytrio.telemetry import HealthState
from tests.loki.fake import FakeLoki
from tests.loki.test_write import clock_ns, entry, running


@pytest.mark.parametrize("behind", [0, 250])
async def test_a_flood_of_streams(autojump_clock: MockClock, behind: int) -> None:
    """20 000 trace ids as labels against a limit of 5 000 streams: plain containers lose no line and no second.

    Also if their lines stand behind all new streams of a batch: then Loki does not say that it refused any.
    """
    delays: list[float] = []
    async with running(min_backoff_period="500ms") as run:
        traces = iter(range(20_000))
        for second in range(40):
            flood = [entry(f"trace {n}", app="flood", trace_id=f"{n:032x}") for n in (next(traces) for _ in range(500))]
            await run.put(flood[behind:])
            await run.put([entry(f"{second} {name}", app=name) for name in ("web", "db")])
            await run.put(flood[:behind])
            await trio.sleep(1)
            for name in ("web", "db"):
                missing = [n for n in range(second) if f"{n} {name}" not in run.loki.lines(app=name)]
                delays.append(second - min(missing) if missing else 0)
        assert max(delays) <= 2
        assert len(run.loki.streams) == 5000
        assert run.state() is HealthState.UNHEALTHY
        assert "Maximum active stream limit exceeded" in run.telemetry.health.current.message
        run.loki.stream_limit = 100_000
        await trio.sleep(900)
        assert sorted(run.loki.lines(app="flood")) == sorted(f"trace {n}" for n in range(20_000))
        for name in ("web", "db"):
            assert run.loki.lines(app=name) == [f"{n} {name}" for n in range(40)]
        assert run.state() is HealthState.HEALTHY
        warnings = [line.text for line in run.service.recent_logs.lines() if "too many values" in line.text]
        assert len(warnings) == 1


async def test_new_streams_go_last_in_order(autojump_clock: MockClock) -> None:
    """When new streams are put behind known ones, the parts of each stream stay in their order."""
    async with running() as run:
        for start in (0, 1000):
            for n in range(start, start + 100):
                await run.put([entry(f"{n} {name}", app=name) for name in ("web", "db") for _ in range(1 + n % 3)])
                await run.put([entry(f"{n} new", app="new", id=f"{n // 40}")])
            await run.put([entry("last", app="web")])
            await trio.sleep(5)
        for stream in run.loki.streams.values():
            numbers = [int(line.split()[0]) for _, line, _ in stream.rows if line != "last"]
            assert numbers == sorted(numbers)
        assert len(run.loki.lines(app="new")) == 200


async def test_the_queue_is_bounded(autojump_clock: MockClock) -> None:
    """Refused entries beyond the bound are given up and counted; plain ones are not touched."""
    chance = random.Random(0)
    async with running(refused_max_size="1MiB") as run:
        run.loki.stream_limit = 5
        for second in range(20):
            await run.put([entry(str(second), app="web")])
            texts = [chance.randbytes(450).hex() for _ in range(200)]
            await run.put([entry(text, app="flood", id=str(second * 200 + n)) for n, text in enumerate(texts)])
            await trio.sleep(1)
        assert run.dropped("stream_limited") > 1000
        run.loki.stream_limit = 100_000
        await trio.sleep(300)
        assert len(run.loki.lines(app="flood")) + run.dropped("stream_limited") == 4000
        assert run.loki.lines(app="web") == [str(n) for n in range(20)]


async def test_high_cardinality_becomes_metadata(autojump_clock: MockClock) -> None:
    """Labels with too many values are moved, so that the limit is never reached."""
    async with running(high_cardinality="structured_metadata", high_cardinality_limit=100) as run:
        assert run.write.notes() == []
        for batch in range(20):
            await run.put([entry(f"{batch}-{n}", app="web", trace_id=f"{batch}-{n}") for n in range(50)])
        await trio.sleep(2)
        assert len(run.loki.lines()) == 1000
        assert 100 < len(run.loki.streams) < 200
        moved = [row for row in run.loki.rows() if row[2]]
        assert all(dict(metadata)["trace_id"] == line for _, line, metadata in moved)
        assert len(moved) > 800
        (note,) = run.write.notes()
        assert note.is_warning
        for part in ("label trace_id", "more than 100 values", "loki:3100", "structured metadata"):
            assert part in note.text


async def test_fast_streams(autojump_clock: MockClock) -> None:
    """A stream that is too fast waits; the others of the same batch are there at once."""
    async with running() as run:
        run.loki.slow_streams = lambda labels: labels["app"] in ("fast", "faster")
        apps = ("web", "fast", "db", "faster")
        for n in range(5):
            await run.put([entry(f"{n}" + "x" * 1000 * name.startswith("fast"), app=name) for name in apps])
            await trio.sleep(1)
        await trio.sleep(2)
        assert run.loki.lines(app="web") == run.loki.lines(app="db") == [str(n) for n in range(5)]
        assert run.loki.lines(app="fast") == []
        assert list(run.write.backends()) == ["loki:3100", "loki:3100, refused streams"]
        run.loki.slow_streams = lambda labels: False
        await trio.sleep(30)
        for name in apps:
            assert [line.rstrip("x") for line in run.loki.lines(app=name)] == [str(n) for n in range(5)]


async def test_waiting_streams_survive_a_restart(autojump_clock: MockClock) -> None:
    """What waits is on disk like everything else."""
    storage, loki = Storage.memory(), FakeLoki(clock_ns)
    loki.stream_limit = 1
    async with running(loki, storage) as run:
        await run.put([entry("a", app="a"), entry("b", app="b")])
        await trio.sleep(5)
    assert loki.lines() == ["a"]
    loki.stream_limit = 10
    async with running(loki, storage):
        await trio.sleep(5)
    assert loki.lines() == ["a", "b"]


def test_known_streams() -> None:
    """The latest are known, and their number is bounded."""
    known = KnownStreams(3)
    for name in (b"a", b"b", b"c", b"a", b"d"):
        known.add(name)
    assert [name in known for name in (b"a", b"b", b"c", b"d")] == [True, False, True, True]


def test_encodings() -> None:
    """The tenant is in the encoding."""
    assert [tenant_of(encoding_of(tenant, kind)) for tenant in ("", "a.b") for kind in ("push", "x")] == [
        "",
        "",
        "a.b",
        "a.b",
    ]
