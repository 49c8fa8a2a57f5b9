"""Puts that were not stored are undone, once each, so that what remembers them takes their repetition; others never."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from alloytrio.errors import QueueFullError, RetryableExportError
from alloytrio.outbox import Fragment, Put, put_all
from alloytrio.outbox.put import LONG_WORK_BYTES
from tests.outbox.fakes import Bench, FakeBackend, Faults, FaultyDirectory, items, make_settings, store_of

DOWN = RetryableExportError("down")


class Memory:
    """Counts what was undone."""

    def __init__(self) -> None:
        self.undone = 0

    def put(self, bench: Bench, *names: str) -> Put:
        """A put of one fragment for each name."""
        return Put(bench.lane, [Fragment(1, items(name), "t/identity") for name in names], self.undo)

    def undo(self) -> None:
        """Called by the put."""
        self.undone += 1


async def test_what_is_stored_is_not_undone(autojump_clock: MockClock) -> None:
    """A put that is in the journal stays, and one without fragments too."""
    bench, memory = Bench(FakeBackend()), Memory()
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await put_all([memory.put(bench, "a")])
        await put_all([memory.put(bench)])
        await bench.stop()
    assert memory.undone == 0


async def test_no_room_undoes_all(autojump_clock: MockClock) -> None:
    """If one of two outboxes has no room, both puts are undone: neither was written."""
    large = Bench(FakeBackend(is_down=DOWN))
    small = Bench(FakeBackend(is_down=DOWN), settings=make_settings(max_bytes=3_000, put_timeout=5))
    first, second = Memory(), Memory()
    async with trio.open_nursery() as outboxes:
        await outboxes.start(large.run)
        await outboxes.start(small.run)
        await small.put("x" * 2_000)
        with pytest.raises(QueueFullError):
            await put_all([first.put(large, "y" * 2_000), second.put(small, "y" * 2_000)])
        assert (first.undone, second.undone) == (1, 1)
        assert large.outbox.queued_items == 0
        await large.kill()
        await small.kill()


async def test_a_full_disk_undoes_what_was_for_it(autojump_clock: MockClock) -> None:
    """Of two outboxes one cannot write: only its put is undone."""
    faults = Faults()
    good = Bench(FakeBackend(is_down=DOWN))
    bad = Bench(FakeBackend(is_down=DOWN), store=store_of(FaultyDirectory(faults)))
    first, second = Memory(), Memory()
    async with trio.open_nursery() as outboxes:
        await outboxes.start(good.run)
        await outboxes.start(bad.run)
        await bad.put("a")
        faults.room = 10
        with pytest.raises(QueueFullError):
            await put_all([first.put(good, "b"), second.put(bad, "b")])
        assert (first.undone, second.undone) == (0, 1)
        assert good.outbox.queued_items == 1
        await good.kill()
        await bad.kill()


async def test_a_sender_that_goes_while_it_waits_for_room(autojump_clock: MockClock) -> None:
    """A put that is cancelled while it waits is undone: its sender, or another one, may come again."""
    bench = Bench(FakeBackend(is_down=DOWN), settings=make_settings(max_bytes=3_000, put_timeout=5))
    memory = Memory()
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("x" * 2_000)
        with trio.move_on_after(1) as scope:
            await put_all([memory.put(bench, "y" * 2_000)])
        assert scope.cancelled_caught
        assert memory.undone == 1
        await bench.kill()


async def test_a_sender_that_goes_while_much_is_packed(autojump_clock: MockClock) -> None:
    """A large put that is cancelled before it asked for room is undone."""
    bench, memory = Bench(FakeBackend()), Memory()
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        with trio.CancelScope() as scope:
            scope.cancel()
            await put_all([memory.put(bench, "x" * LONG_WORK_BYTES, "y")])
        assert scope.cancelled_caught
        assert memory.undone == 1
        assert bench.outbox.counts.accepted_items == 0
        await bench.stop()


@pytest.mark.parametrize("is_full", [False, True])
async def test_a_sender_that_goes_while_it_is_written(autojump_clock: MockClock, is_full: bool) -> None:
    """A queued put is written although its sender is gone; it is undone only if the disk did not take it."""
    faults = Faults()
    bench = Bench(FakeBackend(is_down=DOWN), store=store_of(FaultyDirectory(faults)))
    memory = Memory()
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await wait_all_tasks_blocked()
        if is_full:
            faults.room = 10
        with trio.CancelScope() as scope:
            scope.cancel()
            await put_all([memory.put(bench, "b")])
        assert scope.cancelled_caught
        assert memory.undone == is_full
        assert bench.outbox.queued_items == (1 if is_full else 2)
        await bench.kill()
