"""Taps: a component shows what passes through it, to whoever watches, and pays nothing when nobody does.

In: items as they pass, shown by the component: ``if tap.is_watched: tap.show(...)``.
Out: the same items in a bounded channel per watcher. A watcher that is too slow misses items and is told how many;
the component never waits. What is shown is a snapshot: bytes, or values that nobody changes afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import trio


@dataclass(frozen=True, slots=True)
class OtlpSeen:
    """One OpenTelemetry request: ``signal`` is "traces", "metrics" or "logs", ``payload`` its encoded request."""

    signal: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class SamplesSeen:
    """Prometheus samples, as an encoded remote write 1.0 ``WriteRequest``."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class LineSeen:
    """A log line at one moment on its way.

    Args:
        key: equal for the same line before and after a stage, within one ``LinesSeen``.
        ts_ns: its time, nanoseconds since 1970.
        labels: of its stream.
        line: UTF-8, perhaps.
        metadata: structured metadata.
        extracted: what stages took out of the line.
    """

    key: int
    ts_ns: int
    labels: Mapping[str, str]
    line: bytes
    metadata: Mapping[str, str]
    extracted: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LinesSeen:
    """Log lines as they came, and what each stage made of them.

    Args:
        lines: as they came.
        stages: (name, the lines behind this stage) in order; empty where there are no stages.
        holding: numbers of the stages that may hold a line back, or join it to another.
        released: key → number of the stage that had held the line back and let it go now.
    """

    lines: Sequence[LineSeen]
    stages: Sequence[tuple[str, Sequence[LineSeen]]] = ()
    holding: frozenset[int] = frozenset()
    released: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetsSeen:
    """Targets of a discovery or of relabelling: (labels before, labels after or None for a dropped one)."""

    targets: Sequence[tuple[Mapping[str, str], Mapping[str, str] | None]]


Seen = OtlpSeen | SamplesSeen | LinesSeen | TargetsSeen


class Tap:
    """Where one component shows what passes.

    Attributes:
        is_offered: the component shows something here (others are looked at where their data comes from).
        is_watched: ask this before making anything to show.
        current: what there is to see at any moment, shown first to a new watcher; None: only what passes is shown.
    """

    __slots__ = ("_watches", "current", "is_offered", "is_watched")

    def __init__(self) -> None:
        self.is_offered = False
        self.is_watched = False
        self.current: Callable[[], Seen] | None = None
        self._watches: list[Watch] = []

    def show(self, item: Seen) -> None:
        """Hand an item to every watcher that has room for it."""
        for watch in self._watches:
            watch.offer(item)

    def has_room(self) -> bool:
        """Whether anybody would get an item; if not, they have missed one. Ask before making one that is dear."""
        if any(watch.has_room for watch in self._watches):
            return True
        self.miss(1)
        return False

    def miss(self, items: int) -> None:
        """Items that are not shown because they are too many."""
        for watch in self._watches:
            watch.missed += items

    def begin(self, watch: "Watch") -> None:
        """From now on the watcher gets items."""
        self._watches = [*self._watches, watch]
        self.is_watched = True
        if self.current is not None:
            watch.offer(self.current())

    def finish(self, watch: "Watch") -> None:
        """The watcher is gone."""
        self._watches = [each for each in self._watches if each is not watch]
        self.is_watched = bool(self._watches)


class Watch:
    """Watches some taps; a context manager.

    Args:
        taps: what to watch.
        max_items: that wait to be looked at; beyond it items are missed.
        max_bytes: of the payloads that wait; the same, but for a single one that is larger.

    Attributes:
        missed: items that found no room.
    """

    def __init__(self, taps: Sequence[Tap], max_items: int, max_bytes: int = 16 << 20) -> None:
        self._taps = taps
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._send, self._receive = trio.open_memory_channel[Seen](max_items)
        self._bytes = 0
        self.missed = 0

    @property
    def has_room(self) -> bool:
        """Whether one more item may wait."""
        return self._receive.statistics().current_buffer_used < self._max_items and self._bytes < self._max_bytes

    def offer(self, item: Seen) -> None:
        """Take the item, or miss it."""
        size = _payload_bytes(item)
        try:
            if self._bytes and self._bytes + size > self._max_bytes:  # one that is larger by itself is shown too
                raise trio.WouldBlock
            self._send.send_nowait(item)
        except trio.WouldBlock:
            self.missed += 1
        else:
            self._bytes += size

    async def receive(self) -> Seen:
        """The next item; waits for one."""
        item = await self._receive.receive()
        self._bytes -= _payload_bytes(item)
        return item

    def __enter__(self) -> "Watch":
        for tap in self._taps:
            tap.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for tap in self._taps:
            tap.finish(self)
        self._send.close()
        self._receive.close()


def _payload_bytes(item: Seen) -> int:
    """What an item holds in memory that would otherwise be gone, about."""
    match item:
        case OtlpSeen() | SamplesSeen():
            return len(item.payload)
        case LinesSeen():
            return sum([len(line.line) for line in item.lines]) * (1 + len(item.stages))
        case TargetsSeen():
            return 0  # the component has them as well
