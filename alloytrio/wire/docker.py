"""Docker's log streams: from bytes to lines, without I/O.

In: bytes of ``GET /containers/{id}/logs?timestamps=1``, cut anywhere. Out: entries in the order of the log file.

A container without a TTY has frames: one byte for the stream (0 stdin, 1 stdout, 2 stderr, 3 an error of dockerd's),
three of padding, four for the length (big endian), then ``<RFC 3339 time with nine decimals>Z <text>\\n``. With a TTY
the same messages come without the eight bytes, all of them stdout. dockerd cuts a line after 16 384 bytes; all pieces
but the last lack the newline and each repeats the time of the first. Pieces are joined here; a line longer than the
limit keeps its beginning and says how long it was; bytes that are not UTF-8 become ``\\xNN``.

Source: moby ``daemon/logger/copier.go``, ``pkg/stdcopy``; ``daemon/logger/loggerutils``.
"""

from alloytrio.wire.entry import Entry, Origin

PIECE_BYTES = 16_384  # moby's daemon/logger/copier.go: defaultBufSize
_HEADER_BYTES = 8
_STAMP_BYTES = 31  # "2021-12-09T09:15:03.075785005Z "
_LONGEST_STAMP = 64  # any RFC 3339 time with an offset
_NEWLINE, _RETURN, _SPACE, _DOT, _ZULU = 10, 13, 32, 46, 90
_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_NANO = 1_000_000_000


