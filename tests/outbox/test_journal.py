"""The journal when the disk misbehaves, when segments fill up, and when they are cleaned up."""

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.outbox.files import MemoryDirectory
from alloytrio.outbox.journal import Journal, Place
from alloytrio.outbox.segment import MAGIC
from tests.outbox.fakes import START_NS, Faults, FaultyDirectory
from tests.outbox.journals import entry_of, fragment, in_flight, new_journal, reopen, waiting, write


def faulty() -> tuple[Faults, FaultyDirectory]:
    """A folder whose files fail on demand."""
    faults = Faults()
    return faults, FaultyDirectory(faults)


@pytest.mark.parametrize("room", [0, 1, 60, 100])
def test_a_full_disk_takes_nothing_and_recovers(room: int) -> None:
    """A write that does not fit leaves no trace; the journal goes on when there is room again."""
    faults, directory = faulty()
    journal = new_journal(directory)
    write(journal, b"one")
    used, queued = journal.used_bytes, journal.queued_items
    faults.room = room
    with pytest.raises(OSError, match="No space left"):
        write(journal, b"two" * 30, b"three" * 30)
    assert (journal.used_bytes, journal.queued_items) == (used, queued)
    faults.room = None
    write(journal, b"four")
    assert waiting(journal) == waiting(reopen(directory)) == [b"one", b"four"]


def test_a_full_disk_at_the_start_of_a_segment() -> None:
    """If the next segment cannot be begun, the one before stays in use and no file is left behind."""
    faults, directory = faulty()
    journal = new_journal(directory, segment_bytes=1)
    write(journal, [fragment(b"one", positions={b"a": b"1"})])
    before = directory.names()
    faults.room = len(MAGIC) + 3
    with pytest.raises(OSError, match="No space left"):
        write(journal, b"two")
    assert directory.names() == before
    faults.room = None
    write(journal, b"three")
    journal = reopen(directory)
    assert waiting(journal) == [b"one", b"three"]
    assert journal.positions == {b"a": b"1"}


def test_what_cannot_be_cut_back_is_never_written_to_again() -> None:
    """If half a record cannot be removed, the next put goes to a new segment, and both are read back."""
    faults, directory = faulty()
    journal = new_journal(directory)
    write(journal, b"one")
    faults.room, faults.truncate = 30, [errno.EIO]
    with pytest.raises(OSError, match="No space left"):
        write(journal, b"two" * 30)
    faults.room = None
    write(journal, b"three")
    assert len(directory.names()) == 2
    journal = reopen(directory)
    assert waiting(journal) == [b"one", b"three"]
    assert journal.losses.damaged_segments == ["0000000000000001.seg"]


def test_marks_that_cannot_be_written_are_written_later() -> None:
    """On a full disk completions are kept in memory, and written with the next one that finds room."""
    faults, directory = faulty()
    journal = new_journal(directory)
    places = write(journal, b"0", b"1", b"2")
    faults.room = 5
    journal.settle([entry_of(places[0])])
    assert waiting(reopen(directory)) == [b"0", b"1", b"2"]
    faults.room = None
    journal.settle([entry_of(places[1])])
    assert waiting(reopen(directory)) == [b"2"]


def test_marks_that_wait_are_written_on_request() -> None:
    """``write_marks`` and ``close`` try again what could not be written."""
    faults, directory = faulty()
    journal = new_journal(directory)
    places = write(journal, b"0", b"1")
    faults.room = 0
    journal.settle([entry_of(places[0])])
    faults.room = None
    journal.write_marks()
    assert waiting(reopen(directory)) == [b"1"]
    faults.room = 0
    journal.settle([entry_of(places[1])])
    faults.room = None
    journal.close()
    assert waiting(reopen(directory)) == []


def test_a_full_disk_frees_itself_when_all_is_delivered() -> None:
    """With everything delivered, an active segment that fills the disk is replaced by an empty one."""
    faults, directory = faulty()
    journal = new_journal(directory)
    faults.room = 400
    places = write(journal, b"x" * 200)
    with pytest.raises(OSError, match="No space left"):
        write(journal, b"y" * 200)
    journal.settle([entry_of(places[0], 200)])
    journal.make_room(START_NS)
    write(journal, b"y" * 200)
    assert waiting(reopen(directory)) == [b"y" * 200]


