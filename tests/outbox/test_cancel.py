"""Cancellation at every step of an outbox under load, and of those who put."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from alloytrio.errors import PermanentExportError, QueueFullError, RetryableExportError
from alloytrio.outbox import BatchPolicy, RetryPolicy
from alloytrio.outbox.rejected import REJECTED_FOLDER, parse_rejected
from tests.outbox.fakes import (
    Bench,
    FakeBackend,
    content,
    make_settings,
    names,
)

DOWN = RetryableExportError("down")
STEADY = RetryPolicy(initial_interval=1, multiplier=1, randomization_factor=0, max_interval=1)


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope when a number of task steps were made."""

    def __init__(self, step: int, cancel: Callable[[], None]) -> None:
        self.left = step
        self._cancel = cancel

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        self.left -= 1
        if self.left == 0:
            self._cancel()


async def put_many(bench: Bench, acknowledged: list[str]) -> None:
    """Put items one by one, from two tasks; note those that are acknowledged."""

    async def put_some(prefix: str) -> None:
        for number in range(4):
            name = f"{prefix}{number}"
            try:
                await bench.put(name, positions={prefix.encode(): str(number).encode()})
            except QueueFullError:
                continue
            acknowledged.append(name)

    async with trio.open_nursery() as senders:
        senders.start_soon(put_some, "a")
        senders.start_soon(put_some, "b")


async def cancelled_at(step: int, *, senders_too: bool) -> bool:
    """Run an outbox under load, cancel at a step, check that nothing acknowledged is lost. False: it ended before."""
    backend = FakeBackend(
        answers=[DOWN, None, PermanentExportError("bad"), RetryableExportError("?", unknown_outcome=True)],
        poison={"a2": PermanentExportError("poison")},
        latency=0.5,
    )
    settings = make_settings(senders=2, retry=STEADY, memory_bytes=900, segment_bytes=1)
    bench = Bench(backend, policy=BatchPolicy("b", 1, 3), settings=settings)
    acknowledged: list[str] = []
    load = trio.CancelScope()

    def cancel() -> None:
        bench.scope.cancel()
        if senders_too:
            load.cancel()

    instrument = CancelAtStep(step, cancel)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        trio.lowlevel.add_instrument(instrument)
        with load:
            await put_many(bench, acknowledged)
        with trio.move_on_after(20):
            await bench.stop()
        trio.lowlevel.remove_instrument(instrument)
        await bench.kill()
        positions = dict(bench.outbox.positions)
        again = Bench(backend, store=bench.store, policy=BatchPolicy("b", 1, 3))
        await outboxes.start(again.run)
        assert dict(again.outbox.positions) == positions
        await again.stop()
        assert again.outbox.queued_items == 0
    kept = [parse_rejected(file) for file in content(bench.store.directory.folder(REJECTED_FOLDER)).values()]
    assert set(acknowledged) <= set(backend.received).union(*(names(payload) for _, payload in kept))
    for prefix in "ab":
        last = max((int(name[1]) for name in acknowledged if name[0] == prefix), default=-1)
        assert int(positions.get(prefix.encode(), b"-1")) >= last
    return instrument.left <= 0


@pytest.mark.parametrize("senders_too", [False, True])
def test_cancelled_at_every_step(senders_too: bool) -> None:
    """Wherever the outbox (and those who put) are cancelled: all that was acknowledged is delivered by the next run."""
    step = 1
    while trio.run(cancelled_at_keyword, step, senders_too, clock=MockClock(autojump_threshold=0)):
        step += 1
    assert step > 30


async def cancelled_at_keyword(step: int, senders_too: bool) -> bool:
    """``trio.run`` takes no keywords."""
    return await cancelled_at(step, senders_too=senders_too)
