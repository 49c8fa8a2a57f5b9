"""Positions: what is written, what is read, and that going on loses and repeats nothing."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.loki.source.positions import (
    HASHES,
    REPLAY_NS,
    ContainerPosition,
    Resume,
    StreamCursor,
    StreamPosition,
    decode_position,
    read_from,
)


@dataclass(frozen=True)
class Row:
    ts_ns: int
    line: bytes
    stream: str = "stdout"


def rows(*specs: tuple[int, str]) -> list[Row]:
    return [Row(ts_ns, text.encode()) for ts_ns, text in specs]


def position_after(lines: list[Row]) -> StreamPosition:
    cursor = StreamCursor(None)
    cursor.pass_all(lines)
    assert cursor.position is not None
    return cursor.position


@given(
    st.integers(0, 2**62),
    st.dictionaries(
        st.sampled_from(["stdout", "stderr"]),
        st.builds(
            StreamPosition,
            st.integers(0, 2**62), st.integers(1, 10**6), st.integers(0, 2**62),
            st.lists(st.integers(0, 2**32 - 1), max_size=HASHES).map(tuple),
        ),
    ),
    st.text(max_size=30),
)  # fmt: skip
def test_round_trip(since: int, streams: dict[str, StreamPosition], finished: str) -> None:
    """What is written is read back, and it is short."""
    position = ContainerPosition(since, streams, finished)
    assert decode_position(position.encode()) == position
    assert len(ContainerPosition(since, streams, "2023-11-14T22:13:20.123456789Z").encode()) < 300


@pytest.mark.parametrize(
    "data", [b"", b"x", b"{}", b"[]", b"[1,2,3]", b'[1,{"a":[1]},""]', b'[1,{"a":1},""]', b"[null,{},1]"]
)
def test_not_a_position(data: bytes) -> None:
    """Bytes that are no position are none, not an error."""
    assert decode_position(data) is None


def test_cursor() -> None:
    """The position is the last line's time, its number at that time, and the last lines' hashes."""
    cursor = StreamCursor(None)
    cursor.pass_all(rows((5, "a"), (7, "b"), (7, "c")))
    first = cursor.position
    assert first is not None
    assert (first.ts_ns, first.count, first.max_ns, len(first.hashes)) == (7, 2, 7, 3)
    cursor.pass_all(rows((7, "d"), (7, "e")))
    second = cursor.position
    assert second is not None
    assert (second.ts_ns, second.count, len(second.hashes)) == (7, 4, 4)
    assert second.hashes[:2] == first.hashes[1:]
    cursor.pass_all(rows((3, "f")))
    assert cursor.position is not None
    assert (cursor.position.ts_ns, cursor.position.count, cursor.position.max_ns) == (3, 1, 7)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), max_size=12), st.lists(st.integers(0, 12)))
def test_both_ways_of_the_cursor_agree(specs: list[tuple[int, str]], cuts: list[int]) -> None:
    """Noting lines and settling them gives the same position as passing them, however they are batched."""
    lines, start = rows(*specs), 0
    passed, noted = StreamCursor(None), StreamCursor(None)
    noted.note(range(len(lines)), lines)
    for end in [*sorted(cut for cut in cuts if cut <= len(lines)), len(lines)]:
        passed.pass_all(lines[start:end])
        noted.settle(end)
        assert passed.position == noted.position
        assert noted.first_open_ns == min([line.ts_ns for line in lines[end:]], default=None)
        start = end
    noted.settle(None)
    assert passed.position == noted.position


def kept(position: StreamPosition | None, lines: list[Row]) -> list[str]:
    resume = Resume(position)
    new = [line.line.decode() for line in lines if resume.is_new(line)]
    resume.conclude()
    if resume.lost:
        second = resume.again()
        return [line.line.decode() for line in lines if second.is_new(line)]
    return new


def test_lines_at_the_same_nanosecond() -> None:
    """Of lines at one time, exactly those that were handed over are left out."""
    lines = rows((5, "x"), (7, "a"), (7, "a"), (7, "a"), (7, "b"), (8, "c"))
    for count in range(1, len(lines) + 1):
        expected = [line.line.decode() for line in lines[count:]]
        assert kept(position_after(lines[:count]), lines) == expected


def test_other_lines_at_the_end_of_the_window() -> None:
    """A stream that was quiet longer than the window has nothing to leave out."""
    position = position_after(rows((5, "a")))
    assert kept(position, rows((6, "a"), (7, "b"))) == ["a", "b"]
    assert kept(None, rows((6, "a"))) == ["a"]


def test_clock_stepped_back() -> None:
    """Lines after the last one are new although their times are earlier, or come a second time."""
    before = rows((100, "a"), (101, "b"))
    after = rows((50, "c"), (51, "d"), (101, "e"), (102, "f"))
    assert kept(position_after(before), [*before, *after]) == ["c", "d", "e", "f"]
    assert kept(position_after([*before, *after[:2]]), [*before, *after]) == ["e", "f"]


def test_log_was_rotated_away() -> None:
    """If the place is gone, all that is there is new."""
    position = position_after(rows((5, "a"), (7, "b")))
    assert kept(position, rows((8, "c"), (9, "d"))) == ["c", "d"]
    assert kept(position, rows((6, "x"), (8, "c"))) == ["x", "c"]
    assert kept(position_after(rows((7, "a"), (7, "b"), (7, "c"))), rows((7, "c"), (8, "d"))) == ["d"]


def test_lines_look_different_now() -> None:
    """If lines are cut otherwise than before, their number decides."""
    position = position_after(rows((5, "a long"), (7, "b long"), (7, "c long")))
    assert kept(position, rows((5, "a"), (7, "b"), (7, "c"), (8, "d"))) == ["d"]
    assert kept(position, rows((5, "a"), (7, "b"), (7, "c"), (7, "d"), (8, "e"))) == ["d", "e"]


@pytest.mark.parametrize(
    ("last", "unsettled", "now", "since"),
    [(10, None, 11, 8), (10, 7, 11, 5), (10, None, 6, 4), (1, None, 11, 0), (10, 12, 11, 8)],
)
def test_read_from(last: int, unsettled: int | None, now: int, since: int) -> None:
    """Reading goes on two seconds before the last line, what is held, and a clock that was set back."""
    second = 10**9
    assert 2 * second == REPLAY_NS
    held = None if unsettled is None else unsettled * second
    assert read_from(last * second, held, now * second) == since * second


def dockerd(file: list[Row], since_ns: int, *, filters: bool) -> list[Row]:
    """What a daemon sends: from the first line that is not older on; an old daemon leaves out all older ones."""
    if filters:
        return [row for row in file if row.ts_ns >= since_ns]
    start = next((n for n, row in enumerate(file) if row.ts_ns >= since_ns), len(file))
    return file[start:]


def make_file(chance: random.Random, size: int, step_back: bool) -> list[Row]:
    """A log: two streams whose times are in order each, but for a step of the clock, written nearly in that order."""
    now, file = 1_000 * REPLAY_NS, []
    step_at = chance.randrange(size) if step_back and size else -1
    for number in range(size):
        now += chance.choice([0, 0, 1, REPLAY_NS // 4, 3 * REPLAY_NS])
        if number == step_at:
            now -= chance.choice([REPLAY_NS // 2, 10 * REPLAY_NS]) + 7  # no nanosecond comes twice
        stream = chance.choice(["stdout", "stdout", "stderr"])
        file.append(Row(now, chance.choice([b"same", b"line %d" % number]), stream))
        near = number > 0 and number != step_at and abs(now - file[-2].ts_ns) < REPLAY_NS // 2
        if near and file[-2].stream != stream and chance.random() < 0.5:
            file[-1], file[-2] = file[-2], file[-1]
    return file


class Reader:
    """One run of a reader: what it hands over, what it stores, until it is killed."""

    def __init__(self, stored: ContainerPosition, sent: list[Row]) -> None:
        self.stored = stored
        self.since = stored.since_ns
        self.done: list[Row] = []
        self.cursors = {name: StreamCursor(stored.streams.get(name)) for name in ("stdout", "stderr")}
        self.resumes = {name: Resume(cursor.position) for name, cursor in self.cursors.items()}
        self.seq = 0
        self.sent = sent

    def take(self, rows: list[Row], now_ns: int, hold: Row | None = None) -> None:
        """A batch; ``hold``: one line that a stage keeps."""
        fresh = [row for row in rows if self.resumes[row.stream].is_new(row)]
        first = next((self.seq + n for n, row in enumerate(fresh) if row is hold), None)
        for name, cursor in self.cursors.items():
            mine = [n for n, row in enumerate(fresh) if row.stream == name]
            cursor.note([self.seq + n for n in mine], [fresh[n] for n in mine])
            before = first if hold is not None and hold.stream == name else None
            cursor.settle(before)
            self.done += [fresh[n] for n in mine if before is None or self.seq + n < before]
        self.seq += len(fresh)
        open_ns = min([c.first_open_ns for c in self.cursors.values() if c.first_open_ns is not None], default=None)
        if rows and all(resume.done for resume in self.resumes.values()):
            self.since = read_from(rows[-1].ts_ns, open_ns, now_ns)
        positions = {name: c.position for name, c in self.cursors.items() if c.position is not None}
        self.stored = ContainerPosition(self.since, positions)

    def again(self) -> bool:
        """Whether the log must be read once more."""
        for resume in self.resumes.values():
            resume.conclude()
        if not any(resume.lost for resume in self.resumes.values()):
            return False
        self.resumes = {
            name: resume.again() if resume.lost else Resume(self.cursors[name].position)
            for name, resume in self.resumes.items()
        }
        return True


@settings(max_examples=200)
@given(st.randoms(use_true_random=False), st.integers(0, 25), st.booleans(), st.booleans(), st.booleans())
def test_kills_lose_and_repeat_nothing(
    chance: random.Random, size: int, step_back: bool, filters: bool, holds: bool
) -> None:
    """Killed anywhere, any number of times, each line is handed over exactly once, in order."""
    filters = filters and not step_back  # old daemons leave out lines: see the reader, which watches the clock
    file = make_file(chance, size, step_back)
    done: list[Row] = []
    stored = ContainerPosition(0, {})
    seen = 0
    while seen < size or len(done) < size:
        seen = min(size, seen + chance.randrange(1, 8))  # the log grows
        now_ns = file[seen - 1].ts_ns
        reader = Reader(stored, dockerd(file[:seen], stored.since_ns, filters=filters))
        upto = chance.randrange(len(reader.sent) + 1) if seen < size else len(reader.sent)
        hold = chance.choice(reader.sent) if holds and seen < size and reader.sent else None
        cut = chance.randrange(upto + 1)
        reader.take(reader.sent[:cut], now_ns)
        reader.take(reader.sent[cut:upto], now_ns, hold)
        if upto == len(reader.sent) and hold is None and reader.again():
            reader.take(dockerd(file[:seen], stored.since_ns, filters=filters), now_ns)
        stored = reader.stored
        done += reader.done
    assert sorted(map(id, done)) == sorted(map(id, file))
    for name in ("stdout", "stderr"):
        assert [row for row in done if row.stream == name] == [row for row in file if row.stream == name]