def parse_time(text: bytes) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time with up to nine decimals; -1 if it is none."""
    if len(text) < 20 or not (text[4] == text[7] == 45 and text[10] == 84 and text[13] == text[16] == 58):
        return -1
    digits = text[0:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] + text[17:19]
    rest = text[19:]
    nanos = 0
    if rest[0] == _DOT:
        end = 1
        while end < len(rest) and 48 <= rest[end] <= 57:
            end += 1
        if end == 1 or end > 10:
            return -1
        nanos = int(rest[1:end].ljust(9, b"0"))
        rest = rest[end:]
    offset = 0
    if rest != b"Z":
        if len(rest) != 6 or rest[0] not in (43, 45) or rest[3] != 58 or not (rest[1:3] + rest[4:6]).isdigit():
            return -1
        offset = (int(rest[1:3]) * 60 + int(rest[4:6])) * (60 if rest[0] == 43 else -60)
    if not digits.isdigit():
        return -1
    year, month, day = int(digits[0:4]), int(digits[4:6]), int(digits[6:8])
    hour, minute, second = int(digits[8:10]), int(digits[10:12]), int(digits[12:14])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if year < 1970 or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 60:
        return -1
    month_days = 29 if month == 2 and leap else (28, 30, 31)[0 if month == 2 else 1 if month in (4, 6, 9, 11) else 2]
    if not 1 <= day <= month_days:
        return -1
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719_162
    days += _DAYS_BEFORE_MONTH[month - 1] + (1 if leap and month > 2 else 0) + day - 1
    return (days * 86_400 + hour * 3_600 + minute * 60 + second - offset) * _NANO + nanos


def readable(text: bytes) -> bytes:
    """The same text with each byte that is not UTF-8 written as ``\\xNN``."""
    if text.isascii():
        return text
    return text.decode("utf-8", "backslashreplace").encode("utf-8")


def truncate(text: bytes, limit: int, size: int) -> bytes:
    """The beginning of a line and a note that it was longer, ``limit`` bytes in all; no character is cut in two.

    Args:
        text: UTF-8, at least the first ``limit`` bytes of the line.
        limit: bytes of the result at most.
        size: bytes of the whole line.
    """
    note = b" [truncated, %d bytes]" % size
    keep = max(limit - len(note), 0)
    while keep > 0 and keep < len(text) and text[keep] & 0xC0 == 0x80:
        keep -= 1
    return (text[:keep] + note)[:limit]


class _Partial:
    """A line of which some pieces have come.

    Args:
        stamp: its time as written, which each further piece repeats; empty if the line has none that can be read.
        ts_ns: its time.
    """

    __slots__ = ("kept", "pieces", "size", "stamp", "ts_ns")

    def __init__(self, stamp: bytes, ts_ns: int) -> None:
        self.stamp: bytes = stamp
        self.ts_ns: int = ts_ns
        self.pieces: list[bytes] = []
        self.kept: int = 0
        self.size: int = 0

    def add(self, piece: bytes, limit: int) -> None:
        """Take a piece; of what goes beyond ``limit`` only the length is kept."""
        self.size += len(piece)
        room = limit + 4 - self.kept  # a character that the limit cuts must be seen whole
        if room > 0:
            self.pieces.append(piece[:room])
            self.kept += min(room, len(piece))


class LogDecoder:
    """Turns the bytes of one log stream into entries.

    Args:
        tty: the container has a TTY: no frames.
        max_line_bytes: longer lines are cut to this and end in a note.
        stdout: origin of the entries from stdout and stdin.
        stderr: origin of the entries from stderr.
        seq: number of the first entry.

    Attributes:
        error: what dockerd or the protocol said last, which ends the stream; empty for none. Entries that came
            before it are still returned.
        truncated: lines that were over the limit.
        unstamped: lines that were left out because their time could not be read.
    """

    def __init__(self, tty: bool, max_line_bytes: int, stdout: Origin, stderr: Origin, seq: int) -> None:
        self.error: str = ""
        self.truncated: int = 0
        self.unstamped: int = 0
        self.seq: int = seq
        self._tty: bool = tty
        self._limit: int = max_line_bytes
        self._stdout: Origin = stdout
        self._stderr: Origin = stderr
        self._rest: bytes = b""
        self._out_partial: _Partial | None = None
        self._err_partial: _Partial | None = None
        self._second: bytes = b""  # the second of the latest line, and its time
        self._second_ns: int = 0
        self._skipping: int = 0  # bytes still to come of a frame that is too long to wait for
        self._skipping_stream: int = 0

    def set_origins(self, stdout: Origin, stderr: Origin) -> None:
        """Other labels for the entries from now on."""
        self._stdout = stdout
        self._stderr = stderr

    def feed(self, data: bytes) -> list[Entry]:
        """The entries that ``data`` completes, in order."""
        if self.error:
            return []
        entries: list[Entry] = []
        if self._rest:
            data = self._rest + data
        used = self._feed_tty(data, entries) if self._tty else self._feed_frames(data, entries)
        self._rest = data[used:]
        return entries

    def finish(self) -> list[Entry]:
        """The stream is at its end and nothing more will come: what waits for its last piece becomes an entry.

        Only for a container that has ended. If a stream breaks, throw the decoder away: the line is read again.
        """
        entries: list[Entry] = []
        if self._tty and self._rest:
            self._tty_line(self._rest, entries)
        self._rest = b""
        for stream in (1, 2):
            partial = self._partial(stream)
            if partial is not None:
                self._set_partial(stream, None)
                self._complete(stream, partial, entries)
        return entries

    def _stamp(self, text: bytes, start: int) -> int:
        """The time that ``text`` has at ``start`` in the usual form, without checking; -1 if it is not that form."""
        if len(text) < start + _STAMP_BYTES or text[start + 30] != _SPACE or text[start + 29] != _ZULU:
            return -1
        second = text[start : start + 19]
        if second != self._second:
            at = parse_time(second + b"Z")
            if at < 0:
                return -1
            self._second = second
            self._second_ns = at
        nanos = text[start + 20 : start + 29]
        if text[start + 19] != _DOT or not nanos.isdigit():
            return -1
        return self._second_ns + int(nanos)

    def _feed_frames(self, data: bytes, entries: list[Entry]) -> int:
        at = 0
        end_of_data = len(data)
        if self._skipping:
            at = self._skip(data, 0, entries)
        while end_of_data - at >= _HEADER_BYTES:
            stream = data[at]
            start = at + _HEADER_BYTES
            end = start + (data[at + 4] << 24 | data[at + 5] << 16 | data[at + 6] << 8 | data[at + 7])
            if stream > 2:
                self._fail(stream, data[start : min(end, start + 1024)])
                return end_of_data
            if end > end_of_data:
                if end - start > self._limit + 2 * PIECE_BYTES and end_of_data - start >= _LONGEST_STAMP:
                    at = self._begin_long(stream, data, start, end, entries)
                    continue
                break
            at = end
            ts_ns = self._stamp(data, start)
            if stream == 2:
                partial, origin = self._err_partial, self._stderr
            else:
                partial, origin = self._out_partial, self._stdout
            if partial is not None or ts_ns < 0 or data[end - 1] != _NEWLINE or end - start > self._limit:
                self._slow_frame(stream, data[start:end], entries)
                continue
            start += _STAMP_BYTES
            end -= 1
            if data[end - 1] == _RETURN and end > start:
                end -= 1
            if end > start:
                line = data[start:end]
                entries.append(Entry(origin, ts_ns, line if line.isascii() else readable(line), self.seq))
                self.seq += 1
        return at

    def _fail(self, stream: int, text: bytes) -> None:
        if stream == 3:
            self.error = "dockerd: " + readable(text).decode("utf-8").strip()
        else:
            self.error = f"not a log stream: frame of type {stream}"

    def _partial(self, stream: int) -> _Partial | None:
        return self._err_partial if stream == 2 else self._out_partial

    def _set_partial(self, stream: int, partial: _Partial | None) -> None:
        if stream == 2:
            self._err_partial = partial
        else:
            self._out_partial = partial

    def _slow_frame(self, stream: int, payload: bytes, entries: list[Entry]) -> None:
        """A frame that is a piece, or long, or has an unusual time."""
        ended = payload.endswith(b"\n")
        if ended:
            payload = payload[:-1]
        partial, content = self._piece(stream, payload, entries)
        if partial is None:
            return
        partial.add(content, self._limit)
        if ended or (len(content) < PIECE_BYTES and partial.size == len(content)):
            self._set_partial(stream, None)
            self._complete(stream, partial, entries)
        else:
            self._set_partial(stream, partial)

    def _piece(self, stream: int, payload: bytes, entries: list[Entry]) -> tuple[_Partial | None, bytes]:
        """The line that a payload belongs to, and the payload without its time.

        A piece with another time than the line that waits is a new line: the container died in the old one.
        """
        partial = self._partial(stream)
        if partial is not None:
            if payload.startswith(partial.stamp):
                return partial, payload[len(partial.stamp) :]
            self._set_partial(stream, None)
            self._complete(stream, partial, entries)
        space = payload.find(b" ", 0, _LONGEST_STAMP)
        ts_ns = parse_time(payload[:space]) if space > 0 else -1
        if ts_ns < 0:
            self.unstamped += 1
            return None, b""
        return _Partial(payload[: space + 1], ts_ns), payload[space + 1 :]

    def _complete(self, stream: int, partial: _Partial, entries: list[Entry]) -> None:
        if partial.ts_ns < 0:  # counted when its beginning came
            return
        line = b"".join(partial.pieces)
        size = partial.size
        if size == partial.kept and line.endswith(b"\r"):
            line = line[:-1]
            size -= 1
        if not line:
            return
        line = readable(line)
        if max(size, len(line)) > self._limit:
            line = truncate(line, self._limit, size)
            self.truncated += 1
        entries.append(Entry(self._stderr if stream == 2 else self._stdout, partial.ts_ns, line, self.seq))
        self.seq += 1

    def _begin_long(self, stream: int, data: bytes, start: int, end: int, entries: list[Entry]) -> int:
        """A frame longer than any line may be: take what is there, and count the rest as it comes."""
        self._skipping = end - len(data)
        self._skipping_stream = stream
        partial, content = self._piece(stream, data[start:], entries)
        if partial is None:
            partial = _Partial(b"", -1)
        partial.add(content, self._limit)
        self._set_partial(stream, partial)
        return len(data)

    def _skip(self, data: bytes, at: int, entries: list[Entry]) -> int:
        taken = min(self._skipping, len(data) - at)
        piece = data[at : at + taken]
        self._skipping -= taken
        stream = self._skipping_stream
        partial = self._partial(stream)
        if partial is not None:
            ended = self._skipping == 0 and piece.endswith(b"\n")
            partial.add(piece[:-1] if ended else piece, self._limit)
            if ended or (self._skipping == 0 and partial.ts_ns < 0):
                self._set_partial(stream, None)
                self._complete(stream, partial, entries)
        return at + taken

    def _feed_tty(self, data: bytes, entries: list[Entry]) -> int:
        at = 0
        while True:
            end = data.find(b"\n", at)
            if end < 0:
                break
            self._tty_line(data[at:end], entries)
            at = end + 1
        longest = self._limit + (self._limit // PIECE_BYTES + 2) * _STAMP_BYTES
        if len(data) - at > longest + PIECE_BYTES:
            self._tty_long(data[at:])
            return len(data)
        return at

    def _tty_long(self, data: bytes) -> None:
        """A line beyond the limit, still without its end: keep its beginning, count the rest."""
        partial = self._out_partial
        if partial is None:
            space = data.find(b" ", 0, _LONGEST_STAMP)
            ts_ns = parse_time(data[:space]) if space > 0 else -1
            partial = _Partial(data[: space + 1], ts_ns)
            if ts_ns < 0:
                self.unstamped += 1
            else:
                data = self._without_repeats(data[space + 1 :], partial.stamp)
        partial.add(data, self._limit)
        self._out_partial = partial

    def _tty_line(self, raw: bytes, entries: list[Entry]) -> None:
        """One line of a TTY stream, with its time and without the newline."""
        partial = self._out_partial
        if partial is not None:
            self._out_partial = None
            partial.add(raw, self._limit)
            self._complete(1, partial, entries)
            return
        ts_ns = self._stamp(raw, 0)
        space = _STAMP_BYTES - 1
        if ts_ns < 0:
            space = raw.find(b" ", 0, _LONGEST_STAMP)
            ts_ns = parse_time(raw[:space]) if space > 0 else -1
            if ts_ns < 0:
                if raw.rstrip(b"\r"):
                    self.unstamped += 1
                return
        stamp = raw[: space + 1]
        whole = _Partial(stamp, ts_ns)
        whole.add(self._without_repeats(raw[space + 1 :], stamp), self._limit)
        self._complete(1, whole, entries)

    def _without_repeats(self, text: bytes, stamp: bytes) -> bytes:
        """The text of a TTY line without the times that dockerd repeats after each piece."""
        at = PIECE_BYTES
        if not text.startswith(stamp, at):
            return text
        pieces: list[bytes] = []
        start = 0
        while text.startswith(stamp, at):
            pieces.append(text[start:at])
            start = at + len(stamp)
            at = start + PIECE_BYTES
        pieces.append(text[start:])
        return b"".join(pieces)
