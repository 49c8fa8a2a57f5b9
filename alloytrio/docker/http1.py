"""The client's side of HTTP/1.1, without I/O, as far as one GET per connection needs it.

Source: RFC 9112. Everything dockerd sends is covered: bodies with a length, chunked ones, and ones that end with the
connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alloytrio.errors import DecodeError
from alloytrio.wire.chunked import ChunkedDecoder

MAX_HEAD_BYTES = 65_536  # dockerd's heads have a few hundred

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Status and headers; names are in lower case."""

    status: int
    headers: Sequence[Header]

    def header(self, name: bytes) -> bytes:
        """The first value of a header; empty if there is none."""
        return next((value for each, value in self.headers if each == name), b"")


def encode_request(target: bytes, headers: Sequence[Header]) -> bytes:
    """A GET request.

    Raises:
        ValueError: a header would break out of its line.
    """
    lines = [b"GET " + target + b" HTTP/1.1"]
    for name, value in headers:
        if any(char in name + value for char in b"\r\n\0"):
            raise ValueError(f"header {name!r} holds a line break")
        lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])


def decode_head(data: bytes) -> tuple[ResponseHead, bytes] | None:
    """The head of a response and the bytes behind it; None if it is not complete. Interim (1xx) heads are skipped.

    Raises:
        DecodeError: this is no HTTP response.
    """
    while True:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > MAX_HEAD_BYTES:
                raise DecodeError("HTTP response: head too large")
            return None
        status_line, *lines = data[:end].split(b"\r\n")
        parts = status_line.split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit() or len(parts[1]) != 3:
            raise DecodeError(f"not an HTTP/1.1 response: {status_line[:60]!r}")
        data = data[end + 4 :]
        if parts[1][:1] != b"1":
            return ResponseHead(int(parts[1]), [_header(line) for line in lines]), data


def _header(line: bytes) -> Header:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip():
        raise DecodeError(f"HTTP response: not a header: {line[:60]!r}")
    return name.lower(), value.strip(b" \t")


class BodyDecoder:
    """Undoes the framing of a response's body.

    Attributes:
        done: the body has ended as it should.
    """

    def __init__(self, head: ResponseHead) -> None:
        self._chunked = ChunkedDecoder() if b"chunked" in head.header(b"transfer-encoding").lower() else None
        length = head.header(b"content-length")
        if self._chunked is None and length and not length.isdigit():
            raise DecodeError(f"HTTP response: not a length: {length[:40]!r}")
        bodiless = head.status in (204, 304)
        self._left: int | None = int(length) if length else (0 if bodiless else None)
        self.done = self._chunked is None and self._left == 0

    def feed(self, data: bytes) -> bytes:
        """The content that ``data`` holds.

        Raises:
            DecodeError: the framing is broken.
        """
        if self._chunked is not None:
            data = self._chunked.feed(data)
            self.done = self._chunked.done
        elif self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
            self.done = self._left == 0
        return data

    def end(self) -> bool:
        """The connection has ended; whether the body may end like this."""
        self.done = self.done or (self._chunked is None and self._left is None)
        return self.done
