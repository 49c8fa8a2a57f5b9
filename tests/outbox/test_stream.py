"""Streams: what is in memory, what is left on the disk, and how the two meet without a gap or an overlap."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.outbox import BatchPolicy
from alloytrio.outbox.backlog import IDLE_STREAMS, Backlog
from alloytrio.outbox.clock import Clock
from alloytrio.outbox.entry import ENTRY_BYTES, Entry
from alloytrio.outbox.files import MemoryDirectory
from alloytrio.outbox.journal import Journal
from alloytrio.outbox.stream import Stream, Window
from tests.outbox.fakes import START_NS, make_settings
from tests.outbox.journals import ENCODING, LANE, fragment, new_journal

SIZE = 1_000
ENTRY = SIZE + ENTRY_BYTES


def new_stream(journal: Journal, window: Window, policy: BatchPolicy | None = None) -> Stream:
    """A stream over a journal."""
    policy = policy or BatchPolicy("b", 5, 2, 2)
    clock = Clock(START_NS, lambda: 0.0)
    return Stream((LANE, ENCODING), policy, 1 << 20, journal=journal, window=window, clock=clock)


def put(journal: Journal, stream: Stream, first: int, count: int) -> None:
    """Write records and offer them to the stream, with records of another stream between them."""
    for number in range(first, first + count):
        ours = fragment(b"%05d" % number + b"x" * (SIZE - 5))
        other = fragment(b"other", encoding=b"u/identity")
        journal.append([[other]], START_NS)
        (place,) = journal.append([[ours]], START_NS)
        stream.accept(ours, place, START_NS, 0.0)


def take(stream: Stream, count: int) -> list[Entry]:
    """Take batches, reading from the disk as far as needed."""
    entries: list[Entry] = []
    for _ in range(count):
        if stream.is_behind and not stream.cutter.full_batches:
            stream.load(0.0)
        entries += stream.cutter.take(0.0, flush=True) or []
    return entries


def numbers(entries: list[Entry]) -> list[int]:
    """Which records they are."""
    return [int(entry.part.payload[:5]) for entry in entries]


@pytest.mark.parametrize(("limit", "in_memory"), [(0, 0), (2 * ENTRY - 1, 1), (2 * ENTRY, 2)])
def test_the_window_is_exact(limit: int, in_memory: int) -> None:
    """Records are kept in memory up to the limit, overhead included; the first beyond it stays on the disk."""
    journal = new_journal()
    stream = new_stream(journal, Window(limit), BatchPolicy("b", 5, 100))
    put(journal, stream, 0, 3)
    kept = stream.cutter.take(0.0, flush=True) or []
    assert numbers(kept) == list(range(in_memory))
    assert stream.is_behind


def test_behind_and_caught_up() -> None:
    """A stream that fell behind reads on, and takes new records from memory again when it has caught up."""
    journal = new_journal(segment_bytes=5_000)
    stream = new_stream(journal, Window(3_000))
    put(journal, stream, 0, 20)
    assert stream.is_behind
    assert numbers(take(stream, 10)) == list(range(20))
    stream.load(0.0)
    assert not stream.is_behind
    assert stream.is_idle


def test_reading_ahead_is_bounded() -> None:
    """However much there is, at most two full batches are read ahead, and one if the memory is used up."""
    journal = new_journal()
    for limit, batches in ((1 << 20, 2), (0, 1)):
        window = Window(0)
        stream = new_stream(journal, window)
        put(journal, stream, 0, 20)
        window.limit = limit  # as if others had let go of it
        stream.load(0.0)
        assert stream.cutter.full_batches == batches


def test_reading_on_after_a_compaction() -> None:
    """When the segment that is being read was written anew, reading goes on at the same record."""
    journal = new_journal(segment_bytes=20_000, max_bytes=40_000)
    stream = new_stream(journal, Window(0))
    put(journal, stream, 0, 20)
    before = take(stream, 6)
    stream.load(0.0)  # one batch is read and not taken
    (first, *_) = journal.segments.values()
    size = first.size
    journal.settle(before)
    journal.make_room(START_NS)
    assert first.size < size
    assert numbers(before + take(stream, 10)) == list(range(20))


def test_idle_streams_are_forgotten() -> None:
    """Tenants come and go: streams in which nothing waits are kept up to a number, and come back when needed."""
    journal = new_journal()
    clock = Clock(START_NS, lambda: 0.0)
    backlog = Backlog(make_settings(), journal, clock, {})
    for round_ in range(2):
        for number in range(200):
            record = fragment(b"x", encoding=b"tenant %d/gzip" % number)
            (place,) = journal.append([[record]], START_NS)
            backlog.accept(record, place, START_NS, 0.0)
            assert backlog.take(0.0, lambda encoding: -math.inf, flush=False) is not None
            backlog.take(0.0, lambda encoding: -math.inf, flush=False)
        assert backlog.streams <= IDLE_STREAMS + 1, round_
    assert backlog.is_empty


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(1, 8)),
            st.tuples(st.just("take"), st.integers(1, 4)),
            st.tuples(st.just("settle"), st.integers(1, 6)),
            st.tuples(st.just("make room"), st.just(0)),
        ),
        max_size=40,
    ),
    limit=st.sampled_from([0, 4_000, 10_000, 1 << 20]),
    segment_bytes=st.sampled_from([1, 7_000, 20_000]),
)
def test_no_gap_and_no_overlap(steps: list[tuple[str, int]], limit: int, segment_bytes: int) -> None:
    """Over puts, takes, completions, compactions and deletions each record comes once and in order."""
    journal = Journal(MemoryDirectory(), segment_bytes=segment_bytes, max_bytes=40_000, durable=False)
    window = Window(limit)
    stream = new_stream(journal, window)
    written, taken, open_entries = 0, [], []
    for step, count in steps:
        if step == "put":
            put(journal, stream, written, count)
            written += count
        elif step == "take":
            entries = take(stream, count)
            taken += numbers(entries)
            open_entries += entries
        elif step == "settle":
            done = open_entries[:count]
            del open_entries[:count]
            journal.settle(done)
            window.forget(done)
        else:
            journal.make_room(START_NS)
        assert taken == list(range(len(taken)))
    taken += numbers(take(stream, written))
    assert taken == list(range(written))
