"""Batches reach the backend: when, in which order, how often. Times are exact: the clock is ours."""

from collections.abc import Sequence
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from alloytrio.errors import PermanentExportError, RetryableExportError
from alloytrio.outbox import BatchPolicy, RetryPolicy
from alloytrio.outbox.rejected import REJECTED_FOLDER, parse_rejected
from alloytrio.telemetry import HealthState
from tests.outbox.fakes import START_NS, Bench, FakeBackend, content, make_settings

DOWN = RetryableExportError("UNAVAILABLE: connection refused")
BAD = PermanentExportError("INVALID_ARGUMENT: bad span")
STEADY = RetryPolicy(initial_interval=1, multiplier=1, randomization_factor=0, max_interval=1)


async def test_a_fragment_goes_at_once_without_a_policy(autojump_clock: MockClock) -> None:
    """Without batching, a fragment is delivered as soon as it is put."""
    backend = FakeBackend()
    bench = Bench(backend)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a", "b")
        await wait_all_tasks_blocked()
        assert backend.batches == [["a", "b"]]
        assert backend.times == [0.0]
        await bench.stop()
    assert bench.outbox.queued_items == 0


async def test_what_gathers_while_the_sender_is_busy_goes_together(autojump_clock: MockClock) -> None:
    """Without batching, fragments that had to wait for a sender share the next request."""
    backend = FakeBackend(latency=1)
    bench = Bench(backend)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for name in ("a", "b", "c"):
            await bench.put(name)
        await bench.stop()
    assert backend.batches == [["a"], ["b", "c"]]


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


async def test_encodings_and_lanes_never_mix(autojump_clock: MockClock) -> None:
    """A batch holds fragments of one encoding and one lane, each lane cut by its own policy."""
    backend = FakeBackend()
    bench = Bench(backend, policy=BatchPolicy("slow", timeout=5, send_batch_size=10))
    slow = bench.lane
    quick = bench.outbox.lane(BatchPolicy("quick", timeout=1, send_batch_size=10))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number, (lane, encoding) in enumerate(
            [(slow, "t/gzip"), (quick, "t/gzip"), (slow, "t/snappy"), (slow, "t/gzip"), (quick, "t/gzip")]
        ):
            bench.lane = lane
            await bench.put(str(number), encoding=encoding)
        await trio.sleep(10)
        sent = [(time, batch.encoding, backend.names_of(batch)) for time, batch in backend.attempts]
        assert sorted(sent) == [(1.0, "t/gzip", ["1", "4"]), (5.0, "t/gzip", ["0", "3"]), (5.0, "t/snappy", ["2"])]
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
        assert [batch.unknown_outcome for _, batch in backend.attempts] == [False] * 5
        assert backend.received == ["a"]
        await bench.stop()


async def test_the_backends_wish_holds_for_the_whole_encoding(autojump_clock: MockClock) -> None:
    """After RetryInfo no batch of that encoding is sent before its time; other encodings go on."""
    backend = FakeBackend(answers=[RetryableExportError("RESOURCE_EXHAUSTED: slow down", retry_after=30)])
    bench = Bench(backend, settings=make_settings(senders=4, retry=STEADY))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await wait_all_tasks_blocked()
        await bench.put("b")
        await bench.put("other", encoding="u/identity")
        await trio.sleep(40)
        assert sorted((time, backend.names_of(batch)) for time, batch in backend.attempts) == [
            (0.0, ["a"]),
            (0.0, ["other"]),
            (30.0, ["a"]),
            (30.0, ["b"]),
        ]
        await bench.stop()


async def test_no_answer_is_an_unknown_outcome(autojump_clock: MockClock) -> None:
    """An attempt that takes longer than its timeout is ended and repeated, and says that it may be a repetition."""
    backend = FakeBackend(latency=10)
    bench = Bench(backend, settings=make_settings(attempt_timeout=5, retry=STEADY))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await trio.sleep(5.5)
        backend.latency = 0
        await trio.sleep(5)
        assert [(time, batch.attempt, batch.unknown_outcome) for time, batch in backend.attempts] == [
            (0.0, 1, False),
            (6.0, 2, True),
        ]
        assert bench.observer.failed == ["no answer within 5 s"]
        await bench.stop()


async def test_no_attempt_timeout(autojump_clock: MockClock) -> None:
    """With a timeout of 0 an attempt may take as long as it likes."""
    backend = FakeBackend(latency=1000)
    bench = Bench(backend, settings=make_settings(attempt_timeout=0))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await trio.sleep(1001)
        assert backend.received == ["a"]
        await bench.stop()


@pytest.mark.parametrize("senders", [1, 3])
async def test_never_more_requests_than_senders(autojump_clock: MockClock, senders: int) -> None:
    """At most N requests are under way, and N if there is enough to send."""
    backend = FakeBackend(latency=1)
    bench = Bench(backend, policy=BatchPolicy("b", 5, 1), settings=make_settings(senders=senders))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number in range(12):
            await bench.put(str(number))
        await bench.stop()
        assert trio.current_time() == 12 / senders
    assert backend.most_in_flight == senders
    assert sorted(backend.received, key=int) == [str(number) for number in range(12)]


