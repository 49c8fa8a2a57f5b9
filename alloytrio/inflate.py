"""Undoes the compression of a request, never making more than a limit of it.

The limit is checked while inflating: a few kilobytes can stand for gigabytes. A length that is only declared is
checked before anything is allocated for it. The libraries of the rarer codings are imported when one comes.

Source: the content codings of the collector's HTTP server and the message encodings of its gRPC server.
"""

import zlib
from collections.abc import Callable, Mapping

from alloytrio.errors import DecodeError

_SNAPPY_MAGIC = b"\xff\x06\x00\x00sNaPpY"
_ZSTD_WINDOW = 8 * 1024 * 1024  # what a decoder must support; larger windows are memory for the asking
_ZSTD_GAIN = 128 * 1024 // 4  # the most that one byte of zstd stands for: a run-length block
_ZSTD_MIN_STEP = 64
MAX_MEMBERS = 64  # of gzip, zlib, lz4: each costs a copy of what follows it
MAX_ZSTD_FRAMES = 4096  # each costs a decompressor; batches of such senders as this service have some hundreds
MAX_SNAPPY_CHUNKS = 16_384  # of at most 64 KiB each; padding chunks carry nothing


class TooLargeError(DecodeError):
    """More bytes than the limit would come out."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes after decompression")


def inflate(encoding: str, body: bytes, limit: int) -> bytes:
    """The bytes that were compressed.

    Args:
        encoding: a name in ``DECODERS``, or ``""`` or ``identity``.
        body: the whole compressed request.
        limit: bytes that may come out.

    Raises:
        TooLargeError: more would come out.
        DecodeError: not in this encoding, cut short, or followed by something else.
    """
    if encoding in ("", "identity"):
        if len(body) > limit:
            raise TooLargeError(limit)
        return body
    return DECODERS[encoding](body, limit)


def _gzip(body: bytes, limit: int) -> bytes:
    """One or more gzip members."""
    return _zlib_members(body, limit, 16 + zlib.MAX_WBITS, "gzip")


def _zlib(body: bytes, limit: int) -> bytes:
    return _zlib_members(body, limit, zlib.MAX_WBITS, "zlib")


def _zlib_members(body: bytes, limit: int, window_bits: int, name: str) -> bytes:
    parts: list[bytes] = []
    room = limit
    rest = body
    while rest:
        _check_count(len(parts), MAX_MEMBERS, name)
        member = zlib.decompressobj(window_bits)
        try:
            out = member.decompress(rest, room + 1)
        except zlib.error as exc:
            raise DecodeError(f"not {name}: {exc}") from exc
        room -= len(out)
        if room < 0:
            raise TooLargeError(limit)
        if not member.eof:
            raise DecodeError(f"{name} ends in the middle")
        parts.append(out)
        rest = member.unused_data
    if not parts:
        raise DecodeError(f"{name} of nothing")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _zstd(body: bytes, limit: int) -> bytes:
    """One or more zstd frames.

    The library has no bound on what comes out of one call, so it is fed in steps: a block of four bytes can stand for
    128 KiB, and no step may stand for much more than what is still allowed.
    """
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    out = bytearray()
    at, frame, frames = 0, decompressor.decompressobj(), 1
    try:
        while at < len(body):
            step = max(_ZSTD_MIN_STEP, (limit - len(out)) // _ZSTD_GAIN)
            piece = body[at : at + step]
            out += frame.decompress(piece)
            at += len(piece) - len(frame.unused_data)
            if len(out) > limit:
                raise TooLargeError(limit)
            if frame.eof and at < len(body):
                _check_count(frames, MAX_ZSTD_FRAMES, "zstd")
                frame, frames = decompressor.decompressobj(), frames + 1
    except zstandard.ZstdError as exc:
        raise DecodeError(f"not zstd: {exc}") from exc
    if not frame.eof:
        raise DecodeError("zstd ends in the middle")
    return bytes(out)


def _lz4(body: bytes, limit: int) -> bytes:
    """One or more lz4 frames."""
    import lz4.frame

    parts: list[bytes] = []
    room, rest = limit, body
    while rest:
        _check_count(len(parts), MAX_MEMBERS, "lz4")
        frame = lz4.frame.LZ4FrameDecompressor()
        try:
            out = frame.decompress(rest, max_length=room + 1)
        except (RuntimeError, EOFError) as exc:
            raise DecodeError(f"not lz4: {exc}") from exc
        room -= len(out)
        if room < 0:
            raise TooLargeError(limit)
        if not frame.eof:
            raise DecodeError("lz4 ends in the middle")
        parts.append(out)
        rest = frame.unused_data or b""
    if not parts:
        raise DecodeError("lz4 of nothing")
    return b"".join(parts)


def _snappy(body: bytes, limit: int) -> bytes:
    """The block format, or the framed one if the bytes begin like it."""
    return _snappy_framed(body, limit) if body.startswith(_SNAPPY_MAGIC) else snappy_block(body, limit)


def snappy_block(body: bytes, limit: int) -> bytes:
    """One snappy block; the length that it declares is checked first."""
    import snappy

    declared = shift = 0
    for byte in body[:5]:
        declared |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    else:
        raise DecodeError("not snappy: no length")
    if declared > limit:
        raise TooLargeError(limit)
    try:
        return bytes(snappy.uncompress(body))
    except snappy.UncompressError as exc:
        raise DecodeError(f"not snappy: {exc}") from exc


def _snappy_framed(body: bytes, limit: int) -> bytes:
    """The framed format: chunks of at most 64 KiB each, with a type, a length and a checksum."""
    import snappy

    stream = snappy.StreamDecompressor()
    out = bytearray()
    at = chunks = 0
    while at < len(body):
        _check_count(chunks, MAX_SNAPPY_CHUNKS, "snappy")
        chunks += 1
        size = int.from_bytes(body[at + 1 : at + 4], "little")
        chunk = body[at : at + 4 + size]
        if len(chunk) < 4 + size or len(body) - at < 4:
            raise DecodeError("snappy ends in the middle")
        try:
            out += stream.decompress(chunk)
        except (snappy.UncompressError, OSError) as exc:  # OSError: what the library underneath says of a bad block
            raise DecodeError(f"not snappy: {exc}") from exc
        if len(out) > limit:
            raise TooLargeError(limit)
        at += len(chunk)
    return bytes(out)


def _check_count(count: int, limit: int, name: str) -> None:
    """Refuse to go on with many pieces: they would cost time without making a byte."""
    if count >= limit:
        raise DecodeError(f"{name} of more than {limit} pieces")


DECODERS: Mapping[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "zstd": _zstd,
    "zlib": _zlib,
    "deflate": _zlib,  # HTTP's name for the zlib format
    "snappy": _snappy,
    "x-snappy-framed": _snappy_framed,
    "lz4": _lz4,
}
"""By content coding."""
