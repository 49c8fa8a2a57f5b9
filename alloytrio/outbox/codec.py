"""How a batch's fragments are compressed: each once, in pieces that join to one body that any decoder reads.

A codec packs a fragment into a *piece* and joins pieces into a body:

* gzip (RFC 1952): a piece is raw deflate that ends in a full flush, so it is byte-aligned and refers to nothing
  before it. A body is the gzip header, the pieces, an empty final block, and the combined CRC-32 and length: one
  ordinary member. (Members laid end to end would be simpler, but many decoders stop after the first.)
* zlib (RFC 1950), which HTTP calls ``deflate`` too: the same pieces, with zlib's header and a combined Adler-32.
* snappy block format: a piece is a block without its length preamble. A body is the sum of the lengths, as a varint,
  and the pieces; copies inside a piece only refer backwards into that piece.
* zstd (RFC 8878): a piece is a frame; frames join end to end (section 3.1).
* identity: pieces are the plain bytes.

Small fragments compress badly alone (one span: 8 times larger than together with others), so they are kept plain
until the batch is cut, and runs of them are packed then.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Protocol

from alloytrio.outbox.crc import DEFLATE, crc32, crc32_combine
from alloytrio.wire.protobuf import varint

PIECE_MIN_BYTES = 16 * 1024
"""Fragments below this are journalled plain: at 64 spans (about 16 KiB) a piece alone is 1.1 times its joined size."""

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no flags, no time, unknown system
_ZLIB_HEADER = b"\x78\x01"  # deflate, window of 32 KiB, fastest level
_ADLER_BASE = 65521
_EMPTY_FINAL_BLOCK = b"\x03\x00"
_GZIP_TRAILER = struct.Struct("<II")
_LEVEL = 1


@dataclass(slots=True)
class Part:
    """Bytes of one or more fragments, in the form in which they are kept.

    Args:
        payload: a codec's piece, or plain bytes.
        plain_bytes: length before packing.
        plain_crc: CRC-32 of the plain bytes (zlib: Adler-32), if ``packed`` by a codec that needs it, else 0.
        packed: whether ``payload`` is a piece.
    """

    payload: bytes
    plain_bytes: int
    plain_crc: int = 0
    packed: bool = False


class Codec(Protocol):
    """Packs fragments, joins what it packed, and undoes both."""

    packs: bool
    """Whether a large fragment is packed when it is accepted; if not, it is kept plain and ``pack`` is not called."""

    def pack(self, plain: bytes) -> Part:
        """One piece."""

    def join(self, parts: Sequence[Part]) -> bytes:
        """The body of a batch: pieces and plain parts in their order, runs of plain ones packed together."""

    def unpack(self, part: Part) -> bytes:
        """The plain bytes of a part.

        Raises:
            ValueError: the piece is damaged.
        """

    def decode(self, body: bytes) -> bytes:
        """The plain bytes of a whole body, as a backend would read it."""


class IdentityCodec:
    """No compression: a body is the plain fragments laid end to end."""

    packs = False

    def pack(self, plain: bytes) -> Part:
        """The bytes themselves."""
        return Part(plain, len(plain))

    def join(self, parts: Sequence[Part]) -> bytes:
        """All payloads, end to end."""
        return parts[0].payload if len(parts) == 1 else b"".join([part.payload for part in parts])

    def unpack(self, part: Part) -> bytes:
        """The payload."""
        return part.payload

    def decode(self, body: bytes) -> bytes:
        """The body."""
        return body


class GzipCodec:
    """One gzip member per batch, by isal at level 1 (0.18 ms for 240 kB; zlib at level 1: 1.1 ms, the same size).

    Args:
        deflate: isal's or Python's own zlib module.
    """

    packs = True

    def __init__(self, deflate: ModuleType = DEFLATE) -> None:
        self._deflate = deflate

    @staticmethod
    def checksum(plain: bytes) -> int:
        """What a part keeps of its plain bytes: the CRC-32."""
        return crc32(plain)

    def pack(self, plain: bytes) -> Part:
        """Raw deflate up to a full flush."""
        compressor = self._deflate.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        piece = compressor.compress(plain) + compressor.flush(zlib.Z_FULL_FLUSH)
        return Part(piece, len(plain), self.checksum(plain), True)

    def join(self, parts: Sequence[Part]) -> bytes:
        """One member that holds all parts."""
        pieces = [_GZIP_HEADER]
        crc = length = 0
        for part in _packed_runs(self, parts):
            pieces.append(part.payload)
            crc = crc32_combine(crc, part.plain_crc, part.plain_bytes)
            length += part.plain_bytes
        pieces += (_EMPTY_FINAL_BLOCK, _GZIP_TRAILER.pack(crc, length & 0xFFFFFFFF))
        return b"".join(pieces)

    def unpack(self, part: Part) -> bytes:
        """Inflate a piece and check its checksum."""
        if not part.packed:
            return part.payload
        try:
            plain = bytes(zlib.decompressobj(-zlib.MAX_WBITS).decompress(part.payload, part.plain_bytes + 1))
        except zlib.error as exc:
            raise ValueError(f"damaged deflate piece: {exc}") from exc
        if len(plain) != part.plain_bytes or self.checksum(plain) != part.plain_crc:
            raise ValueError("damaged deflate piece: its length or checksum does not match")
        return plain

    def decode(self, body: bytes) -> bytes:
        """Inflate one member."""
        try:
            return zlib.decompress(body, 16 + zlib.MAX_WBITS)
        except zlib.error as exc:
            raise ValueError(f"not a gzip member: {exc}") from exc


class ZlibCodec(GzipCodec):
    """The same pieces in a zlib stream; what a part keeps of its plain bytes is their Adler-32."""

    @staticmethod
    def checksum(plain: bytes) -> int:
        """Adler-32."""
        return zlib.adler32(plain)

    def join(self, parts: Sequence[Part]) -> bytes:
        """One zlib stream that holds all parts."""
        pieces = [_ZLIB_HEADER]
        checksum = 1
        for part in _packed_runs(self, parts):
            pieces.append(part.payload)
            checksum = adler32_combine(checksum, part.plain_crc, part.plain_bytes)
        pieces += (_EMPTY_FINAL_BLOCK, checksum.to_bytes(4, "big"))
        return b"".join(pieces)

    def decode(self, body: bytes) -> bytes:
        """Inflate one stream."""
        try:
            return zlib.decompress(body)
        except zlib.error as exc:
            raise ValueError(f"not zlib: {exc}") from exc


def adler32_combine(first: int, second: int, second_bytes: int) -> int:
    """The Adler-32 of two texts end to end from those of each. Source: RFC 1950, section 8.2."""
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + second_bytes * ((first & 0xFFFF) - 1)
    return high % _ADLER_BASE << 16 | low % _ADLER_BASE


class SnappyCodec:
    """Snappy's block format, as Prometheus remote write 1.0 and Loki's push want it."""

    packs = True

    def __init__(self) -> None:
        import snappy

        self._snappy = snappy

    def pack(self, plain: bytes) -> Part:
        """A block without its length."""
        return Part(_without_varint(bytes(self._snappy.compress(plain))), len(plain), 0, True)

    def join(self, parts: Sequence[Part]) -> bytes:
        """The sum of the lengths, then all blocks."""
        packed = list(_packed_runs(self, parts))
        return b"".join([varint(sum(part.plain_bytes for part in packed)), *(part.payload for part in packed)])

    def unpack(self, part: Part) -> bytes:
        """The plain bytes of a block."""
        return self.decode(varint(part.plain_bytes) + part.payload) if part.packed else part.payload

    def decode(self, body: bytes) -> bytes:
        """The plain bytes of a block with its length."""
        try:
            return bytes(self._snappy.decompress(body))
        except self._snappy.UncompressError as exc:
            raise ValueError(f"not a snappy block: {exc}") from exc


class ZstdCodec:
    """Zstd frames end to end, at level 1."""

    packs = True

    def __init__(self) -> None:
        import zstandard

        self._zstandard = zstandard
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)

    def pack(self, plain: bytes) -> Part:
        """One frame."""
        return Part(self._compressor.compress(plain), len(plain), 0, True)

    def join(self, parts: Sequence[Part]) -> bytes:
        """All frames."""
        return b"".join([part.payload for part in _packed_runs(self, parts)])

    def unpack(self, part: Part) -> bytes:
        """The plain bytes of a frame."""
        if not part.packed:
            return part.payload
        plain = self.decode(part.payload)
        if len(plain) != part.plain_bytes:
            raise ValueError("damaged zstd frame: its length does not match")
        return plain

    def decode(self, body: bytes) -> bytes:
        """The plain bytes of all frames."""
        try:
            with self._zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
                return bytes(reader.read())
        except self._zstandard.ZstdError as exc:
            raise ValueError(f"not zstd: {exc}") from exc


IDENTITY = IdentityCodec()
_CODECS: dict[str, Callable[[], Codec]] = {
    "gzip": GzipCodec,
    "zlib": ZlibCodec,
    "deflate": ZlibCodec,  # HTTP's name for the zlib format
    "snappy": SnappyCodec,
    "zstd": ZstdCodec,
    "identity": lambda: IDENTITY,
    "none": lambda: IDENTITY,
}
"""By name; made when first asked for, since each imports its library."""


@cache
def _made(name: str) -> Codec:
    return _CODECS[name]()


def codec_of(encoding: str) -> Codec:
    """The codec that an encoding names after its last slash.

    Raises:
        ValueError: there is no such codec.
    """
    name = encoding.rpartition("/")[2]
    try:
        return _made(name)
    except KeyError:
        raise ValueError(f"encoding {encoding!r} ends in no codec; known are {', '.join(_CODECS)}") from None


def decode_body(encoding: str, body: bytes) -> bytes:
    """The plain message in a batch's body, for an exporter that must look inside.

    Raises:
        ValueError: there is no such codec, or the body is damaged.
    """
    return codec_of(encoding).decode(body)


def encode_body(encoding: str, plain: bytes) -> bytes:
    """The body of a batch that holds this plain message, for an exporter that has changed it.

    Raises:
        ValueError: there is no such codec.
    """
    return codec_of(encoding).join([Part(plain, len(plain))])


def _packed_runs(codec: Codec, parts: Sequence[Part]) -> list[Part]:
    """All parts packed; neighbouring plain ones become one piece."""
    packed: list[Part] = []
    run: list[bytes] = []
    for part in parts:
        if part.packed:
            if run:
                packed.append(codec.pack(b"".join(run)))
                run = []
            packed.append(part)
        else:
            run.append(part.payload)
    if run:
        packed.append(codec.pack(b"".join(run)))
    return packed


def _without_varint(block: bytes) -> bytes:
    end = 0
    while block[end] & 0x80:
        end += 1
    return block[end + 1 :]
