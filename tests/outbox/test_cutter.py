"""The cutter: which fragments make a batch, and when. No clock but ours."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.outbox import BatchPolicy
from alloytrio.outbox.codec import Part
from alloytrio.outbox.cutter import Cutter
from alloytrio.outbox.entry import Entry
from alloytrio.outbox.files import MemoryDirectory
from alloytrio.outbox.segment import Segment

SEGMENT = Segment(MemoryDirectory(), 1)
BIG = 1 << 30


def entry(items: int, size: int = 1, *, at: float = 0.0, unknown: bool = False, index: int = 0) -> Entry:
    """An entry that arrived at a time."""
    return Entry(SEGMENT, index, size, items, Part(b"", size), int(at * 1e9), at, unknown)


def sizes(batches: list[list[Entry]]) -> list[list[int]]:
    """Items of each entry of each batch."""
    return [[one.items for one in batch] for batch in batches]


def take_all(cutter: Cutter, now: float, *, flush: bool = False) -> list[list[Entry]]:
    """All batches that are due."""
    batches = []
    while (batch := cutter.take(now, flush=flush)) is not None:
        batches.append(batch)
    return batches


@pytest.mark.parametrize(
    ("policy", "given_items", "due_now", "left"),
    [
        (BatchPolicy("p", 5, 10), [3, 3, 3], [], [[3, 3, 3]]),
        (BatchPolicy("p", 5, 10), [3, 3, 4], [[3, 3, 4]], []),
        (BatchPolicy("p", 5, 10), [3, 3, 5, 1], [[3, 3, 5]], [[1]]),
        (BatchPolicy("p", 5, 10), [25, 2], [[25]], [[2]]),
        (BatchPolicy("p", 5, 10, 12), [9, 4, 1], [[9]], [[4, 1]]),
        (BatchPolicy("p", 5, 10, 12), [9, 3, 1], [[9, 3]], [[1]]),
        (BatchPolicy("p", 5, 10, 10), [10, 10, 1], [[10], [10]], [[1]]),
        (BatchPolicy("p", 5, 100, 10), [4, 4, 4], [[4, 4]], [[4]]),
        (BatchPolicy("p", 5, 100, 10), [4, 6, 4], [[4, 6]], [[4]]),
        (BatchPolicy("p", 5, 0), [1, 2, 3], [[1, 2, 3]], []),
        (BatchPolicy("p", 5, 0, 3), [1, 2, 3], [[1, 2], [3]], []),
        (BatchPolicy("p", 0, 100), [1, 2, 3], [[1, 2, 3]], []),
        (BatchPolicy(), [1, 0, 2], [[1, 0, 2]], []),
    ],
)
def test_sizes(policy: BatchPolicy, given_items: list[int], due_now: list[list[int]], left: list[list[int]]) -> None:
    """Joined until send_batch_size, never above send_batch_max_size; without a size, whatever has gathered."""
    cutter = Cutter(policy, BIG)
    for items in given_items:
        cutter.add(entry(items))
    assert sizes(take_all(cutter, now=0.0)) == due_now
    assert sizes(take_all(cutter, now=0.0, flush=True)) == left
    assert cutter.is_empty


@pytest.mark.parametrize(
    ("given_bytes", "batches"),
    [([6, 4], [[6, 4]]), ([6, 5], [[6], [5]]), ([10, 1], [[10], [1]]), ([11, 1], [[11], [1]]), ([1, 11], [[1], [11]])],
)
def test_byte_limit(given_bytes: list[int], batches: list[list[int]]) -> None:
    """A batch has at most max_bytes; a fragment above it goes alone."""
    cutter = Cutter(BatchPolicy("p", 5, 100), 10)
    for size in given_bytes:
        cutter.add(entry(size, size))
    assert sizes(take_all(cutter, now=0.0, flush=True)) == batches


def test_the_oldest_sets_the_timeout() -> None:
    """A batch is due ``timeout`` after its oldest fragment, not earlier, whatever came later."""
    cutter = Cutter(BatchPolicy("p", 5, 100), BIG)
    assert cutter.due_at() == math.inf
    cutter.add(entry(1, at=2.0))
    cutter.add(entry(1, at=6.0))
    assert cutter.due_at() == 7.0
    assert cutter.take(6.999) is None
    assert sizes(take_all(cutter, now=7.0)) == [[1, 1]]
    assert cutter.due_at() == math.inf


def test_a_full_batch_is_due_at_once() -> None:
    """``due_at`` of a full batch is in the past, and of the rest it is its own timeout."""
    cutter = Cutter(BatchPolicy("p", 5, 2), BIG)
    cutter.add(entry(2, at=1.0))
    cutter.add(entry(1, at=3.0))
    assert cutter.due_at() == -math.inf
    cutter.take(3.0)
    assert cutter.due_at() == 8.0


def test_add_tells_when_to_look_again() -> None:
    """``add`` is True when there is a new deadline or a full batch, and else False."""
    cutter = Cutter(BatchPolicy("p", 5, 4), BIG)
    assert [cutter.add(entry(items)) for items in [1, 1, 1, 1, 1, 1]] == [True, False, False, True, True, False]


def test_unknown_outcomes_go_apart() -> None:
    """What may be with the backend already is never in one batch with what cannot be."""
    cutter = Cutter(BatchPolicy("p", 5, 100), BIG)
    for number, unknown in enumerate([True, True, False, True]):
        cutter.add(entry(number, unknown=unknown))
    assert sizes(take_all(cutter, 0, flush=True)) == [[0, 1], [2], [3]]


def test_old_entries_leave_from_the_head() -> None:
    """What is too old is taken out of full batches and of the open one; what is as old as allowed stays."""
    cutter = Cutter(BatchPolicy("p", 60, 2), BIG)
    for second in range(5):
        cutter.add(entry(1, at=second, index=second))
    dropped = cutter.drop_accepted_before(3_000_000_000)
    assert [one.index for one in dropped] == [0, 1, 2]
    rest = take_all(cutter, 0, flush=True)
    assert [[one.index for one in batch] for batch in rest] == [[3], [4]]


def test_dropping_keeps_the_count_of_the_open_batch() -> None:
    """After old entries left the open batch, it fills up as if they had never been there."""
    cutter = Cutter(BatchPolicy("p", 60, 3), BIG)
    for second in range(2):
        cutter.add(entry(1, at=second))
    assert len(cutter.drop_accepted_before(1_000_000_000)) == 1
    cutter.add(entry(1, at=2))
    assert cutter.full_batches == 0
    cutter.add(entry(1, at=3))
    assert cutter.full_batches == 1


@given(
    policy=st.builds(
        BatchPolicy,
        name=st.just("p"),
        timeout=st.sampled_from([0.0, 1.0, 5.0]),
        send_batch_size=st.integers(0, 12),
        send_batch_max_size=st.integers(0, 12),
    ),
    max_bytes=st.integers(1, 40),
    steps=st.lists(st.tuples(st.floats(0, 2), st.integers(0, 12), st.integers(1, 40), st.booleans()), max_size=40),
)
def test_nothing_lost_order_kept_limits_held(
    policy: BatchPolicy, max_bytes: int, steps: list[tuple[float, int, int, bool]]
) -> None:
    """Whatever comes whenever: each entry is in exactly one batch, in order; limits hold; nobody waits too long."""
    cutter = Cutter(policy, max_bytes)
    now = 0.0
    batches: list[list[Entry]] = []
    for number, (pause, items, size, unknown) in enumerate(steps):
        now += pause
        due = take_all(cutter, now)
        batches += due
        cutter.add(entry(items, size, at=now, unknown=unknown, index=number))
        oldest = cutter.oldest
        assert oldest is not None
        assert cutter.due_at() <= oldest.arrived + policy.timeout
    batches += take_all(cutter, now, flush=True)
    assert cutter.is_empty
    assert [one.index for batch in batches for one in batch] == list(range(len(steps)))
    for batch in batches:
        assert len({one.is_unknown for one in batch}) == 1
        if len(batch) > 1:
            assert sum(one.part.plain_bytes for one in batch) <= max_bytes
            assert sum(one.items for one in batch) <= (policy.send_batch_max_size or math.inf)
        if policy.send_batch_size and policy.timeout:
            assert sum(one.items for one in batch[:-1]) < policy.send_batch_size
