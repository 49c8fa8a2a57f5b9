"""Reads the records of a segment in order, and finds the next good one behind damaged bytes.

In: a file and the range of it to read. Out: ``Found``: where a record is and what its header says.
Errors: ``OSError`` of the file; damage is never an error, it is reported in ``lost_bytes``.
"""

from dataclasses import dataclass

from alloytrio.outbox.crc import crc32
from alloytrio.outbox.files import File
from alloytrio.outbox.record import HEADER_BYTES, MARKER, Header, decode_header

CHUNK_BYTES = 128 * 1024
"""Read at a time: large enough that small records cost no system call each, small enough not to hold the loop up."""


@dataclass(slots=True)
class Found:
    """A record with a good header and a body that is there in full (its CRC is checked by ``RecordReader.body``).

    Args:
        offset: of the record in the file.
        end: where the next record begins.
        header: its fixed part.
        lost_bytes: bytes directly before it that belong to no record.
    """

    offset: int
    end: int
    header: Header
    lost_bytes: int


class RecordReader:
    """Walks over the records between two offsets.

    Args:
        file: is only read; the caller closes it.
        offset: of a record.
        end: bytes from here on are not looked at.
    """

    def __init__(self, file: File, offset: int, end: int) -> None:
        self._file = file
        self._end = end
        self._buffer = b""
        self._buffer_at = offset
        self.offset = offset

    def next(self) -> Found | None:
        """The next record; None at the end. ``offset`` then is behind the last record found."""
        at = self.offset
        while self._end - at >= HEADER_BYTES:
            self._need(at, HEADER_BYTES)
            header = decode_header(self._buffer, at - self._buffer_at)
            if header is not None and (end := at + HEADER_BYTES + header.body_bytes) <= self._end:
                found = Found(at, end, header, at - self.offset)
                self.offset = end
                return found
            at = self._next_marker(at + 1)
        return None

    def body(self, found: Found) -> bytes | None:
        """The body of a record; None if its CRC is wrong."""
        body = self._bytes(found.offset + HEADER_BYTES, found.header.body_bytes)
        return body if crc32(body) == found.header.body_crc else None

    def record(self, found: Found) -> bytes:
        """All bytes of a record, unchecked."""
        return self._bytes(found.offset, found.header.size)

    def names(self, found: Found) -> bytes:
        """Lane and encoding, end to end, unchecked."""
        return self._bytes(found.offset + HEADER_BYTES, found.header.positions_at)

    def _bytes(self, offset: int, size: int) -> bytes:
        self._need(offset, size)
        start = offset - self._buffer_at
        return self._buffer[start : start + size]

    def _need(self, offset: int, size: int) -> None:
        """Have these bytes in the buffer, as far as the range has them."""
        start = offset - self._buffer_at
        if start >= 0 and start + size <= len(self._buffer):
            return
        wanted = min(max(size, CHUNK_BYTES), self._end - offset)
        self._buffer = self._file.read(offset, wanted)
        self._buffer_at = offset

    def _next_marker(self, offset: int) -> int:
        """Where the next marker is, or the end of the range."""
        while self._end - offset >= len(MARKER):
            self._need(offset, len(MARKER))
            at = self._buffer.find(MARKER, offset - self._buffer_at)
            if at >= 0:
                return self._buffer_at + at
            read_to = self._buffer_at + len(self._buffer)
            if read_to >= self._end:
                break
            offset = read_to - len(MARKER) + 1
        return self._end
