"""How far a container's log has been handed over, and how reading goes on from there. No I/O.

A position is kept per container, for each of its streams: the time of the last line in nanoseconds, how many lines at
that time were handed over, the latest time seen (the clock may step back), and hashes of the last lines; and for the
container the time to read from. It is written to the outbox in the same record as the lines before it.

**Going on.** dockerd sends lines from the first one that is not older than ``since``, in the order of its file; old
daemons leave out every older line as well. ``since`` lies two seconds before the last line that was read, because
stdout and stderr get their times in two tasks and may stand in the file in the other order. So lines come again, and
those that were handed over must be left out, exactly:

- Lines are left out until the last one that was handed over is found: its time, its number among the lines at
  that time, and the hashes of it and the lines before it fit. From there on every line is new, whatever its time.
- If a line comes that is newer than all that was seen, or nothing more comes, and the line was not found: if nothing
  was left out, all is new. If lines at its time were there, but fewer than were counted, the others are gone (the file
  was rotated) and nothing was lost. Else what was left out may be new: the log is read once more, without leaving out.

Normally the first line of a stream that was quiet is newer than all before, and is new at once. While a stream is
undecided, ``since`` stays where it was.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

REPLAY_NS = 2_000_000_000  # lines of stdout and stderr are written in order within a fraction of a second
HASHES = 4  # lines that identify a place; they fit in 16 bytes


class Line(Protocol):
    """What matters of a line here."""

    @property
    def ts_ns(self) -> int: ...

    @property
    def line(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """Of one stream: its last line that was handed over.

    Args:
        ts_ns: its time, nanoseconds since 1970.
        count: lines at that time, it among them.
        max_ns: latest time of any line.
        hashes: CRC-32 of it and the lines before it, oldest first.
    """

    ts_ns: int
    count: int
    max_ns: int
    hashes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ContainerPosition:
    """Of one container.

    Args:
        since_ns: where to read from; 0 = from the beginning.
        streams: of each stream that has lines.
        finished: ``State.FinishedAt`` of the run whose log was read to its end; empty for none.
    """

    since_ns: int
    streams: Mapping[str, StreamPosition]
    finished: str = ""

    def encode(self) -> bytes:
        """As it stands in an outbox."""
        streams = {
            name: [each.ts_ns, each.count, each.max_ns, *each.hashes] for name, each in sorted(self.streams.items())
        }
        return orjson.dumps([self.since_ns, streams, self.finished])


def decode_position(data: bytes) -> ContainerPosition | None:
    """What ``encode`` wrote; None if it is nothing of the kind."""
    try:
        since_ns, streams, finished = orjson.loads(data)
        return ContainerPosition(
            int(since_ns),
            {
                str(name): StreamPosition(int(ts_ns), int(count), int(max_ns), tuple(map(int, hashes)))
                for name, (ts_ns, count, max_ns, *hashes) in streams.items()
            },
            str(finished),
        )
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError):
        return None


class StreamCursor:
    """Follows the lines of one stream that are handed over.

    Args:
        position: where to begin; None at the beginning of the stream.
    """

    def __init__(self, position: StreamPosition | None) -> None:
        self.position = position
        self._open: list[tuple[int, int, int]] = []  # (seq, time, hash) of lines that are not settled

    def pass_all(self, lines: Sequence[Line]) -> None:
        """All these lines, which follow those before, are handed over. Takes a look at the last ones only."""
        if lines:
            times = [line.ts_ns for line in lines]
            self._advance(times, [zlib.crc32(line.line) for line in lines[-HASHES:]])

    def note(self, seqs: Sequence[int], lines: Sequence[Line]) -> None:
        """These lines come next; ``settle`` says how far they are handed over."""
        self._open += [(seq, line.ts_ns, zlib.crc32(line.line)) for seq, line in zip(seqs, lines, strict=True)]

    def settle(self, before: int | None) -> None:
        """All lines that were noted are handed over, or those with a number below ``before``."""
        if before is None:
            count = len(self._open)
        else:
            count = next((index for index, line in enumerate(self._open) if line[0] >= before), len(self._open))
        if count:
            done = self._open[:count]
            del self._open[:count]
            self._advance([ts_ns for _, ts_ns, _ in done], [crc for _, _, crc in done[-HASHES:]])

    def drop_open(self) -> None:
        """Lines that were noted and not settled will be read again."""
        self._open = []

    @property
    def first_open_ns(self) -> int | None:
        """The earliest time of the lines that are not settled; None if there are none."""
        return min([ts_ns for _, ts_ns, _ in self._open], default=None)

    def _advance(self, times: list[int], hashes: list[int]) -> None:
        before = self.position
        last = times[-1]
        count = 0
        for ts_ns in reversed(times):
            if ts_ns != last:
                break
            count += 1
        if before is not None:
            if count == len(times) and before.ts_ns == last:
                count += before.count
            hashes = [*before.hashes, *hashes][-HASHES:]
        latest = max(times)
        self.position = StreamPosition(
            last, count, latest if before is None else max(before.max_ns, latest), tuple(hashes)
        )


class Resume:
    """Decides for each line of one stream whether it was handed over before.

    Args:
        position: of the stream; None if it had no line.

    Attributes:
        done: every further line is new.
        lost: lines that were left out may be new: read once more, with ``again()``.
        left_out: lines that were left out.
    """

    def __init__(self, position: StreamPosition | None) -> None:
        self._position = position
        self._hashes: list[int] = []
        self._at_time = 0
        self._by_count = False
        self.left_out = 0
        self.lost = False
        self.done = position is None

    def again(self) -> "Resume":
        """For the second reading. If the hashes did not fit but the count does, the count decides; else all is new."""
        other = Resume(self._position)
        other._by_count = self._at_time > 0
        other.done = self.done or not other._by_count
        return other

    def is_new(self, line: Line) -> bool:
        """Whether the next line was not handed over before."""
        position = self._position
        if self.done or position is None:
            return True
        self._hashes = [*self._hashes, zlib.crc32(line.line)][-HASHES:]
        if line.ts_ns == position.ts_ns:
            self._at_time += 1
            seen = tuple(self._hashes[-len(position.hashes) :])
            fits = self._by_count or seen == position.hashes[-len(seen) :]
            self.done = fits and self._at_time == position.count
        elif line.ts_ns > position.max_ns:
            self.conclude()
            if self.done:
                return True
        self.left_out += 1
        return False

    def conclude(self) -> None:
        """Nothing of what was read before can come any more: decide."""
        position = self._position
        if self.done or position is None:
            return
        if self.left_out == 0 or 0 < self._at_time <= position.count:
            self.done = True
        else:
            self.lost = True


def read_from(last_ns: int, open_ns: int | None, now_ns: int) -> int:
    """The time to read a container's log from, the next time.

    Args:
        last_ns: of the last line that was read.
        open_ns: the earliest time of the lines that are not settled; None if all are.
        now_ns: the clock; if it was set back, lines with earlier times are to come.
    """
    return max(min(last_ns, now_ns, last_ns if open_ns is None else open_ns) - REPLAY_NS, 0)