@pytest.mark.parametrize(("size", "segments"), [(300, 1), (299, 2)])
def test_a_segment_is_full_at_its_limit(size: int, segments: int) -> None:
    """A put that fits exactly goes into the segment; one byte more begins the next."""
    directory = MemoryDirectory()
    journal = new_journal(directory)
    write(journal, b"a" * 10)
    needed = journal.used_bytes
    write(journal, b"b" * 10)
    needed = journal.used_bytes + (journal.used_bytes - needed)
    limited = new_journal(MemoryDirectory(), segment_bytes=needed - (300 - size))
    for payload in (b"a" * 10, b"b" * 10, b"c" * 10):
        write(limited, payload)
    assert len(limited.segments) == segments


def test_segments_are_an_eighth_of_a_small_journal() -> None:
    """A journal that is bounded below eight segments uses smaller ones, so that room comes back in steps."""
    journal = new_journal(segment_bytes=8 << 20, max_bytes=1 << 20)
    for _ in range(40):
        write(journal, b"x" * 30_000)
    assert all(segment.size <= 128 << 10 for segment in journal.segments.values())


def test_with_positions_nothing_is_deleted_before_the_snapshot_is_durable() -> None:
    """A segment that is done stays until the snapshot which replaces its positions was synced."""
    directory = MemoryDirectory()
    journal = new_journal(directory, segment_bytes=1, durable=True)
    first = write(journal, [fragment(b"one", positions={b"a": b"1"})])
    write(journal, b"two")
    journal.settle([entry_of(first[0])])
    assert len(journal.segments) == 2
    point = journal.sync_point
    journal.syncs()
    journal.synced(point)
    assert len(journal.segments) == 1
    assert reopen(directory).positions == {b"a": b"1"}


def test_a_sync_of_the_segment_before_does_not_make_a_snapshot_durable() -> None:
    """A sync that began before the active segment did says nothing about its snapshot."""
    journal = new_journal(segment_bytes=1, durable=True)
    first = write(journal, [fragment(b"one", positions={b"a": b"1"})])
    point = journal.sync_point
    journal.syncs()
    write(journal, b"two")
    journal.settle([entry_of(first[0])])
    journal.synced(point)
    assert len(journal.segments) == 2


def fill(journal: Journal, count: int, size: int) -> list[Place]:
    """Write single records."""
    return [write(journal, b"%05d" % number + b"x" * (size - 5))[0] for number in range(count)]


def test_mostly_done_segments_are_written_anew() -> None:
    """When the journal is half full, segments that hold little else than delivered records shrink to what waits."""
    directory = MemoryDirectory()
    journal = new_journal(directory, segment_bytes=100_000, max_bytes=1_000_000)
    kept: list[bytes] = []
    for round_ in range(100):
        places = fill(journal, 10, 5_000)
        kept.append(b"%05d" % (round_ % 10))
        journal.settle([entry_of(place, 5_100) for number, place in enumerate(places) if number != round_ % 10])
        assert journal.used_bytes < 1_000_000
    assert [payload[:5] for payload in waiting(journal)] == kept
    again = reopen(directory)
    assert [payload[:5] for payload in waiting(again)] == kept
    assert again.queued_items == len(kept)


def test_a_compacted_segment_keeps_marks_and_numbers() -> None:
    """After a compaction completions still name the right records, those from before and those from after it."""
    directory = MemoryDirectory()
    journal = new_journal(directory, segment_bytes=50_000, max_bytes=100_000)
    places = fill(journal, 20, 5_000)
    assert len(journal.segments) > 1
    entries = [entry_of(place, 5_100) for place in places]
    journal.start([entries[3]])
    journal.settle([entry for number, entry in enumerate(entries) if number not in (3, 7, 8, 19)])
    before = journal.used_bytes
    journal.make_room(START_NS)
    assert journal.used_bytes < before / 2
    journal.settle([entries[7]])
    again = reopen(directory)
    assert [payload[:5] for payload in waiting(again)] == [b"00003", b"00008", b"00019"]
    assert [payload[:5] for payload in in_flight(again)] == [b"00003"]


@pytest.mark.parametrize("synced", [False, True])
def test_a_compaction_waits_for_its_sync(synced: bool) -> None:
    """The old file stays until the new one is durable; a process that ends before leaves only the old one."""
    directory = MemoryDirectory()
    journal = new_journal(directory, segment_bytes=50_000, max_bytes=100_000, durable=True)
    entries = [entry_of(place, 5_100) for place in fill(journal, 20, 5_000)]
    journal.settle(entries[1:8])
    before = journal.used_bytes
    journal.make_room(START_NS)
    assert any(name.endswith(".new") for name in directory.names())
    point = journal.sync_point
    journal.syncs()
    if synced:
        journal.synced(point)
        assert journal.used_bytes < before
    else:
        journal.sync_failed()
    assert not any(name.endswith(".new") for name in directory.names())
    assert len(waiting(reopen(directory))) == 13


