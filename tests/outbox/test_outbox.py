"""The outbox as a whole: restarts, memory, changed settings, going down, reports."""

from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from alloytrio.errors import PermanentExportError, RetryableExportError, StorageError
from alloytrio.outbox import Batch, BatchPolicy, RetryPolicy, Storage
from alloytrio.outbox.codec import PIECE_MIN_BYTES
from tests.outbox.fakes import (
    START_NS,
    Bench,
    FakeBackend,
    Faults,
    FaultyDirectory,
    content,
    directory_of,
    make_settings,
    store_of,
)
from tests.outbox.journals import fragment, new_journal, write

DOWN = RetryableExportError("down")
STEADY = RetryPolicy(initial_interval=1, multiplier=1, randomization_factor=0, max_interval=1)
ONE_EACH = BatchPolicy("b", timeout=5, send_batch_size=1)


async def test_only_what_was_in_flight_is_of_unknown_outcome(autojump_clock: MockClock) -> None:
    """After a kill the batches that were being sent are sent again and marked so; the others are not, and not mixed."""
    backend = FakeBackend(latency=1000)
    bench = Bench(backend, policy=ONE_EACH, settings=make_settings(senders=2))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number in range(5):
            await bench.put(str(number))
        await wait_all_tasks_blocked()
        await bench.kill()
        again = Bench(backend := FakeBackend(), store=bench.store, policy=BatchPolicy("b", 5, 100))
        await outboxes.start(again.run)
        await again.stop()
    assert [(backend.names_of(batch), batch.unknown_outcome) for batch in backend.taken] == [
        (["0", "1"], True),
        (["2", "3", "4"], False),
    ]


async def test_out_of_order_completions_survive_a_kill(autojump_clock: MockClock) -> None:
    """What was delivered out of order is not sent again; what was not delivered is, in its order."""
    refused = PermanentExportError("no", whole=True)
    backend = FakeBackend(poison=dict.fromkeys(["1", "4"], refused))
    bench = Bench(backend, policy=ONE_EACH, settings=make_settings(senders=4))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number in range(8):
            await bench.put(str(number))
        await wait_all_tasks_blocked()
        assert sorted(backend.received) == ["0", "2", "3", "5", "6", "7"]
        await bench.kill()
        again = Bench(backend := FakeBackend(), store=bench.store, policy=ONE_EACH)
        await outboxes.start(again.run)
        await again.stop()
    assert backend.received == ["1", "4"]


async def test_memory_stays_bounded_while_the_backend_is_down(autojump_clock: MockClock) -> None:
    """Beyond memory_bytes payloads are left on the disk; when the backend is back all arrive in order."""
    backend = FakeBackend(is_down=DOWN)
    settings = make_settings(memory_bytes=20_000, segment_bytes=64 * 1024, batch_max_bytes=5_000, retry=STEADY)
    bench = Bench(backend, settings=settings)
    most = 0
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number in range(1_000):
            await bench.put(f"{number:01000}")
            most = max(most, bench.outbox.stats().memory_bytes)
        assert bench.outbox.stats().used_bytes > 1_000_000
        backend.is_down = None
        while bench.outbox.queued_items:
            await trio.sleep(1)
            most = max(most, bench.outbox.stats().memory_bytes)
        await bench.put("after")
        await bench.stop()
    assert most <= 20_000 + 2 * 7_100  # one batch in flight and one ready may be beyond, with 400 bytes per record
    assert backend.received == [f"{number:01000}" for number in range(1_000)] + ["after"]
    assert all(batch.plain_bytes <= 5_000 for batch in backend.taken)


async def test_one_stream_that_waits_does_not_hold_others_up(autojump_clock: MockClock) -> None:
    """While one encoding fills the memory, another is read from the disk and delivered."""
    backend = FakeBackend(poison={"m" * 100: PermanentExportError("UNIMPLEMENTED", whole=True)})
    bench = Bench(backend, settings=make_settings(memory_bytes=2_000, batch_max_bytes=500))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number in range(50):
            await bench.put("m" * 100, encoding="metrics/identity")
            await bench.put(f"{number:0100}", encoding="traces/identity")
        await trio.sleep(1)
        assert backend.received == [f"{number:0100}" for number in range(50)]
        await bench.kill()
        # The same after a restart, when all is on the disk.
        again = Bench(backend, store=bench.store, settings=make_settings(memory_bytes=2_000, batch_max_bytes=500))
        await outboxes.start(again.run)
        await again.put("new", encoding="traces/identity")
        await trio.sleep(1)
        assert backend.received[-1] == "new"
        assert again.outbox.queued_items == 50
        await again.kill()


