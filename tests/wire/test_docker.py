"""Docker's log streams: frames, pieces, TTY, limits, any bytes, cut anywhere."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.wire.docker import PIECE_BYTES, LogDecoder, parse_time, readable, truncate
from alloytrio.wire.entry import Entry, Origin

OUT, ERR = Origin("stdout", {"a": "out"}), Origin("stderr", {"a": "err"})
STAMP = b"2021-12-09T09:15:03.%09dZ "
BASE_NS = 1_639_041_303 * 10**9


def decoder(*, tty: bool = False, limit: int = 1 << 20) -> LogDecoder:
    return LogDecoder(tty, limit, OUT, ERR, 0)


def frame(payload: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def messages(text: bytes, nanos: int) -> list[bytes]:
    """What dockerd stores of one line: pieces of 16 384 bytes, each with the time of the first."""
    pieces = [text[at : at + PIECE_BYTES] for at in range(0, len(text) + 1, PIECE_BYTES)]
    return [STAMP % nanos + piece for piece in pieces[:-1]] + [STAMP % nanos + pieces[-1] + b"\n"]


def log(lines: Iterable[tuple[int, bytes]], *, tty: bool = False) -> bytes:
    out: list[bytes] = []
    for number, (stream, text) in enumerate(lines):
        out += [message if tty else frame(message, stream) for message in messages(text, number)]
    return b"".join(out)


def read(data: bytes, *, at: Iterable[int] = (), tty: bool = False, limit: int = 1 << 20) -> list[Entry]:
    """All entries of ``data``, fed in the pieces that ``at`` cuts it into."""
    log_decoder, entries, start = decoder(tty=tty, limit=limit), [], 0
    for end in [*at, len(data)]:
        entries += log_decoder.feed(data[start:end])
        start = end
    assert log_decoder.error == ""
    return entries + log_decoder.finish()


def texts(entries: Iterable[Entry]) -> list[tuple[str, bytes]]:
    return [(entry.origin.name, entry.line) for entry in entries]


def test_a_frame() -> None:
    """One frame is one entry with its time, text, stream and labels."""
    [entry] = decoder().feed(frame(b"2021-12-09T09:15:03.075785005Z hello\n", 2))
    assert (entry.ts_ns, entry.line, entry.origin, entry.labels, entry.seq) == (
        BASE_NS + 75_785_005, b"hello", ERR, {"a": "err"}, 0,
    )  # fmt: skip


def test_stdin_counts_as_stdout() -> None:
    """Frames of stream 0 are stdout's."""
    assert texts(read(frame(STAMP % 1 + b"x\n", 0))) == [("stdout", b"x")]


def test_cut_at_every_offset() -> None:
    """The entries do not depend on where the bytes were cut."""
    data = log([(1, b"one"), (2, b"two"), (1, b"three\r")])
    whole = texts(read(data))
    assert whole == [("stdout", b"one"), ("stderr", b"two"), ("stdout", b"three")]
    for offset in range(len(data)):
        assert texts(read(data, at=[offset])) == whole


def test_interleaved_pieces() -> None:
    """Pieces of stdout and stderr that alternate are joined per stream."""
    long_out, long_err = b"o" * 40_000, b"e" * 20_000
    out, err = messages(long_out, 1), messages(long_err, 2)
    data = frame(out[0]) + frame(err[0], 2) + frame(out[1]) + frame(err[1], 2) + frame(out[2])
    entries = read(data)
    assert texts(entries) == [("stderr", long_err), ("stdout", long_out)]
    assert [entry.ts_ns - BASE_NS for entry in entries] == [2, 1]


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize(
    "size", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 3 * PIECE_BYTES - 1, 1 << 20]
)
def test_long_lines(size: int, tty: bool) -> None:
    """A line of any length up to the limit comes whole, with and without a TTY."""
    text = bytes(97 + n % 26 for n in range(size))
    data = log([(1, text), (1, b"after")], tty=tty)
    assert texts(read(data, tty=tty)) == [("stdout", text), ("stdout", b"after")]


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("cut", [1, 1000, 100_000])
def test_line_over_the_limit(tty: bool, cut: int) -> None:
    """A line beyond the limit keeps its beginning, says its length, is counted, and harms no other."""
    limit, size = 50_000, 400_000
    data = log([(1, b"x" * size), (1, b"after")], tty=tty)
    log_decoder, entries = decoder(tty=tty, limit=limit), []
    for at in range(0, len(data), cut):
        entries += log_decoder.feed(data[at : at + cut])
        assert len(log_decoder._rest) <= limit + 4 * PIECE_BYTES
    assert [entry.line for entry in entries][1:] == [b"after"]
    assert entries[0].line.startswith(b"x" * 40_000)
    assert b" [truncated, " in entries[0].line
    assert len(entries[0].line) <= limit
    assert log_decoder.truncated == 1
    if not tty:
        assert entries[0].line.endswith(b" [truncated, 400000 bytes]")


