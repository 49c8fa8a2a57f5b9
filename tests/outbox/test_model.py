"""The whole outbox against what must hold for it, over histories that hypothesis makes up."""

from dataclasses import dataclass, field

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from alloytrio.errors import QueueFullError, RetryableExportError
from alloytrio.outbox import BatchPolicy, RetryPolicy, Store
from tests.outbox.fakes import Bench, FakeBackend, Faults, FaultyDirectory, make_settings, store_of

DOWN = RetryableExportError("down")
ENCODINGS = ["t/identity", "t/gzip", "u/snappy"]


@dataclass
class History:
    """What happened so far.

    Args:
        policy: of the lane.
        memory_bytes: of the outbox.
        senders: of the outbox; with 1, order is checked as well.
    """

    policy: BatchPolicy
    memory_bytes: int
    senders: int
    backend: FakeBackend = field(default_factory=lambda: FakeBackend(latency=0.1))
    faults: Faults = field(default_factory=Faults)
    accepted: list[tuple[str, str]] = field(default_factory=list)
    number: int = 0

    def bench(self, store: Store) -> Bench:
        """The outbox as the next process would make it."""
        made = make_settings(
            senders=self.senders,
            memory_bytes=self.memory_bytes,
            segment_bytes=64 * 1024,
            max_bytes=2 << 20,
            batch_max_bytes=50_000,
            put_timeout=0,
            retry=RetryPolicy(initial_interval=1, multiplier=1, max_interval=1),
        )
        return Bench(self.backend, store=store, policy=self.policy, settings=made)

    async def put(self, bench: Bench, encoding: int, count: int, size: int) -> None:
        """Put some fragments, one after the other."""
        for _ in range(count):
            name = f"{self.number:06}" + "x" * size
            self.number += 1
            try:
                await bench.put(name, encoding=ENCODINGS[encoding], positions={b"last": name[:6].encode()})
            except QueueFullError:
                self.faults.room = None
                continue
            self.accepted.append((ENCODINGS[encoding], name))


put_steps = st.tuples(st.just("put"), st.integers(0, 2), st.integers(1, 20), st.sampled_from([0, 50, 3_000, 20_000]))
other_steps = st.tuples(
    st.sampled_from(["down", "up", "sleep", "kill", "restart", "full"]), st.integers(0, 3), st.just(0), st.just(0)
)


async def live(history: History, steps: list[tuple[str, int, int, int]]) -> Bench:
    """Go through a history, then deliver all that is left."""
    store = store_of(FaultyDirectory(history.faults))
    async with trio.open_nursery() as outboxes:
        bench = history.bench(store)
        await outboxes.start(bench.run)
        for step, first, count, size in steps:
            match step:
                case "put":
                    await history.put(bench, first, count, size)
                case "down":
                    history.backend.is_down = DOWN
                case "up":
                    history.backend.is_down = None
                case "sleep":
                    await trio.sleep(first)
                case "full":
                    history.faults.room = first * 1_000
                case "kill" | "restart":
                    history.faults.room = None
                    if step == "restart":
                        bench.stopping.set()
                        await trio.sleep(0.5)
                    await bench.kill()
                    bench = history.bench(store)
                    await outboxes.start(bench.run)
        history.backend.is_down, history.faults.room = None, None
        await bench.stop()
    assert bench.outbox.stats().memory_bytes == 0
    return bench


@settings(max_examples=100, deadline=None)
@given(
    policy=st.sampled_from([BatchPolicy(), BatchPolicy("b", 1, 5, 7), BatchPolicy("b", 2, 1)]),
    memory_bytes=st.sampled_from([0, 5_000, 10_000_000]),
    senders=st.integers(1, 3),
    steps=st.lists(put_steps | other_steps, max_size=25),
)
def test_any_history(
    policy: BatchPolicy, memory_bytes: int, senders: int, steps: list[tuple[str, int, int, int]]
) -> None:
    """All that was accepted is delivered; twice only if its outcome was unknown; with one sender in order."""
    history = History(policy, memory_bytes, senders)
    bench = trio.run(live, history, steps, clock=MockClock(autojump_threshold=0))
    assert bench.outbox.queued_items == 0
    seen: set[str] = set()
    for batch in history.backend.taken:
        assert batch.items == len(history.backend.names_of(batch))
        assert batch.plain_bytes <= 50_000
        assert batch.items <= (policy.send_batch_max_size or batch.items)
        repeated = seen.intersection(history.backend.names_of(batch))
        assert batch.unknown_outcome or not repeated
        seen.update(history.backend.names_of(batch))
    assert {name for _, name in history.accepted} <= seen
    last = max((name[:6] for _, name in history.accepted), default="")
    assert bench.outbox.positions.get(b"last", b"") >= last.encode()
    if senders == 1:
        for encoding in ENCODINGS:
            first_seen = dict.fromkeys(
                name
                for batch in history.backend.taken
                if batch.encoding == encoding
                for name in history.backend.names_of(batch)
            )
            assert list(first_seen) == sorted(first_seen)
