"""HTTP/1.1's chunked transfer coding, undone without I/O.

dockerd sends each log line as a chunk of its own, so this runs once per line. Source: RFC 9112, section 7.1.
"""

from alloytrio.errors import DecodeError

_MAX_SIZE_LINE = 4096  # a chunk's size and extensions; peers send up to ten bytes
_MAX_TRAILERS = 65_536


class ChunkedDecoder:
    """Feed it the bytes of a body as they come.

    Attributes:
        done: the last chunk and its trailers have come.
    """

    def __init__(self) -> None:
        self.done: bool = False
        self._rest: bytes = b""
        self._left: int = 0  # bytes still to come of the current chunk, its CRLF included
        self._in_trailers: bool = False

    def feed(self, data: bytes) -> bytes:
        """The content that ``data`` holds. Bytes behind the end of the body are ignored.

        Raises:
            DecodeError: the coding is broken.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        out: list[bytes] = []
        at = 0
        size = len(data)
        while at < size and not self.done:
            if self._left > 2:
                end = min(at + self._left - 2, size)
                out.append(data[at:end])
                self._left -= end - at
                at = end
                continue
            if self._left > 0:  # the CRLF behind a chunk
                expected = b"\r\n"[2 - self._left]
                if data[at] != expected:
                    raise DecodeError("chunked body: a chunk does not end where it should")
                at += 1
                self._left -= 1
                continue
            newline = data.find(b"\r\n", at)
            if newline < 0:
                if size - at > (_MAX_TRAILERS if self._in_trailers else _MAX_SIZE_LINE):
                    raise DecodeError("chunked body: line too long")
                self._rest = data[at:]
                break
            if self._in_trailers:
                self.done = newline == at
            else:
                self._begin(data[at:newline])
            at = newline + 2
            # The common case, a whole chunk, without going round again.
            end = at + self._left - 2
            if self._left > 2 and end + 2 <= size and data[end] == 13 and data[end + 1] == 10:
                out.append(data[at:end])
                at = end + 2
                self._left = 0
        return out[0] if len(out) == 1 else b"".join(out)

    def _begin(self, line: bytes) -> None:
        digits = line
        if not line.isalnum():
            digits = line.partition(b";")[0].rstrip(b" \t")
        if not digits.isalnum() or len(digits) > 15:
            raise DecodeError(f"chunked body: not a chunk size: {line[:40]!r}")
        try:
            length = int(digits, 16)
        except ValueError:
            raise DecodeError(f"chunked body: not a chunk size: {line[:40]!r}") from None
        if length == 0:
            self._in_trailers = True
        else:
            self._left = length + 2