async def test_in_order(autojump_clock: MockClock) -> None:
    """With ``in_order`` a failing batch holds the later ones of its encoding up, and no other encoding."""
    backend = FakeBackend(latency=1, answers=[DOWN])
    bench = Bench(
        backend, policy=BatchPolicy("b", 5, 1), settings=make_settings(senders=4, in_order=True, retry=STEADY)
    )
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number in range(5):
            await bench.put(str(number))
        await trio.sleep(0.5)
        await bench.put("other", encoding="u/identity")
        await bench.stop()
    assert [name for name in backend.received if name != "other"] == ["0", "1", "2", "3", "4"]
    assert backend.received[0] == "other"


async def test_what_waits_holds_no_sender(autojump_clock: MockClock) -> None:
    """An encoding whose batches all fail does not keep another from being sent, even with one sender."""
    refused = PermanentExportError("UNIMPLEMENTED: unknown service", whole=True)
    backend = FakeBackend(poison={"metrics": refused})
    bench = Bench(backend, policy=BatchPolicy("b", 5, 1), settings=make_settings())
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for number in range(3):
            await bench.put("metrics", encoding="metrics/identity")
            await bench.put(str(number), encoding="traces/identity")
        await trio.sleep(1)
        assert backend.received == ["0", "1", "2"]
        bench.scope.cancel()


def cost_of(poison: Sequence[int], total: int) -> int:
    """Requests that halving needs: each poisoned item is found in at most two per level, and the good rest beside."""
    return 2 * len(poison) * total.bit_length() + 1


@pytest.mark.parametrize("poison", [[0], [5], [15], [3, 4], [0, 15], list(range(16))])
@pytest.mark.parametrize("per_fragment", [1, 4, 16])
async def test_poison_is_cut_out(autojump_clock: MockClock, poison: list[int], per_fragment: int) -> None:
    """What the backend refuses for good is set aside alone, with its words; everything else is delivered in order."""
    backend = FakeBackend(poison={str(number): PermanentExportError(f"bad item {number}") for number in poison})
    bench = Bench(backend, policy=BatchPolicy("b", 5, 16))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for first in range(0, 16, per_fragment):
            await bench.put(*(str(number) for number in range(first, first + per_fragment)), encoding="t/gzip")
        await bench.stop()
    assert backend.received == [str(number) for number in range(16) if number not in poison]
    assert bench.observer.rejected == [("t/gzip", 1, f"bad item {number}") for number in poison]
    assert len(backend.attempts) <= cost_of(poison, 16)
    kept = [parse_rejected(file) for file in content(bench.store.directory.folder(REJECTED_FOLDER)).values()]
    assert [payload for _, payload in kept] == [f"{number};".encode() for number in poison]
    assert [header["reason"] for header, _ in kept] == [f"bad item {number}" for number in poison]
    assert bench.outbox.queued_items == 0
    refusals = [line for line in bench.log.lines if "refuses items for good" in line]
    assert len(refusals) == 1


async def test_failures_while_cutting_are_retried(autojump_clock: MockClock) -> None:
    """A half that fails for a passing reason is sent again; the other half is not sent twice."""
    backend = FakeBackend(answers=[BAD, DOWN, None, None])
    bench = Bench(backend, policy=BatchPolicy("b", 5, 2), settings=make_settings(retry=STEADY))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await bench.put("b")
        await bench.stop()
    assert [(time, backend.names_of(batch), batch.attempt) for time, batch in backend.attempts] == [
        (0.0, ["a", "b"], 1),
        (0.0, ["a"], 1),
        (1.0, ["a"], 2),
        (1.0, ["b"], 1),
    ]


async def test_too_large_is_halved_not_set_aside(autojump_clock: MockClock) -> None:
    """A batch above the backend's limit goes in parts; nothing is set aside as long as it can be cut."""
    backend = FakeBackend(answers=[PermanentExportError("message too large")])
    bench = Bench(backend)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a", "b", "c", "d")
        await bench.stop()
    assert backend.batches == [["a", "b"], ["c", "d"]]
    assert bench.observer.rejected == []