def test_a_compaction_of_what_is_gone_meanwhile() -> None:
    """If the rest of a segment is settled before its compaction is durable, both files go."""
    directory = MemoryDirectory()
    journal = new_journal(directory, segment_bytes=50_000, max_bytes=100_000, durable=True)
    entries = [entry_of(place, 5_100) for place in fill(journal, 20, 5_000)]
    first = [entry for entry in entries if entry.segment is entries[0].segment]
    journal.settle(first[1:])
    journal.make_room(START_NS)
    point = journal.sync_point
    journal.syncs()
    journal.settle(first[:1])
    journal.synced(point)
    assert "0000000000000001.seg" not in directory.names()
    assert not any(name.endswith(".new") for name in directory.names())


def test_closing_abandons_a_compaction() -> None:
    """A journal that is closed before a compaction is durable leaves only the old file."""
    directory = MemoryDirectory()
    journal = new_journal(directory, segment_bytes=50_000, max_bytes=100_000, durable=True)
    entries = [entry_of(place, 5_100) for place in fill(journal, 20, 5_000)]
    journal.settle(entries[1:8])
    journal.make_room(START_NS)
    journal.close()
    assert not any(name.endswith(".new") for name in directory.names())
    assert len(waiting(reopen(directory))) == 13


def test_a_compaction_left_behind_is_deleted() -> None:
    """A half-written new file of a process that died is not taken for a segment."""
    directory = MemoryDirectory()
    write(new_journal(directory), b"one")
    directory.create("0000000000000001.new").append([b"half"])
    assert waiting(reopen(directory)) == [b"one"]
    assert directory.names() == ["0000000000000001.seg"]


def test_no_room_for_a_compaction() -> None:
    """If the new file cannot be written, the old one stays."""
    faults, directory = faulty()
    journal = new_journal(directory, segment_bytes=50_000, max_bytes=100_000)
    entries = [entry_of(place, 5_100) for place in fill(journal, 20, 5_000)]
    journal.settle(entries[1:8])
    faults.room = 100
    journal.make_room(START_NS)
    faults.room = None
    assert len(waiting(reopen(directory))) == 13
    assert not any(name.endswith(".new") for name in directory.names())


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(1, 4), st.integers(1, 3000)),
            st.tuples(st.just("settle"), st.integers(0, 1000), st.integers(1, 5)),
            st.tuples(st.just("start"), st.integers(0, 1000), st.integers(1, 5)),
            st.tuples(st.just("full"), st.integers(0, 3000), st.just(0)),
            st.tuples(st.just("room"), st.just(0), st.just(0)),
            st.tuples(st.just("reopen"), st.just(0), st.just(0)),
        ),
        max_size=40,
    )
)
def test_against_a_list(steps: list[tuple[str, int, int]]) -> None:
    """Over puts, completions, full disks, clean-ups and restarts the journal holds what a plain list would."""
    faults, directory = faulty()
    journal = new_journal(directory, segment_bytes=8_000, max_bytes=64_000)
    expected: dict[bytes, Place] = {}
    started: set[bytes] = set()
    number = 0
    for step, first, second in steps:
        if step == "put":
            payloads = [b"%06d" % (number + more) + b"x" * second for more in range(first)]
            number += first
            try:
                places = write(journal, [fragment(payload) for payload in payloads])
            except OSError:
                faults.room = None
            else:
                expected |= dict(zip(payloads, places, strict=True))
        elif step in ("settle", "start") and expected:
            chosen = list(expected)[first % len(expected) :][:second]
            entries = [entry_of(expected[payload], len(payload)) for payload in chosen]
            if step == "start":
                journal.start(entries)
                started.update(chosen)
            else:
                journal.settle(entries)
                for payload in chosen:
                    del expected[payload]
        elif step == "full":
            faults.room = first
        elif step == "room":
            faults.room = None
            journal.make_room(START_NS)
        elif step == "reopen":
            faults.room = None
            journal.close()
            places_now = {}
            journal = reopen(directory, segment_bytes=8_000)
            for segment in journal.segments.values():
                reader = segment.reader(0)
                while (found := reader.next()) is not None:
                    body = reader.body(found)
                    assert body is not None
                    places_now[body[found.header.payload_at :]] = Place(segment, found.header.index, found.offset)
            expected = {payload: places_now[payload] for payload in expected}
        assert waiting(journal) == list(expected)
        assert journal.queued_items == len(expected)
    faults.room = None
    journal.close()
    again = reopen(directory)
    assert waiting(again) == list(expected)
    assert set(in_flight(again)) == started & set(expected)
