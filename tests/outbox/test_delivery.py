"""Batches reach the backend: when, in which order, how often. Times are exact: the clock is ours."""

import trio
from trio.testing import MockClock

from alloytrio.errors import RetryableExportError
from alloytrio.outbox import BatchPolicy, RetryPolicy
from tests.outbox.fakes import Bench, FakeBackend, make_settings

DOWN = RetryableExportError("UNAVAILABLE: connection refused")


async def test_a_fragment_goes_at_once_without_a_policy(autojump_clock: MockClock) -> None:
    """Without batching, a fragment is delivered as soon as it is put."""
    backend = FakeBackend()
    bench = Bench(backend)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a", "b")
        await trio.testing.wait_all_tasks_blocked()
        assert backend.batches == [["a", "b"]]
        assert backend.times == [0.0]
        await bench.stop()
    assert bench.outbox.queued_items == 0


async def test_size_and_timeout_cut_batches(autojump_clock: MockClock) -> None:
    """A batch goes when it has send_batch_size items, or timeout after its oldest."""
    backend = FakeBackend()
    bench = Bench(backend, policy=BatchPolicy("b", timeout=5, send_batch_size=3))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await trio.sleep(1)
        await bench.put("b", "c")
        await trio.sleep(1)
        await bench.put("d")
        await trio.sleep(10)
        assert backend.batches == [["a", "b", "c"], ["d"]]
        assert backend.times == [1.0, 7.0]
        await bench.stop()


async def test_retries_follow_the_policy(autojump_clock: MockClock) -> None:
    """A failing batch is sent again after intervals that grow to the longest one, until it is delivered."""
    backend = FakeBackend(answers=[DOWN, DOWN, DOWN, DOWN])
    policy = RetryPolicy(initial_interval=1, multiplier=2, randomization_factor=0, max_interval=3)
    bench = Bench(backend, settings=make_settings(retry=policy))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await trio.sleep(20)
        assert backend.times == [0.0, 1.0, 3.0, 6.0, 9.0]
        assert [batch.attempt for _, batch in backend.attempts] == [1, 2, 3, 4, 5]
        assert backend.received == ["a"]
        await bench.stop()