async def test_old_segments_shrink_while_one_stream_waits(autojump_clock: MockClock) -> None:
    """Though one encoding keeps something in each segment the outbox does not fill up; later it is sent, in order."""
    backend = FakeBackend(refused={"metrics/identity": PermanentExportError("UNIMPLEMENTED", whole=True)})
    settings = make_settings(
        max_bytes=1_000_000, memory_bytes=10_000, batch_max_bytes=20_000, segment_bytes=1 << 20, retry=STEADY
    )
    bench = Bench(backend, settings=settings)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number in range(60):
            await bench.put(f"m{number:04999}", encoding="metrics/identity")
            for more in range(9):
                await bench.put(f"t{number * 9 + more:04999}", encoding="traces/identity")
            await wait_all_tasks_blocked()
            assert bench.outbox.stats().used_bytes <= 1_000_000
            if number == 30:
                backend.refused.clear()
                await trio.sleep(1)
                backend.refused["metrics/identity"] = PermanentExportError("UNIMPLEMENTED", whole=True)
        backend.refused.clear()
        await trio.sleep(2)
        assert bench.outbox.queued_items == 0
        await bench.stop()
    assert [name for name in backend.received if name[0] == "m"] == [f"m{number:04999}" for number in range(60)]
    assert [name for name in backend.received if name[0] == "t"] == [f"t{number:04999}" for number in range(540)]


async def test_changed_compression_never_mixes(autojump_clock: MockClock) -> None:
    """What was stored under other settings is sent as it was encoded, apart from what comes now."""
    store = Storage.memory().open("x")
    big = "x" * PIECE_MIN_BYTES
    async with trio.open_nursery() as outboxes:
        for number, codec in enumerate(["gzip", "snappy", "identity"]):
            bench = Bench(FakeBackend(is_down=DOWN), store=store, policy=BatchPolicy("b", 5, 100))
            await outboxes.start(bench.run)
            await bench.put(f"small {number}", encoding=f"t/{codec}")
            await bench.put(big + str(number), encoding=f"t/{codec}")
            await bench.kill()
        backend = FakeBackend()
        bench = Bench(backend, store=store, policy=BatchPolicy("renamed", 5, 100))
        await outboxes.start(bench.run)
        await bench.put("now", encoding="t/gzip")
        await bench.stop()
    sent = sorted((batch.encoding, backend.names_of(batch)) for batch in backend.taken)
    assert sent == [
        ("t/gzip", ["now"]),
        ("t/gzip", ["small 0", big + "0"]),
        ("t/identity", ["small 2", big + "2"]),
        ("t/snappy", ["small 1", big + "1"]),
    ]


async def test_an_unknown_codec_on_disk_is_sent_as_it_is(autojump_clock: MockClock) -> None:
    """A journal that another version wrote with a codec we do not know stops nothing."""
    journal = new_journal()
    write(journal, [fragment(b"a;", encoding=b"t/brotli")])
    sent: list[tuple[str, bytes]] = []
    bench = Bench(FakeBackend(), store=store_of(journal.directory))

    async def deliver(batch: Batch) -> None:
        await trio.lowlevel.checkpoint()
        sent.append((batch.encoding, batch.body))

    bench.backend.deliver = deliver  # type: ignore[method-assign]
    bench.outbox = bench.make_outbox(make_settings())
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.stop()
    assert sent == [("t/brotli", b"a;")]


@pytest.mark.parametrize(("grace", "delivered"), [(3.5, 3), (100.0, 10), (0.0, 0)])
async def test_going_down_delivers_within_the_grace(
    autojump_clock: MockClock, tmp_path: Path, grace: float, delivered: int
) -> None:
    """When told to stop it delivers, even what is not due yet, until the grace is over; the rest stays."""
    storage = Storage.disk(tmp_path)
    backend = FakeBackend(latency=1)
    bench = Bench(backend, store=storage.open("x"), policy=BatchPolicy("b", 1e6, 2, 2))
    async with trio.open_nursery() as outboxes:
        backend.is_down = DOWN
        await outboxes.start(partial(bench.outbox.run, stop=bench.stopping, grace=grace))
        for number in range(19):
            await bench.put(str(number))
        backend.is_down = None
        began = trio.current_time()
        bench.stopping.set()
    assert trio.current_time() - began == pytest.approx(min(grace, 10))
    assert len(backend.taken) == delivered
    left = 19 - len(backend.received)
    assert bench.outbox.queued_items == storage.undelivered_items() == left
    async with trio.open_nursery() as outboxes:
        again = Bench(backend, store=storage.open("x"), policy=BatchPolicy("b", 1e6, 2, 2))
        await outboxes.start(again.run)
        assert again.outbox.queued_items == left
        await again.stop()
    assert set(backend.received) == {str(number) for number in range(19)}
    storage.close()