def test_line_of_exactly_the_limit() -> None:
    """The limit itself is allowed; one byte more is not."""
    exact, over = read(log([(1, b"x" * 100), (1, b"y" * 101)]), limit=100)
    assert exact.line == b"x" * 100
    assert over.line == b"y" * 77 + b" [truncated, 101 bytes]"


@pytest.mark.parametrize("cut", [8, 20, 45, 70, 5_000, 10**6])
def test_frame_over_the_limit(cut: int) -> None:
    """One frame longer than a line may be is not waited for; its beginning comes, and the next frames too."""
    data = frame(STAMP % 1 + b"x" * 900_000 + b"\n") + frame(STAMP % 2 + b"after\n")
    log_decoder, entries = decoder(limit=1000), []
    for at in range(0, len(data), cut):
        entries += log_decoder.feed(data[at : at + cut])
        assert len(log_decoder._rest) < 1000 + 3 * PIECE_BYTES
    assert [len(entry.line) for entry in entries] == [1000, 5]
    assert entries[0].line.endswith(b"900000 bytes]")


def test_piece_with_another_time_begins_a_new_line() -> None:
    """A container that died inside a line and came back loses neither line."""
    data = frame(STAMP % 1 + b"x" * PIECE_BYTES) + frame(STAMP % 2 + b"next\n")
    assert texts(read(data)) == [("stdout", b"x" * PIECE_BYTES), ("stdout", b"next")]


def test_unfinished_line_at_the_end() -> None:
    """What the container said last is kept although its newline never came."""
    assert texts(read(frame(STAMP % 1 + b"x" * PIECE_BYTES))) == [("stdout", b"x" * PIECE_BYTES)]
    assert texts(read(frame(STAMP % 1 + b"short"))) == [("stdout", b"short")]
    assert texts(read(STAMP % 1 + b"prompt>", tty=True)) == [("stdout", b"prompt>")]


def test_half_a_frame_at_the_end() -> None:
    """A stream that breaks inside a frame ends quietly."""
    assert texts(read(frame(STAMP % 1 + b"one\n") + frame(STAMP % 2 + b"two\n")[:-2])) == [("stdout", b"one")]


def test_error_frame() -> None:
    """An error that dockerd reports ends the stream, after the entries before it."""
    log_decoder = decoder()
    entries = log_decoder.feed(frame(STAMP % 1 + b"x\n") + frame(b"Error grabbing logs: no such file\n", 3) + b"zzz")
    assert texts(entries) == [("stdout", b"x")]
    assert log_decoder.error == "dockerd: Error grabbing logs: no such file"
    assert log_decoder.feed(frame(STAMP % 2 + b"y\n")) == []


def test_not_a_log_stream() -> None:
    """Bytes that are no frames (a TTY stream taken for frames) are an error, not lines."""
    log_decoder = decoder()
    assert log_decoder.feed(b"2021-12-09T09:15:03.000000000Z x\n") == []
    assert "type 50" in log_decoder.error


def test_lines_without_a_time() -> None:
    """A line whose time cannot be read is counted and left out; the next ones come."""
    for tty in (False, True):
        bad = [b"nospace\n", b"bad time here\n", b"2021-13-09T09:15:03.000000000Z x\n"]
        data = b"".join(message if tty else frame(message) for message in [*bad, STAMP % 5 + b"good\n"])
        log_decoder = decoder(tty=tty)
        assert texts(log_decoder.feed(data)) == [("stdout", b"good")]
        assert log_decoder.unstamped == 3


