"""One segment: a file of records, and beside it a file that says which of them are being sent or done.

``0000000000000007.seg`` is the magic line, a snapshot of all positions, then records. It only grows, until the journal
seals it. ``0000000000000007.done`` holds marks: (state, first record, how many), each with a CRC; so a restart resends
only what was in flight, in whatever order the batches before were done. When all records are done, both files go.

Errors: ``OSError``. After a failed ``append`` the segment is as it was before, or ``is_broken``: then nothing may be
appended any more. A failed mark is kept and written with the next one.
"""

import struct
from collections.abc import Mapping, Sequence

from alloytrio.outbox.crc import crc32
from alloytrio.outbox.files import Directory, File, Sync
from alloytrio.outbox.reader import RecordReader
from alloytrio.outbox.record import SNAPSHOT, Record

MAGIC = b"alloytrio outbox 1\n"
SEGMENT_SUFFIX = ".seg"
MARKS_SUFFIX = ".done"

WAITING = 0
STARTED = 1
"""An attempt to send the record began: a backend may have it."""
SETTLED = 2
"""Delivered, set aside or dropped."""

_MARK = struct.Struct("<III")
_MARK_CRC = struct.Struct("<I")
MARK_BYTES = _MARK.size + _MARK_CRC.size


class Segment:
    """A segment's files, and what is known about its records.

    Args:
        directory: where the files are.
        number: of the segment; later ones have greater numbers.

    Attributes:
        size: bytes of the magic line and the good records.
        snapshot_end: where the first record may be, in a segment that this process began.
        states: WAITING, STARTED (before this process began) or SETTLED, one byte per record.
        live: records that are not settled.
        live_bytes: their size.
        is_broken: a write failed and could not be undone.
        generation: changes when offsets of records change.
        is_dirty: there are bytes which no fsync has covered.
    """

    def __init__(self, directory: Directory, number: int) -> None:
        self.directory = directory
        self.number = number
        self.size = 0
        self.snapshot_end = 0
        self.states = bytearray()
        self.live = 0
        self.live_bytes = 0
        self.generation = 0
        self.is_broken = False
        self.is_dirty = False
        self._file: File | None = None
        self._marks: File | None = None
        self._marks_bytes = 0
        self._unwritten_marks: list[bytes] = []

    @classmethod
    def create(cls, directory: Directory, number: int, positions: Mapping[bytes, bytes], now_ns: int) -> "Segment":
        """A new segment with its snapshot. If it fails, no file is left behind."""
        segment = cls(directory, number)
        snapshot = Record(SNAPSHOT, b"", b"", positions)
        try:
            segment._file = directory.create(segment.name)
            segment.append([MAGIC, snapshot.encode(0, now_ns)])
            segment.snapshot_end = segment.size
        except OSError:
            segment.remove()
            raise
        return segment

    @property
    def name(self) -> str:
        """Of the file with the records."""
        return f"{self.number:016x}{SEGMENT_SUFFIX}"

    @property
    def marks_name(self) -> str:
        """Of the file with the marks."""
        return f"{self.number:016x}{MARKS_SUFFIX}"

    @property
    def file_bytes(self) -> int:
        """Bytes of both files."""
        return self.size + self._marks_bytes

    @property
    def file(self) -> File:
        """The records, opened at first use."""
        if self._file is None:
            self._file = self.directory.open(self.name)
        return self._file

    # Writing records

    def append(self, buffers: Sequence[bytes]) -> None:
        """Write whole records. The caller then counts them by ``add``."""
        try:
            self.file.append(buffers)
        except OSError:
            self._cut_back()
            raise
        self.size += sum(map(len, buffers))
        self.is_dirty = True

    def add(self, size: int) -> None:
        """Count one more record that is to be delivered."""
        self.states.append(WAITING)
        self.live += 1
        self.live_bytes += size

    def _cut_back(self) -> None:
        """Remove what a failed write left behind."""
        try:
            self.file.truncate(self.size)
        except OSError:
            self.is_broken = True

    def cut_to(self, size: int) -> None:
        """Recovery: give up what is behind the last good record."""
        self.file.truncate(size)
        self.size = size
        self.generation += 1

    def empty(self, positions: Mapping[bytes, bytes], now_ns: int) -> None:
        """On a full disk, when all is done: make room in place.

        Numbers go on, since there are marks for those given out. A kill just between the cut and the snapshot takes
        the positions back to where they were when the segment began: then some data is read and sent twice.
        """
        snapshot = Record(SNAPSHOT, b"", b"", positions)
        try:
            self.cut_to(self.snapshot_end)
            self.append([snapshot.encode(len(self.states), now_ns)])
        except OSError:
            pass  # the next append says what is wrong
        else:
            self.snapshot_end = self.size

    def was_compacted(self, size: int) -> None:
        """Another file has taken the place of ours: the same records but for settled ones, at other offsets."""
        self.close()
        self.size = size
        self.generation += 1

    # Marks

    def mark(self, state: int, first: int, count: int) -> None:
        """Note that records are STARTED or SETTLED. Counting down ``live_bytes`` is the caller's."""
        if state == SETTLED:
            self.states[first : first + count] = b"\x02" * count
            self.live -= count
        fields = _MARK.pack(state, first, count)
        self._unwritten_marks.append(fields + _MARK_CRC.pack(crc32(fields)))
        self.write_marks()

    def write_marks(self) -> None:
        """Write the marks that wait. If that fails they go on waiting: at worst a restart sends something again."""
        if not self._unwritten_marks:
            return
        try:
            if self._marks is None:
                self._marks = self._open_marks()
            self._marks.append(self._unwritten_marks)
        except OSError:
            self._cut_marks_back()
            return
        self._marks_bytes += MARK_BYTES * len(self._unwritten_marks)
        self._unwritten_marks.clear()
        self.is_dirty = True

    def _open_marks(self) -> File:
        return self.directory.open(self.marks_name) if self._marks_bytes else self.directory.create(self.marks_name)

    def _cut_marks_back(self) -> None:
        try:
            if self._marks is not None:
                self._marks.truncate(self._marks_bytes)
        except OSError:
            pass  # each mark has a CRC: what is left behind is skipped

    def load_marks(self) -> list[tuple[int, int, int]]:
        """Recovery: all marks as (state, first, count), oldest first. A torn one at the end is cut off."""
        try:
            marks = self.directory.open(self.marks_name)
        except FileNotFoundError:
            return []
        self._marks = marks
        content = marks.read(0, marks.size())
        self._marks_bytes = len(content) - len(content) % MARK_BYTES
        if self._marks_bytes != len(content):
            self._cut_marks_back()
        found = []
        for offset in range(0, self._marks_bytes, MARK_BYTES):
            fields = content[offset : offset + _MARK.size]
            if crc32(fields) == _MARK_CRC.unpack_from(content, offset + _MARK.size)[0]:
                found.append(_MARK.unpack(fields))
        return found

    # Reading, syncing, the end

    def reader(self, offset: int) -> RecordReader:
        """Reads from a record's offset to the last good record."""
        return RecordReader(self.file, offset, self.size)

    def syncs(self) -> list[Sync]:
        """What makes all of it durable, and no longer dirty."""
        self.is_dirty = False
        handles = [file.sync() for file in (self._file, self._marks) if file is not None]
        return [sync for sync in handles if sync is not None]

    def close(self) -> None:
        """Give the file descriptors back; they are opened again when needed."""
        for file in (self._file, self._marks):
            if file is not None:
                file.close()
        self._file = self._marks = None

    def remove(self) -> None:
        """Delete both files, the marks last: records without marks would be sent again."""
        self.close()
        self.directory.remove(self.name)
        self.directory.remove(self.marks_name)