async def test_stats(autojump_clock: MockClock) -> None:
    """What the page shows: how much waits, for how long, since when it fails, when it is tried again."""
    backend = FakeBackend(answers=[None])
    bench = Bench(backend, settings=make_settings(retry=STEADY, max_bytes=1 << 20))
    assert bench.outbox.stats().queued_items == 0
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await trio.sleep(1)
        await bench.put("a", "b")
        await wait_all_tasks_blocked()
        backend.is_down = DOWN
        await trio.sleep(1)
        await bench.put("c")
        await trio.sleep(0.75)
        stats = bench.outbox.stats()
        assert (stats.queued_items, stats.batches_in_flight, stats.batches_waiting) == (1, 1, 1)
        assert (stats.oldest_age, stats.retry_wait) == (0.75, 0.25)
        assert (stats.capacity_bytes, stats.puts_waiting) == (1 << 20, 0)
        assert 0 < stats.queued_bytes < stats.used_bytes
        counts = stats.counts
        assert (counts.accepted_items, counts.sent_items, counts.failed_attempts) == (3, 2, 1)
        assert counts.last_success_ns == START_NS + 1_000_000_000
        assert (counts.last_error, counts.last_error_ns) == ("down", START_NS + 2_000_000_000)
        await bench.kill()
    assert bench.outbox.stats().queued_items == 1


async def test_damage_is_told(autojump_clock: MockClock) -> None:
    """A damaged journal is reported with the files and what is known to be lost; the rest is delivered."""
    bench = Bench(FakeBackend(is_down=DOWN))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for name in ("first", "second", "third"):
            await bench.put(name)
        await bench.kill()
        files = {name: file.replace(b"second", b"sEcond") for name, file in content(bench.store.directory).items()}
        again = Bench(backend := FakeBackend(), store=store_of(directory_of(files)))
        await outboxes.start(again.run)
        assert again.outbox.counts.dropped_items == 1
        await again.stop()
    assert backend.received == ["first", "third"]
    (line,) = [line for line in again.log.lines if "journal is damaged" in line]
    assert "0000000000000001.seg" in line
    assert "known_items=1" in line


async def test_damage_found_while_reading_back(autojump_clock: MockClock) -> None:
    """A record that goes bad on the disk while it waits there is counted as lost, and nothing hangs on it."""
    faults = Faults()
    directory = FaultyDirectory(faults)
    backend = FakeBackend(is_down=DOWN)
    settings = make_settings(memory_bytes=0, batch_max_bytes=10, retry=STEADY)
    bench = Bench(backend, store=store_of(directory), settings=settings)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number in range(6):
            await bench.put(f"item {number}")
        (name,) = [name for name in directory.names() if name.endswith(".seg")]
        whole = content(directory)[name].replace(b"item 4", b"item X")
        directory.inner.open(name).truncate(0)
        directory.inner.open(name).append([whole])
        backend.is_down = None
        await bench.stop()
    assert backend.received == [f"item {number}" for number in range(6) if number != 4]
    assert bench.observer.dropped == [("t/identity", 1, "damaged")]
    assert bench.outbox.queued_items == 0


async def test_a_disk_that_cannot_be_read_for_a_while(autojump_clock: MockClock) -> None:
    """If the journal cannot be read back, health says so, and reading is tried again until it works."""
    faults = Faults()
    backend = FakeBackend()
    bench = Bench(backend, store=store_of(FaultyDirectory(faults)), settings=make_settings(memory_bytes=0))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        faults.read = [5, 5]
        await bench.put("a")
        await trio.sleep(1)
        assert "cannot read the journal" in bench.telemetry.health.current.message
        await trio.sleep(20)
        assert backend.received == ["a"]
        assert bench.telemetry.health.current.message == ""
        await bench.stop()


async def test_a_journal_that_cannot_be_read_at_the_start(autojump_clock: MockClock) -> None:
    """An unreadable journal is a clear error, not an empty outbox."""
    bench = Bench(FakeBackend(is_down=DOWN), store=store_of(FaultyDirectory(faults := Faults())))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await bench.kill()
    faults.read = [5]
    with pytest.raises(StorageError, match=r"outbox test: cannot read its journal.*Input/output error"):
        await bench.outbox.run(stop=trio.Event())


async def test_it_runs_again_after_it_ended(autojump_clock: MockClock) -> None:
    """The same outbox, with the same lanes, can be run again, and goes on with what is in the journal."""
    backend = FakeBackend(is_down=DOWN)
    bench = Bench(backend, settings=make_settings(retry=STEADY))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await bench.kill()
        bench.scope, bench.ended = trio.CancelScope(), trio.Event()
        backend.is_down = None
        await outboxes.start(bench.run)
        await bench.put("b")
        await bench.stop()
    assert backend.received == ["a", "b"]