async def test_refused_as_a_whole_is_kept_and_tried_slowly(autojump_clock: MockClock) -> None:
    """Bad credentials are no reason to cut or to set aside: the batch is sent again once per max_interval."""
    denied = PermanentExportError("UNAUTHENTICATED: no token", whole=True)
    backend = FakeBackend(answers=[denied] * 3)
    policy = RetryPolicy(initial_interval=1, max_interval=30, randomization_factor=0, max_elapsed_time=10)
    bench = Bench(backend, settings=make_settings(retry=policy))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a", "b")
        await trio.sleep(100)
        assert backend.times == [0.0, 30.0, 60.0, 90.0]
        assert backend.batches == [["a", "b"]]
        await bench.stop()


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        (RetryPolicy(enabled=False), 1),
        (RetryPolicy(initial_interval=2, multiplier=1, randomization_factor=0, max_interval=2, max_elapsed_time=6), 4),
    ],
)
async def test_the_users_limit_for_retries(autojump_clock: MockClock, policy: RetryPolicy, attempts: int) -> None:
    """With a limit, a batch is given up after it: counted, kept with the rejected ones, and its room is free."""
    backend = FakeBackend(is_down=DOWN)
    bench = Bench(backend, settings=make_settings(retry=policy))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a", "b")
        await trio.sleep(30)
        assert len(backend.attempts) == attempts
        assert bench.observer.dropped == [("t/identity", 2, "retries exhausted")]
        assert bench.outbox.queued_items == 0
        await bench.stop()
    kept = [parse_rejected(file) for file in content(bench.store.directory.folder(REJECTED_FOLDER)).values()]
    assert [payload for _, payload in kept] == [b"a;b;"]


async def test_old_fragments_are_dropped(autojump_clock: MockClock) -> None:
    """What is older than max_age is dropped and counted: batches being retried at their next time, others at once."""
    backend = FakeBackend(is_down=DOWN)
    bench = Bench(
        backend, policy=BatchPolicy("b", 5, 1), settings=make_settings(max_age=60, retry=STEADY, in_order=True)
    )
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("a")
        await trio.sleep(10)
        await bench.put("b")
        await trio.sleep(49)
        assert bench.observer.dropped == []
        await trio.sleep(3)
        assert bench.observer.dropped == [("t/identity", 1, "max_age")]
        await trio.sleep(10)
        assert bench.observer.dropped == [("t/identity", 1, "max_age")] * 2
        assert bench.outbox.queued_items == 0
        await bench.put("c")
        backend.is_down = None
        await bench.stop()
    assert backend.received == ["c"]


async def test_age_is_counted_over_restarts_and_not_by_a_clock_that_jumps(autojump_clock: MockClock) -> None:
    """Age is wall-clock time between processes, and steady time within one."""
    backend = FakeBackend(is_down=DOWN)
    first = Bench(backend, settings=make_settings(max_age=60, retry=STEADY))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(first.run)
        await first.put("a")
        await first.kill()
        for passed, dropped in ((59, 0), (61, 1)):
            bench = Bench(
                backend,
                store=first.store,
                settings=make_settings(max_age=60, retry=STEADY),
                wall_ns=partial(int, START_NS + passed * 1_000_000_000),
            )
            await outboxes.start(bench.run)
            await wait_all_tasks_blocked()
            assert len(bench.observer.dropped) == dropped
            await bench.kill()


async def test_health_follows_delivery(autojump_clock: MockClock) -> None:
    """A component is unhealthy, with the backend's words, from a failure until its batch is delivered."""
    backend = FakeBackend(answers=[DOWN, DOWN])
    bench = Bench(backend, settings=make_settings(retry=STEADY))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        assert bench.telemetry.health.current.state is HealthState.HEALTHY
        await bench.put("a")
        await wait_all_tasks_blocked()
        health = bench.telemetry.health.current
        assert health.state is HealthState.UNHEALTHY
        assert "connection refused" in health.message
        await trio.sleep(5)
        assert bench.telemetry.health.current.state is HealthState.HEALTHY
        await bench.stop()
    changes = [line for line in bench.log.lines if "component is" in line]
    assert len(changes) == 3


async def test_another_success_does_not_hide_a_failure(autojump_clock: MockClock) -> None:
    """While one encoding is refused, deliveries of another do not make the component healthy."""
    refused = PermanentExportError("UNIMPLEMENTED: unknown service", whole=True)
    backend = FakeBackend(poison={"metrics": refused})
    bench = Bench(backend)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        await bench.put("metrics", encoding="metrics/identity")
        await wait_all_tasks_blocked()
        await bench.put("span", encoding="traces/identity")
        await wait_all_tasks_blocked()
        assert backend.received == ["span"]
        assert bench.telemetry.health.current.state is HealthState.UNHEALTHY
        await bench.kill()


async def test_a_bug_in_deliver_goes_through(autojump_clock: MockClock) -> None:
    """An exception that is no ExportError ends the outbox; its data is still there for the next run."""

    class BuggyBackend(FakeBackend):
        async def deliver(self, batch: object) -> None:
            raise ZeroDivisionError

    bench = Bench(BuggyBackend())
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError), flatten_subgroups=True):
        async with trio.open_nursery() as outboxes:
            await outboxes.start(bench.run)
            await bench.put("a")
            await trio.sleep_forever()
    again = Bench(backend := FakeBackend(), store=bench.store)
    async with trio.open_nursery() as outboxes:
        await outboxes.start(again.run)
        await again.stop()
    assert backend.received == ["a"]
