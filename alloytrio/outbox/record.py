"""The records of a segment file: how a fragment, or a set of positions, lies on the disk.

A record is a fixed header, then its body: lane name, encoding, positions, payload. Header and body have a CRC-32 each:
a damaged body costs one record, and behind a damaged header the next record is found by its marker. Each record says
its own number in the segment, so that a completion can name it whatever happened to the records before it. All numbers
are little-endian.

Sans-IO: bytes in, bytes out.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from alloytrio.outbox.crc import crc32

FRAGMENT = 1
"""Bytes to deliver."""
POSITIONS = 2
"""Positions alone: settled as soon as written."""
SNAPSHOT = 3
"""All positions as they were when the segment began."""

PACKED = 1
"""Flag: the payload is a codec's piece, not plain bytes."""
CONTINUED = 2
"""Flag: the next record belongs to the same put; half a put at the end of the journal is no put."""

MARKER = b"\xc6OB1"
_PREFIX = struct.Struct("<4sI")  # marker, CRC-32 of the fields
# body CRC, body length, index, kind, flags, lane, encoding and positions lengths, items, plain length, plain CRC,
# acceptance
_FIELDS = struct.Struct("<IIIBBHHIIIIQ")
_POSITION = struct.Struct("<II")
HEADER_BYTES = _PREFIX.size + _FIELDS.size
MAX_NAME_BYTES = 0xFFFF
_KINDS = frozenset((FRAGMENT, POSITIONS, SNAPSHOT))


@dataclass(slots=True)
class Header:
    """What a record's fixed part says.

    Args:
        body_crc: CRC-32 of what follows the header.
        body_bytes: length of that.
        index: number of the record in its segment, from 0. Only FRAGMENT records count; others have the next one's.
        kind: FRAGMENT, POSITIONS or SNAPSHOT.
        flags: PACKED, CONTINUED.
        lane_bytes: length of the lane's name, the first part of the body.
        encoding_bytes: length of the encoding, the second part.
        positions_bytes: length of the positions, the third part; the payload is the rest.
        items: spans, samples or lines in the payload.
        plain_bytes: length of the payload before it was packed.
        plain_crc: CRC-32 of that, if the codec needs it.
        accepted_ns: when it was accepted, wall-clock nanoseconds.
    """

    body_crc: int
    body_bytes: int
    index: int
    kind: int
    flags: int
    lane_bytes: int
    encoding_bytes: int
    positions_bytes: int
    items: int
    plain_bytes: int
    plain_crc: int
    accepted_ns: int

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return HEADER_BYTES + self.body_bytes

    @property
    def positions_at(self) -> int:
        """Where the positions begin in the body."""
        return self.lane_bytes + self.encoding_bytes

    @property
    def payload_at(self) -> int:
        """Where the payload begins in the body."""
        return self.lane_bytes + self.encoding_bytes + self.positions_bytes


def decode_header(buffer: bytes, offset: int) -> Header | None:
    """The header at an offset; None if there is none: too few bytes, no marker, wrong CRC, lengths that cannot be."""
    if len(buffer) - offset < HEADER_BYTES:
        return None
    marker, crc = _PREFIX.unpack_from(buffer, offset)
    fields = buffer[offset + _PREFIX.size : offset + HEADER_BYTES]
    if marker != MARKER or crc32(fields) != crc:
        return None
    header = Header(*_FIELDS.unpack(fields))
    if header.kind not in _KINDS or header.payload_at > header.body_bytes:
        return None
    return header


class Record:
    """A record to be written.

    Args:
        kind: FRAGMENT, POSITIONS or SNAPSHOT.
        lane: the lane's name, UTF-8, at most MAX_NAME_BYTES.
        encoding: the same of the encoding.
        positions: merged into the journal's when the record is written.
        payload: a piece or plain bytes.
        packed: which of the two.
        items, plain_bytes, plain_crc: as in ``Header``.

    Attributes:
        key: lane and encoding.
        size: bytes of the whole record.
    """

    __slots__ = (
        "_body_crc",
        "_encoding_bytes",
        "_lane_bytes",
        "_positions_bytes",
        "_prefix",
        "items",
        "key",
        "kind",
        "packed",
        "payload",
        "plain_bytes",
        "plain_crc",
        "positions",
        "size",
    )

    def __init__(
        self,
        kind: int,
        lane: bytes,
        encoding: bytes,
        positions: Mapping[bytes, bytes],
        payload: bytes = b"",
        packed: bool = False,
        items: int = 0,
        plain_bytes: int = 0,
        plain_crc: int = 0,
    ) -> None:
        self.kind = kind
        self.key = lane, encoding
        self.positions = positions
        self.payload = payload
        self.packed = packed
        self.items = items
        self.plain_bytes = plain_bytes
        self.plain_crc = plain_crc
        self._lane_bytes = len(lane)
        self._encoding_bytes = len(encoding)
        prefix = lane + encoding
        if positions:
            prefix += encode_positions(positions)
        self._positions_bytes = len(prefix) - len(lane) - len(encoding)
        self._prefix = prefix
        self._body_crc = crc32(payload, crc32(prefix))
        self.size = HEADER_BYTES + len(prefix) + len(payload)

    def encode(self, index: int, accepted_ns: int, continued: bool = False) -> bytes:
        """The bytes before the payload.

        Args:
            index: number of the record in its segment.
            accepted_ns: wall-clock nanoseconds.
            continued: the next record belongs to the same put.
        """
        fields = _FIELDS.pack(
            self._body_crc,
            self.size - HEADER_BYTES,
            index,
            self.kind,
            (PACKED if self.packed else 0) | (CONTINUED if continued else 0),
            self._lane_bytes,
            self._encoding_bytes,
            self._positions_bytes,
            self.items,
            self.plain_bytes,
            self.plain_crc,
            accepted_ns,
        )
        return _PREFIX.pack(MARKER, crc32(fields)) + fields + self._prefix


def encode_positions(positions: Mapping[bytes, bytes]) -> bytes:
    """Keys and values, each with its length in front."""
    return b"".join([_POSITION.pack(len(key), len(value)) + key + value for key, value in positions.items()])


def decode_positions(encoded: bytes) -> dict[bytes, bytes]:
    """The keys and values again. The record's CRC has been checked before."""
    positions = {}
    offset = 0
    while offset < len(encoded):
        key_bytes, value_bytes = _POSITION.unpack_from(encoded, offset)
        offset += _POSITION.size
        middle = offset + key_bytes
        positions[encoded[offset:middle]] = encoded[middle : middle + value_bytes]
        offset = middle + value_bytes
    return positions


def merge_positions(into: dict[bytes, bytes], positions: Mapping[bytes, bytes]) -> None:
    """The last value of a key wins; an empty value forgets the key."""
    for key, value in positions.items():
        if value:
            into[key] = value
        else:
            into.pop(key, None)
