"""Reads a journal back after a restart: what is waiting, what was in flight, which positions hold.

At the end of the last segment a record may be torn, or a put incomplete: it was never acknowledged, and is cut off.
Bad bytes anywhere else are damage: what is good around them is kept, a copy of the file is set aside in ``damaged/``,
and the loss is counted. Nothing waits; the caller lets others run between two segments.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from alloytrio.errors import StorageError
from alloytrio.outbox.compaction import remove_leftovers
from alloytrio.outbox.files import Directory
from alloytrio.outbox.journal import Journal, Place
from alloytrio.outbox.reader import Found
from alloytrio.outbox.record import CONTINUED, FRAGMENT, SNAPSHOT, decode_positions
from alloytrio.outbox.segment import MAGIC, MARKS_SUFFIX, SEGMENT_SUFFIX, SETTLED, STARTED, Segment

DAMAGED_FOLDER = "damaged"

StreamKey = tuple[bytes, bytes]
"""Lane and encoding, as they are in the records."""


def recover(journal: Journal, damaged_max_bytes: int) -> Iterator[dict[StreamKey, Place]]:
    """Read all segments into an empty journal, oldest first.

    Args:
        journal: takes them over.
        damaged_max_bytes: room for copies of damaged segments; the oldest go first.

    Yields:
        for each segment: the first waiting record of each stream.

    Raises:
        StorageError: a file is of a version that we cannot read.
        OSError: a file cannot be read.
    """
    remove_leftovers(journal.directory)
    names = journal.directory.names()
    numbers = sorted(number for name in names if (number := _number(name, SEGMENT_SUFFIX)) is not None)
    for name in names:
        number = _number(name, MARKS_SUFFIX)
        if number is not None and number not in numbers:
            journal.directory.remove(name)
    for number in numbers:
        segment = Segment(journal.directory, number)
        recovery = _SegmentRecovery(journal, segment, is_last=number == numbers[-1])
        yield recovery.run()
        if recovery.lost_bytes:
            journal.losses.damaged_bytes += recovery.lost_bytes
            journal.losses.damaged_segments.append(segment.name)
            _set_aside(journal.directory, segment.name, damaged_max_bytes)
    journal.sweep()


def _number(name: str, suffix: str) -> int | None:
    try:
        return int(name.removesuffix(suffix), 16) if name.endswith(suffix) else None
    except ValueError:
        return None


def _set_aside(directory: Directory, name: str, max_bytes: int) -> None:
    """Keep a copy of a damaged file, for whoever wants to find out what happened to it."""
    if not max_bytes:
        return
    try:
        folder = directory.folder(DAMAGED_FOLDER)
        directory.copy_to(name, folder)
        sizes = {}
        for other in folder.names():
            file = folder.open(other)
            sizes[other] = file.size()
            file.close()
        for other in sorted(sizes):
            if sum(sizes.values()) <= max_bytes:
                break
            folder.remove(other)
            del sizes[other]
    except OSError:
        pass  # a file system without links, or full: the damage is reported all the same


@dataclass(slots=True)
class _Waiting:
    """What is remembered of a good FRAGMENT record until the marks are known."""

    key: StreamKey
    place: Place
    size: int
    items: int


class _SegmentRecovery:
    """Goes over one segment once."""

    def __init__(self, journal: Journal, segment: Segment, *, is_last: bool) -> None:
        self._journal = journal
        self._segment = segment
        self._is_last = is_last
        self._fragments: list[_Waiting] = []
        self._put: list[tuple[Found, bytes]] = []  # records of a put whose last one is not read yet
        self._suspect_bytes = self._suspect_items = 0  # bad bytes: damage if something good follows, else torn
        self.lost_bytes = 0

    def run(self) -> dict[StreamKey, Place]:
        """Take the segment into the journal; returns the first waiting record of each stream."""
        segment = self._segment
        segment.size = segment.file.size()
        end = self._read(self._begin())
        torn = segment.size - end
        if torn and self._is_last:
            segment.cut_to(end)
            self._journal.losses.torn_bytes += torn
        elif torn:
            self.lost_bytes += torn
        self._apply_marks()
        first: dict[StreamKey, Place] = {}
        for fragment in self._fragments:
            if segment.states[fragment.place.index] != SETTLED:
                segment.live += 1
                segment.live_bytes += fragment.size
                self._journal.queued_items += fragment.items
                self._journal.queued_bytes += fragment.size
                first.setdefault(fragment.key, fragment.place)
        self._journal.adopt(segment)
        segment.close()
        return first

    def _begin(self) -> int:
        """Where the records begin: behind the magic line, or at 0 if that is damaged."""
        found = self._segment.file.read(0, len(MAGIC))
        if found == MAGIC:
            return len(MAGIC)
        family = MAGIC.rstrip(b"0123456789\n")
        if found.startswith(family) and found.endswith(b"\n") and found[len(family) : -1].isdigit():
            version = found.decode("ascii").strip()
            raise StorageError(f"journal file {self._segment.name} is of another version: {version!r}, not ours")
        return 0

    def _read(self, start: int) -> int:
        """Take in all good records; returns the end of the last complete put."""
        reader = self._segment.reader(start)
        end = start
        while (found := reader.next()) is not None:
            self._suspect_bytes += found.lost_bytes
            body = reader.body(found)
            if body is None:
                self._suspect_bytes += found.header.size
                self._suspect_items += found.header.items
                continue
            if self._suspect_bytes:
                self._confirm_damage()
            if found.header.flags & CONTINUED:
                self._put.append((found, body))
                continue
            if self._put:
                self._take_put()
            self._take(found, body)
            end = found.end
        if not self._is_last:  # only the journal's very end may be torn
            self._take_put()
        return end

    def _confirm_damage(self) -> None:
        """Something good follows: the bytes before it were not a torn end."""
        self.lost_bytes += self._suspect_bytes
        self._journal.losses.damaged_items += self._suspect_items
        self._suspect_bytes = self._suspect_items = 0
        self._take_put()

    def _take_put(self) -> None:
        for found, body in self._put:
            self._take(found, body)
        self._put.clear()

    def _take(self, found: Found, body: bytes) -> None:
        header = found.header
        if header.kind == SNAPSHOT:
            self._journal.positions.clear()
        if header.positions_bytes:
            self._journal.merge(decode_positions(body[header.positions_at : header.payload_at]))
        if header.kind == FRAGMENT:
            key = body[: header.lane_bytes], body[header.lane_bytes : header.positions_at]
            place = Place(self._segment, header.index, found.offset)
            self._fragments.append(_Waiting(key, place, header.size, header.items))

    def _apply_marks(self) -> None:
        """Build ``states``; a number that no good record has counts as settled."""
        states = self._segment.states = bytearray(1 + max([f.place.index for f in self._fragments], default=-1))
        states[:] = bytes([SETTLED]) * len(states)
        for fragment in self._fragments:
            states[fragment.place.index] = 0
        for state, first, count in self._segment.load_marks():
            for index in range(first, min(first + count, len(states))):
                if states[index] != SETTLED:
                    states[index] = STARTED if state == STARTED else SETTLED
