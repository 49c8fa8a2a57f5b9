"""Durability against power cuts: when the journal is synced, and what a failing sync means. Threads are real here."""

import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from alloytrio.errors import QueueFullError
from alloytrio.outbox.files import DiskFile, DiskSync, run_all
from tests.outbox.fakes import Bench, FakeBackend, Faults, FaultyDirectory, make_settings, store_of


def faulty_bench(faults: Faults, **changes: object) -> Bench:
    """An outbox whose files fail on demand."""
    return Bench(FakeBackend(), store=store_of(FaultyDirectory(faults)), settings=make_settings(**changes))


def setter(event: trio.Event) -> Callable[[], Awaitable[None]]:
    """Sets an event, for ``Faults.on_sync``."""

    async def set_event() -> None:
        await trio.lowlevel.checkpoint()
        event.set()

    return set_event


async def test_always_syncs_before_it_acknowledges() -> None:
    """With ``always`` a put returns after an fsync, and puts that come together share one."""
    faults = Faults()
    bench = faulty_bench(faults, fsync="always", fsync_interval=1e6)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        assert faults.syncs >= 1
        waiting = trio.Event()
        before = faults.syncs
        async with trio.open_nursery() as senders:
            for number in range(20):
                senders.start_soon(bench.put, str(number))
            waiting.set()
        # At most one group that was written at once, and one of all others: each syncs records and marks.
        assert faults.syncs - before <= 4
        await bench.stop()


async def test_always_tells_the_sender_when_fsync_fails() -> None:
    """A put whose fsync fails is not acknowledged; the segment is not written to again; the next put works."""
    faults = Faults()
    bench = faulty_bench(faults, fsync="always", fsync_interval=1e6)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        faults.sync = [errno.EIO]
        with pytest.raises(QueueFullError, match="fsync failed: Input/output error"):
            await bench.put("b")
        assert "fsync failed" in bench.telemetry.health.current.message
        segments = [name for name in bench.store.directory.names() if name.endswith(".seg")]
        await bench.put("c")
        assert [name for name in bench.store.directory.names() if name.endswith(".seg")] != segments
        assert "fsync" not in bench.telemetry.health.current.message
        await bench.stop()
    # "b" was not acknowledged, but may be on the disk: it is sent, and its sender will send it again.
    assert sorted(bench.backend.received) == ["a", "b", "c"]


async def test_a_failure_is_told_to_all_whose_bytes_it_may_concern(mock_clock: MockClock) -> None:
    """The kernel reports a failed fsync once: a put that was written before it is told, although its own succeeds."""
    faults = Faults()
    bench = faulty_bench(faults, fsync="always", fsync_interval=1.0)
    outcome: list[str] = []

    async def put() -> None:
        try:
            await bench.put("b")
            outcome.append("accepted")
        except QueueFullError as exc:
            outcome.append(str(exc))

    async with trio.open_nursery() as outboxes:

        async def put_meanwhile() -> None:
            faults.on_sync = None
            outboxes.start_soon(put)
            await wait_all_tasks_blocked()

        await outboxes.start(bench.run)
        await bench.put("a")
        await wait_all_tasks_blocked()
        faults.on_sync, faults.sync = put_meanwhile, [errno.EIO]
        mock_clock.jump(1.0)  # the mark of "a" is synced
        while not outcome:
            await wait_all_tasks_blocked()
        assert outcome == ["outbox test: fsync failed"]
        await bench.stop()


async def test_interval_syncs_what_is_dirty(mock_clock: MockClock) -> None:
    """With ``interval`` puts do not wait; one fsync per interval follows, none if nothing was written."""
    faults = Faults()
    bench = faulty_bench(faults, fsync="interval", fsync_interval=1.0)
    synced = trio.Event()
    faults.on_sync = setter(synced)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await wait_all_tasks_blocked()
        mock_clock.jump(0.999)
        await wait_all_tasks_blocked()
        assert faults.syncs == 0
        mock_clock.jump(0.001)
        await synced.wait()
        while bench.outbox.stats().queued_items:
            await wait_all_tasks_blocked()
        await bench.stop()
    assert faults.syncs > 0


async def test_a_failing_interval_sync_is_told_and_loses_nothing(mock_clock: MockClock) -> None:
    """If an fsync fails later, health says so, the next data goes to a new segment, and everything is delivered."""
    faults = Faults()
    bench = faulty_bench(faults, fsync="interval", fsync_interval=1.0)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await wait_all_tasks_blocked()
        failed = trio.Event()
        faults.on_sync, faults.sync = setter(failed), [errno.EIO]
        mock_clock.jump(1)
        await failed.wait()
        while "fsync failed" not in bench.telemetry.health.current.message:
            await wait_all_tasks_blocked()
        await bench.put("b")
        assert len([name for name in bench.store.directory.names() if name.endswith("2.seg")]) == 1
        await bench.stop()
    assert bench.backend.received == ["a", "b"]


async def test_never_syncs() -> None:
    """With ``never`` there is no fsync, not even at the end."""
    faults = Faults()
    bench = faulty_bench(faults, fsync="never")
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await bench.stop()
    assert faults.syncs == 0


async def test_the_end_syncs() -> None:
    """What was written last is synced when the outbox ends."""
    faults = Faults()
    bench = faulty_bench(faults, fsync="interval", fsync_interval=1e6)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await bench.kill()
    assert faults.syncs > 0


def test_a_sync_works_after_its_file_is_closed(tmp_path: Path) -> None:
    """An fsync in a thread has a file descriptor of its own, which is closed once, whoever comes first."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    file = DiskFile(tmp_path / "x", os.O_CREAT)
    syncs = [file.sync(), file.sync()]
    file.close()
    run, cancelled = syncs
    assert isinstance(run, DiskSync)
    assert isinstance(cancelled, DiskSync)
    run_all([run])
    run.cancel()
    cancelled.cancel()
    cancelled.run()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
