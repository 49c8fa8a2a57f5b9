"""The waiting records of one lane and one encoding: the newest in memory while there is room, the others on disk.

A stream has its entries in a cutter, oldest first, and, once it is *behind*, a cursor: the place in the journal of the
oldest record that is not in the cutter. So memory does not grow while a backend is down, and one stream that waits
does not keep others from being read.

Sans-IO but for files. Errors: ``OSError`` when the journal cannot be read back.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from alloytrio.outbox.clock import Clock
from alloytrio.outbox.codec import Part
from alloytrio.outbox.cutter import Cutter
from alloytrio.outbox.entry import Entry
from alloytrio.outbox.fragment import BatchPolicy
from alloytrio.outbox.journal import Journal, Place
from alloytrio.outbox.reader import Found, RecordReader
from alloytrio.outbox.record import FRAGMENT, PACKED, Record
from alloytrio.outbox.recovery import StreamKey
from alloytrio.outbox.segment import SETTLED, STARTED, Segment

_LOAD_BATCHES = 2
"""Full batches read ahead: one for the sender that asks, one for the next."""


@dataclass(slots=True)
class Window:
    """How much of the journal's payload is in memory, over all streams.

    Args:
        limit: bytes above which new records are left on the disk.
        used: bytes now.
    """

    limit: int
    used: int = 0

    def forget(self, entries: Iterable[Entry]) -> None:
        """Entries were settled: their memory is free."""
        self.used -= sum([entry.memory_bytes for entry in entries])


class Stream:
    """One lane and one encoding.

    Args:
        key: as in the records.
        policy: of the lane.
        max_bytes: plain bytes that a batch never exceeds.
        journal: where its records are.
        window: shared by all streams.
        clock: turns times of acceptance into arrival times.

    Attributes:
        cutter: what is in memory.
        damaged: what could not be read back, for the caller to take out and settle.
    """

    def __init__(
        self, key: StreamKey, policy: BatchPolicy, max_bytes: int, *, journal: Journal, window: Window, clock: Clock
    ) -> None:
        self.key = key
        self.encoding = key[1].decode()
        self._names = key[0] + key[1]
        self._journal = journal
        self._window = window
        self._clock = clock
        self._cursor: Place | None = None
        self._cursor_generation = 0
        self.cutter = Cutter(policy, max_bytes)
        self.damaged: list[Entry] = []

    @property
    def is_behind(self) -> bool:
        """Whether there may be records on disk that are not in the cutter."""
        return self._cursor is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits here."""
        return self._cursor is None and self.cutter.is_empty

    def begin_at(self, place: Place) -> None:
        """The oldest record that is not in the cutter is there."""
        self._cursor = place
        self._cursor_generation = place.segment.generation

    def accept(self, record: Record, place: Place, accepted_ns: int, now: float) -> bool:
        """A record was written; tells whether the senders have to look at this stream anew."""
        if self._cursor is not None:
            return False
        part = Part(record.payload, record.plain_bytes, record.plain_crc, record.packed)
        entry = Entry(place.segment, place.index, record.size, record.items, part, accepted_ns, now)
        window = self._window
        if window.used + entry.memory_bytes > window.limit:
            self.begin_at(place)
            return True
        window.used += entry.memory_bytes
        return self.cutter.add(entry)

    def load(self, now: float) -> None:
        """Read from the disk until two batches are full, or one and the memory is used up, or the end is reached.

        What it cannot read back goes to ``damaged``, for the caller to settle.
        """
        while self._cursor is not None and not self._has_enough():
            segment = self._cursor.segment
            if self._journal.segments.get(segment.number) is segment:
                is_at_end = self._load_from(self._cursor, now)
                self._journal.rest(segment)
                if not is_at_end:
                    return
            # At the end of a segment, or it is gone, since all of it was settled.
            following = self._journal.following(segment)
            self._cursor = None
            if following is not None:
                self.begin_at(Place(following, 0, 0))

    def _load_from(self, cursor: Place, now: float) -> bool:
        """Read on in one segment; True at its end."""
        segment = cursor.segment
        # After a compaction offsets are others, but numbers are the same.
        reader = segment.reader(cursor.offset if segment.generation == self._cursor_generation else 0)
        while not self._has_enough():
            found = reader.next()
            if found is None:
                return True
            if found.header.index >= cursor.index and found.header.kind == FRAGMENT:
                self._take(segment, reader, found, now)
                self.begin_at(Place(segment, found.header.index + 1, found.end))
        return False

    def _has_enough(self) -> bool:
        batches = self.cutter.full_batches
        return batches >= _LOAD_BATCHES or (batches > 0 and self._window.used > self._window.limit)

    def _take(self, segment: Segment, reader: RecordReader, found: Found, now: float) -> None:
        header = found.header
        if header.positions_at != len(self._names):
            return
        if segment.states[header.index] == SETTLED or reader.names(found) != self._names:
            return
        body = reader.body(found)
        payload = b"" if body is None else body[header.payload_at :]
        entry = Entry(
            segment=segment,
            index=header.index,
            size=header.size,
            items=header.items,
            part=Part(payload, header.plain_bytes, header.plain_crc, bool(header.flags & PACKED)),
            accepted_ns=header.accepted_ns,
            arrived=min(self._clock.arrival(header.accepted_ns), now),
            is_unknown=segment.states[header.index] == STARTED,
        )
        self._window.used += entry.memory_bytes
        if body is None:
            self.damaged.append(entry)
        else:
            self.cutter.add(entry)
