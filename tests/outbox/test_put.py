"""Puts: room before writing, in all outboxes or in none; what a sender is told; what cannot be cancelled."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from alloytrio.errors import OversizeError, QueueFullError, RetryableExportError
from alloytrio.outbox import BatchPolicy, Fragment, Put, RetryPolicy, Storage, put_all
from alloytrio.outbox.room import Room
from tests.outbox.fakes import Bench, FakeBackend, Faults, FaultyDirectory, content, items, make_settings, store_of

DOWN = RetryableExportError("down")
STEADY = RetryPolicy(initial_interval=3, multiplier=1, randomization_factor=0, max_interval=3)
LONG = "x" * 65_536
BIG = "x" * 999
"""An item of 1 000 bytes."""


def bounded(backend: FakeBackend, max_bytes: int = 10_000, put_timeout: float = 5.0) -> Bench:
    """An outbox that is soon full."""
    return Bench(
        backend, settings=make_settings(max_bytes=max_bytes, put_timeout=put_timeout, retry_after=7.0, retry=STEADY)
    )


async def fill(bench: Bench) -> int:
    """Put items of 1 000 bytes until the next would have to wait; returns how many there are."""
    count = 0
    while True:
        used = bench.outbox.stats().used_bytes
        await bench.put(BIG)
        count += 1
        if used + 2 * (bench.outbox.stats().used_bytes - used) > bench.outbox.settings.max_bytes:
            return count


async def test_full_is_told_after_put_timeout(autojump_clock: MockClock) -> None:
    """A put without room waits for put_timeout, then its sender is told when to try again; what is stored stays."""
    bench = bounded(FakeBackend(is_down=DOWN))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        count = await fill(bench)
        began = trio.current_time()
        with pytest.raises(QueueFullError, match=r"outbox test is full \(10000 bytes\), no room within 5 s") as caught:
            await bench.put(BIG)
        assert trio.current_time() == began + 5
        assert caught.value.retry_after == 7.0
        assert bench.outbox.queued_items == count
        assert bench.outbox.stats().used_bytes <= 10_000
        assert bench.outbox.counts.refused_items == 1
        assert [(encoding, refused) for encoding, refused, _ in bench.observer.refused] == [("t/identity", 1)]
        await bench.kill()


async def test_room_comes_back_when_data_is_delivered(autojump_clock: MockClock) -> None:
    """A put that waits goes on as soon as a delivery makes room."""
    backend = FakeBackend(is_down=DOWN)
    bench = bounded(backend)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        count = await fill(bench)
        outboxes.start_soon(bench.put, "waiting" + BIG)
        await trio.sleep(1)
        assert bench.outbox.stats().puts_waiting == 1
        backend.is_down = None
        await trio.sleep(10)
        assert bench.outbox.stats().puts_waiting == 0
        await bench.stop()
    assert backend.received == [BIG] * count + ["waiting" + BIG]


async def test_the_bound_is_exact(autojump_clock: MockClock) -> None:
    """A put that fits exactly is accepted; one byte less, and it is refused."""
    never = BatchPolicy("never", timeout=1e6, send_batch_size=1000)  # so that no marks are written
    measure = Bench(FakeBackend(), policy=never)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(measure.run)
        await measure.put(BIG)
        await measure.put(BIG)
        needed = sum(len(file) for file in content(measure.store.directory).values())
        await measure.kill()
    for max_bytes, fits in ((needed, True), (needed - 1, False)):
        bench = Bench(FakeBackend(), policy=never, settings=make_settings(max_bytes=max_bytes))
        async with trio.open_nursery() as outboxes:
            await outboxes.start(bench.run)
            await bench.put(BIG)
            if fits:
                await bench.put(BIG)
            else:
                with pytest.raises(QueueFullError):
                    await bench.put(BIG)
            await bench.kill()


async def test_more_than_ever_fits_is_told_at_once(autojump_clock: MockClock) -> None:
    """A put above max_bytes is refused without waiting, by a message that says so."""
    bench = bounded(FakeBackend())
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        with pytest.raises(OversizeError, match=r"takes at most 10000 bytes, the request has 10\d\d\d"):
            await bench.put("x" * 10_000)
        assert trio.current_time() == 0
        await bench.stop()


async def test_all_or_none(autojump_clock: MockClock) -> None:
    """If one of two outboxes has no room, the other one is not written to either; then both are."""
    full, empty = bounded(FakeBackend(is_down=DOWN)), bounded(FakeBackend(is_down=DOWN))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(full.run)
        await outboxes.start(empty.run)
        count = await fill(full)
        puts = [Put(bench.lane, [Fragment(1, items(BIG), "t/identity")]) for bench in (empty, full)]
        with pytest.raises(QueueFullError):
            await put_all(puts)
        assert (empty.outbox.queued_items, full.outbox.queued_items) == (0, count)
        full.backend.is_down = None
        await trio.sleep(60)
        await put_all(puts)
        await wait_all_tasks_blocked()
        assert full.backend.received == [BIG] * (count + 1)
        assert empty.outbox.queued_items == 1
        await full.kill()
        await empty.kill()


async def test_first_come_first_served(autojump_clock: MockClock) -> None:
    """A large put that waits is not overtaken by small ones that would fit."""
    backend = FakeBackend(is_down=DOWN)
    bench = bounded(backend)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await fill(bench)
        outboxes.start_soon(bench.put, "large" + "x" * 3_000)
        await wait_all_tasks_blocked()
        outboxes.start_soon(bench.put, "small")
        await wait_all_tasks_blocked()
        assert bench.outbox.stats().puts_waiting == 2
        backend.is_down = None
        await trio.sleep(30)
        await bench.stop()
    assert [name.rstrip("x") for name in backend.received[-2:]] == ["large", "small"]


async def test_a_waiting_put_that_is_cancelled_takes_nothing(autojump_clock: MockClock) -> None:
    """Cancelling a put that waits for room leaves no trace, and the next in the queue gets its turn."""
    backend = FakeBackend(is_down=DOWN)
    bench = bounded(backend)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        count = await fill(bench)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as waiting:
                waiting.start_soon(bench.put, "cancelled" + BIG)
                await wait_all_tasks_blocked()
                outboxes.start_soon(bench.put, "next")
                await wait_all_tasks_blocked()
                scope.cancel()
        backend.is_down = None
        await trio.sleep(30)
        await bench.stop()
    assert backend.received == [BIG] * count + ["next"]


async def test_who_leaves_the_queue_lets_the_next_one_try(autojump_clock: MockClock) -> None:
    """When a large put that waits first is cancelled, a small one behind it, which fits, goes on at once."""
    bench = bounded(FakeBackend(is_down=DOWN))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await fill(bench)
        with trio.move_on_after(1):
            async with trio.open_nursery() as waiting:
                waiting.start_soon(bench.put, "large" + BIG)
                await wait_all_tasks_blocked()
                outboxes.start_soon(bench.put, "small")
                await wait_all_tasks_blocked()
                assert bench.outbox.stats().puts_waiting == 2
        await wait_all_tasks_blocked()
        assert bench.outbox.stats().puts_waiting == 0
        assert trio.current_time() == 1
        await bench.kill()


async def test_a_queued_put_cannot_be_cancelled(autojump_clock: MockClock) -> None:
    """Once it is queued for the writer a put is written, although its sender is gone."""
    backend = FakeBackend()
    bench = Bench(backend)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        with trio.CancelScope() as scope:
            scope.cancel()
            await bench.put("a")
        assert scope.cancelled_caught
        assert bench.outbox.counts.accepted_items == 1
        await bench.stop()
    assert backend.received == ["a"]


async def test_nothing_to_put(autojump_clock: MockClock) -> None:
    """Puts without fragments, or with empty ones, are acknowledged without a write."""
    bench = Bench(FakeBackend())
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await put_all([])
        await put_all([Put(bench.lane, []), Put(bench.lane, [Fragment(0, b"", "t/gzip")])])
        assert bench.store.directory.names() == []
        await bench.stop()


async def test_positions_alone(autojump_clock: MockClock) -> None:
    """A fragment without payload keeps its positions and is delivered to nobody."""
    bench = Bench(backend := FakeBackend())
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await put_all([Put(bench.lane, [Fragment(0, b"", "t/gzip", {b"log": b"7"})])])
        assert bench.outbox.positions == {b"log": b"7"}
        assert bench.outbox.queued_items == 0
        await bench.kill()
        again = Bench(backend, store=bench.store)
        await outboxes.start(again.run)
        assert again.outbox.positions == {b"log": b"7"}
        await again.stop()
    assert backend.attempts == []


@pytest.mark.parametrize("when", ["before", "stopping", "after"])
async def test_puts_need_a_running_outbox(autojump_clock: MockClock, when: str) -> None:
    """Before it runs, while it stops and afterwards an outbox tells senders to try again later."""
    bench = Bench(FakeBackend(latency=4))
    async with trio.open_nursery() as outboxes:
        if when != "before":
            await outboxes.start(bench.run)
            await bench.put("a")
            await wait_all_tasks_blocked()
            bench.stopping.set()
            await wait_all_tasks_blocked()
        if when == "after":
            await bench.ended.wait()
        with pytest.raises(QueueFullError, match="outbox test is not running") as caught:
            await bench.put("b")
        assert caught.value.retry_after == 5.0
    assert bench.backend.received == ([] if when == "before" else ["a"])


async def test_stopping_answers_those_who_wait_for_room(autojump_clock: MockClock) -> None:
    """A put that waits for room when the outbox stops is refused at once."""
    bench = bounded(FakeBackend(is_down=DOWN))
    refused: list[float] = []

    async def put() -> None:
        with pytest.raises(QueueFullError, match="not running"):
            await bench.put(BIG)
        refused.append(trio.current_time())

    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await fill(bench)
        outboxes.start_soon(put)
        outboxes.start_soon(put)
        await trio.sleep(1)
        bench.stopping.set()
        await trio.sleep(1)
        assert refused == [1.0, 1.0]
        await bench.kill()


async def test_a_full_disk_is_retryable_and_loses_nothing(autojump_clock: MockClock) -> None:
    """When the disk is full senders are told to try again and health says why; with room again all goes on."""
    faults = Faults()
    backend = FakeBackend(is_down=DOWN)
    bench = Bench(backend, store=store_of(FaultyDirectory(faults)))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        faults.room = 30
        with pytest.raises(QueueFullError, match="cannot write to the journal: No space left on device"):
            await bench.put("b")
        assert "No space left on device" in bench.telemetry.health.current.message
        assert bench.outbox.stats().write_error == "cannot write to the journal: No space left on device"
        assert bench.outbox.queued_items == 1
        faults.room = None
        await bench.put("c")
        assert bench.outbox.stats().write_error == ""
        assert "No space left" not in bench.telemetry.health.current.message
        backend.is_down = None
        await trio.sleep(60)
        await bench.stop()
    assert backend.received == ["a", "c"]


async def test_one_write_for_all_that_waits(autojump_clock: MockClock) -> None:
    """Puts that come together are written together."""
    appends: list[int] = []
    bench = Bench(FakeBackend(), store=store_of(directory := FaultyDirectory(Faults())))
    create = directory.create

    def counting_create(name: str) -> object:
        file = create(name)
        append = file.append

        def counting_append(buffers: list[bytes]) -> None:
            appends.append(len(buffers))
            append(buffers)

        file.append = counting_append  # type: ignore[method-assign, assignment]
        return file

    directory.create = counting_create  # type: ignore[method-assign, assignment]
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("first")
        appends.clear()
        async with trio.open_nursery() as senders:
            for number in range(20):
                senders.start_soon(bench.put, str(number))
        assert 40 in appends  # a head and a payload each
        await bench.stop()


async def test_others_run_while_much_is_packed(autojump_clock: MockClock) -> None:
    """A request of many megabytes does not hold the event loop up: others run between its fragments."""
    bench = Bench(FakeBackend(latency=1000))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        fragments = [Fragment(1, bytes(1 << 20), "t/gzip") for _ in range(8)]
        await wait_all_tasks_blocked()
        outboxes.start_soon(count_turns)
        await put_all([Put(bench.lane, fragments)])
        assert turns >= 8
        outboxes.cancel_scope.cancel()


async def test_waiting_for_one_outbox_after_another(autojump_clock: MockClock) -> None:
    """A put for two full outboxes is written when both have room, whichever comes first."""
    first, second = (bounded(FakeBackend(is_down=DOWN), put_timeout=60) for _ in range(2))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(first.run)
        await outboxes.start(second.run)
        await fill(first)
        await fill(second)
        puts = [Put(bench.lane, [Fragment(1, items("both" + BIG), "t/identity")]) for bench in (first, second)]
        outboxes.start_soon(put_all, puts)
        await wait_all_tasks_blocked()
        first.backend.is_down = None
        await trio.sleep(3.5)
        assert (first.outbox.stats().puts_waiting, second.outbox.stats().puts_waiting) == (0, 1)
        second.backend.is_down = None
        await trio.sleep(3.5)
        for bench in (first, second):
            await bench.stop()
            assert bench.backend.received[-1] == "both" + BIG


@pytest.mark.parametrize(("name", "encoding"), [(LONG, "t/gzip"), ("x", LONG + "/gzip"), ("x", "t/lzma")])
async def test_names_that_no_record_holds(autojump_clock: MockClock, name: str, encoding: str) -> None:
    """A policy or an encoding whose name is too long, or that names no codec, is a mistake of the caller."""
    bench = Bench(FakeBackend())
    with pytest.raises(ValueError, match=r"too long|no codec"):
        await put_all([Put(bench.outbox.lane(BatchPolicy(name)), [Fragment(1, b"x", encoding)])])


def test_room_is_exact() -> None:
    """Reserved and used bytes together are never above the limit, and may be just at it."""
    room = Room(10, lambda: 4)
    assert room.reserve(6)
    assert not room.reserve(1)
    room.release(6)
    assert not room.reserve(7)


async def test_memory_storage_needs_no_disk(autojump_clock: MockClock) -> None:
    """In memory mode puts and deliveries work, and a reload finds what the outbox before left."""
    storage = Storage.memory()
    first = Bench(FakeBackend(is_down=DOWN), store=storage.open("x"))
    second = Bench(backend := FakeBackend(), store=storage.open("x"))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(first.run)
        await first.put("a")
        await first.kill()
        assert storage.undelivered_items() == 1
        await outboxes.start(second.run)
        await second.stop()
    assert backend.received == ["a"]
    assert storage.undelivered_items() == 0
    assert not storage.is_durable