def test_empty_lines() -> None:
    """Empty lines are no entries; lines of blanks are."""
    assert texts(read(log([(1, b""), (1, b"\r"), (1, b"  ")]))) == [("stdout", b"  ")]


def test_bytes_that_are_not_utf8() -> None:
    """They stay readable, in a line that is UTF-8."""
    assert texts(read(log([(1, b"caf\xc3\xa9 \xff\x00\x80")]))) == [("stdout", "café \\xff\0\\x80".encode())]


def test_truncate_keeps_characters_whole() -> None:
    """No character is cut in two."""
    text = "é".encode() * 100
    for limit in range(30, 60):
        cut = truncate(text, limit, 200)
        assert len(cut) <= limit
        cut.decode()


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        (b"1970-01-01T00:00:00Z", 0),
        (b"2021-12-09T09:15:03.075785005Z", BASE_NS + 75_785_005),
        (b"2021-12-09T09:15:03.5Z", BASE_NS + 500_000_000),
        (b"2021-12-09T11:15:03+02:00", BASE_NS),
        (b"2021-12-09T04:45:03.1-04:30", BASE_NS + 100_000_000),
        (b"2024-02-29T00:00:00Z", 1_709_164_800 * 10**9),
        (b"2100-02-29T00:00:00Z", -1),
        (b"2021-12-09 09:15:03Z", -1),
        (b"2021-12-09T09:15:03", -1),
        (b"2021-12-09T09:15:03.Z", -1),
        (b"2021-12-09T09:15:03.1234567890Z", -1),
        (b"2021-00-09T09:15:03Z", -1),
        (b"2021-12-09T24:15:03Z", -1),
        (b"", -1),
        (b"x" * 20, -1),
    ],
)
def test_parse_time(text: bytes, ns: int) -> None:
    """RFC 3339 times are read to the nanosecond; all else is refused."""
    assert parse_time(text) == ns


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_parse_time_agrees_with_datetime(when: datetime) -> None:
    """Every day of the calendar is where datetime puts it."""
    text = when.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + f".{when.microsecond:06d}Z"
    assert parse_time(text.encode()) == int(when.replace(microsecond=0).timestamp()) * 10**9 + when.microsecond * 1000


_line = st.one_of(
    st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"")),
    st.integers(PIECE_BYTES - 2, 3 * PIECE_BYTES + 2).map(lambda size: b"z" * size),
)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 2), _line), max_size=6),
    st.lists(st.integers(0, 100_000), max_size=5),
    st.booleans(),
)
def test_any_lines_cut_anywhere(lines: list[tuple[int, bytes]], cuts: list[int], tty: bool) -> None:
    """Every line that is not empty comes exactly once, in order, whatever its bytes and wherever the stream is cut."""
    data = log(lines, tty=tty)
    entries = read(data, at=sorted(min(cut, len(data)) for cut in cuts), tty=tty)
    names = {1: "stdout", 2: "stdout" if tty else "stderr"}
    stripped = [(names[stream], readable(text.removesuffix(b"\r"))) for stream, text in lines]
    assert texts(entries) == [line for line in stripped if line[1]]
    assert [entry.seq for entry in entries] == list(range(len(entries)))


@settings(max_examples=100)
@given(st.binary(max_size=2000), st.booleans(), st.lists(st.integers(0, 2000), max_size=3))
def test_any_bytes(data: bytes, tty: bool, cuts: list[int]) -> None:
    """No input raises, and the cuts make no difference."""
    results = []
    for at in ([], sorted(cuts)):
        log_decoder, entries, start = decoder(tty=tty, limit=100), [], 0
        for end in [*at, len(data)]:
            entries += log_decoder.feed(data[start : min(end, len(data))])
            start = min(end, len(data))
        results.append((texts(entries + log_decoder.finish()), log_decoder.unstamped))
    assert results[0] == results[1]
