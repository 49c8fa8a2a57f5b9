"""Message compression: what ``grpc-encoding`` names.

In: the bytes of one message, in pieces. Out: the message, never more than a limit. Errors: ``DecodeError`` for bytes
that do not decode, ``TooLargeError`` while inflating, before more than the limit is held.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

from alloytrio import inflate
from alloytrio.errors import DecodeError

_gzip: ModuleType
try:
    from isal import isal_zlib

    _gzip = isal_zlib
except ImportError:  # no wheel for this processor: zlib has the same interface, and is two to six times slower
    _gzip = zlib

_GZIP_ERRORS = (zlib.error, _gzip.error)
_GZIP_WINDOW = 31  # zlib's number for a window of 32 KiB with a gzip header
_GZIP_LEVEL = 1
SNAPPY_MAGIC = b"\xff\x06\x00\x00sNaPpY"  # the framed format of nothing
MAX_GZIP_MEMBERS = 128  # each costs a copy of what follows: more would let a message cost time only


class TooLargeError(Exception):
    """A message is, or inflates to, more than the limit."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to compress messages.

    Args:
        name: as in ``grpc-encoding``.
        compress: the whole message → its compressed form.
        decompress: (pieces, limit in bytes) → the message. Raises ``DecodeError`` and ``TooLargeError``.
    """

    name: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[Sequence[bytes], int], bytes]


def _compress_gzip(message: bytes) -> bytes:
    compressed: bytes = _gzip.compress(message, _GZIP_LEVEL, _GZIP_WINDOW)
    return compressed


def _decompress_gzip(pieces: Sequence[bytes], limit: int) -> bytes:
    """Inflate one or more gzip members."""
    compressed = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    parts: list[bytes] = []
    total = 0
    try:
        for _ in range(MAX_GZIP_MEMBERS):
            member = _gzip.decompressobj(_GZIP_WINDOW)
            part = member.decompress(compressed, limit - total + 1)
            total += len(part)
            if total > limit:
                raise TooLargeError
            parts.append(part)
            if not member.eof:
                raise DecodeError("a gzip message that ends too early")
            compressed = member.unused_data
            if not compressed:
                return parts[0] if len(parts) == 1 else b"".join(parts)
    except _GZIP_ERRORS as error:
        raise DecodeError("a message that is not gzip") from error
    raise DecodeError(f"a gzip message of more than {MAX_GZIP_MEMBERS} members")


def _compress_zstd(message: bytes) -> bytes:
    import zstandard  # few ask for it

    return zstandard.ZstdCompressor(level=1).compress(message)


def _compress_snappy(message: bytes) -> bytes:
    import snappy  # few ask for it

    return bytes(snappy.StreamCompressor().compress(message)) or SNAPPY_MAGIC


def _decompress_by(coding: str) -> Callable[[Sequence[bytes], int], bytes]:
    def decompress(pieces: Sequence[bytes], limit: int) -> bytes:
        try:
            return inflate.inflate(coding, pieces[0] if len(pieces) == 1 else b"".join(pieces), limit)
        except inflate.TooLargeError:
            raise TooLargeError from None

    return decompress


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("gzip", _compress_gzip, _decompress_gzip),
        Codec("zstd", _compress_zstd, _decompress_by("zstd")),
        Codec("snappy", _compress_snappy, _decompress_by("x-snappy-framed")),  # gRPC's snappy is the framed format
    )
}


def accepted_encodings() -> bytes:
    """The value of ``grpc-accept-encoding``."""
    return ",".join(["identity", *CODECS]).encode()
