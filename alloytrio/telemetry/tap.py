"""Taps: a component shows what passes through it, to whoever watches, and pays nothing when nobody does.

In: items as they pass, shown by the component: ``if tap.is_watched: tap.show(...)``.
Out: the same items in a bounded channel per watcher. A watcher that is too slow misses items and is told how many;
the component never waits. What is shown is a snapshot: bytes, or values that nobody changes afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        key: equal for the same line before and after a stage.
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
    """

    lines: Sequence[LineSeen]
    stages: Sequence[tuple[str, Sequence[LineSeen]]] = ()


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
    """

    __slots__ = ("_watches", "is_offered", "is_watched")

    def __init__(self) -> None:
        self.is_offered = False
        self.is_watched = False
        self._watches: list[Watch] = []

    def show(self, item: Seen) -> None:
        """Hand an item to every watcher that has room for it."""
        for watch in self._watches:
            watch.offer(item)

    def begin(self, watch: "Watch") -> None:
        """From now on the watcher gets items."""
        self._watches = [*self._watches, watch]
        self.is_watched = True

    def finish(self, watch: "Watch") -> None:
        """The watcher is gone."""
        self._watches = [each for each in self._watches if each is not watch]
        self.is_watched = bool(self._watches)


class Watch:
    """Watches some taps; a context manager.

    Args:
        taps: what to watch.
        max_items: that wait to be looked at; beyond it items are missed.

    Attributes:
        receive: the channel from which items come.
        missed: items that found no room.
    """

    def __init__(self, taps: Sequence[Tap], max_items: int) -> None:
        self._taps = taps
        self._send, self.receive = trio.open_memory_channel[Seen](max_items)
        self.missed = 0

    def offer(self, item: Seen) -> None:
        """Take the item, or miss it."""
        try:
            self._send.send_nowait(item)
        except trio.WouldBlock:
            self.missed += 1

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
        self.receive.close()
