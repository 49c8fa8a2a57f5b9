"""The output of one conversion: samples under way, in order, and what became of each data point.

One ``Emitter`` lives as long as its converter; ``begin`` and ``finish`` enclose a request. The pieces of the request
that is written are appended to lists, one per shard, and joined at the end.

Plain classes, compiled with mypyc.
"""

from typing import Final

from mypy_extensions import i64

from alloytrio.wire.remote_write import MAX_TIME_MS, MIN_TIME_MS, SAMPLE_BYTES, time_tail
from alloytrio.wire.series import DeltaState, SeriesSet

OUT_OF_ORDER: Final = "out_of_order"
DUPLICATE: Final = "duplicate_timestamp"
TIMESTAMP: Final = "timestamp_out_of_range"
MALFORMED: Final = "malformed"

_NO_TIME: Final = -2  # not -1, which stands for a time that cannot be read
_ZERO_TAIL: Final = bytes(8)


class ShardOutput:
    """Pieces of the series that go to one shard, and how many samples are in them."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.items: i64 = 0


class Receipt:
    """What a request did to the memory of its series, to be undone if it was not stored: its sender will repeat it.

    While another request with later samples of the same series is under way, undoing this one lets its samples pass
    again, out of order; that costs a refused sample in an overloaded service, where keeping them out would lose it.
    """

    def __init__(self) -> None:
        self.touched: list[SeriesSet] = []
        self.before_ms: list[int] = []
        self.deltas: list[tuple[SeriesSet, DeltaState]] = []

    def undo(self) -> None:
        """Forget the request."""
        for index in range(len(self.touched)):
            series = self.touched[index]
            before: i64 = self.before_ms[index]
            if before < series.last_ms:
                series.last_ms = before
            series.exemplar_ms = 0
            series.start_ns = 0
        for changed, state in reversed(self.deltas):
            changed.delta = state


class Emitter:
    """Collects samples and counts what is left out.

    Args:
        shards: how many lists of pieces there are.

    Attributes:
        request: number of the current request.
        now: seconds; series that get a sample are marked with it.
        exemplars, histograms: of the current request.
        newest_ms, latest_ms: the newest time in the current resource and in the current request.
        dropped: data points left out since the last ``take_dropped``, by reason; and one example for each.
    """

    def __init__(self, shards: int) -> None:
        self.outputs = [ShardOutput() for _ in range(shards)]
        self.request: i64 = 0
        self.now: i64 = 0
        self.receipt = Receipt()
        self.dropped: dict[str, int] = {}
        self.examples: dict[str, str] = {}
        self.exemplars: i64 = 0
        self.histograms: i64 = 0
        self.time_ns: i64 = _NO_TIME
        self.time_ms: i64 = 0
        self.newest_ms: i64 = 0
        self.latest_ms: i64 = 0
        self.tail = b""

    def begin(self, now: i64) -> None:
        """Start a request."""
        self.request += 1
        self.now = now
        self.receipt = Receipt()
        self.exemplars = 0
        self.histograms = 0
        self.latest_ms = 0
        for output in self.outputs:
            output.parts = []
            output.items = 0

    def finish(self) -> list[tuple[int, int, bytes]]:
        """End a request: (shard, samples, encoded series) for each shard that has any."""
        found: list[tuple[int, int, bytes]] = []
        for shard in range(len(self.outputs)):
            output = self.outputs[shard]
            if output.items:
                found.append((shard, output.items, b"".join(output.parts)))
        return found

    def begin_resource(self) -> None:
        """From here on ``newest_ms`` is that of another resource."""
        self.time_ns = _NO_TIME
        self.newest_ms = 0

    def at_time(self, time_ns: i64) -> bool:
        """Set the time of the next sample, ``tail`` and ``time_ms``; False if it cannot be sent."""
        if time_ns == self.time_ns:
            return True
        time_ms = time_ns // 1_000_000
        if time_ms < MIN_TIME_MS or time_ms > MAX_TIME_MS:
            return False
        self.time_ns = time_ns
        self.time_ms = time_ms
        self.tail = time_tail(time_ms)
        if time_ms > self.newest_ms:
            self.newest_ms = time_ms
            if time_ms > self.latest_ms:
                self.latest_ms = time_ms
        return True

    def admit(self, series: SeriesSet) -> bool:
        """Whether a sample at the current time may follow the series' last one; then it has to be written next.

        Of two points in the same millisecond the later one counts, if both are in one request; else the first.
        """
        if self.time_ms <= series.last_ms:
            if self.time_ms < series.last_ms:
                self.drop(OUT_OF_ORDER)
                return False
            self.drop(DUPLICATE)
            if series.request != self.request:
                return False
            self._retract(series)
        else:
            self.receipt.touched.append(series)
            self.receipt.before_ms.append(series.last_ms)
            series.last_ms = self.time_ms
        series.seen = self.now
        series.request = self.request
        return True

    def _retract(self, series: SeriesSet) -> None:
        """Take the series' sample of this request out again."""
        output = self.outputs[series.shard]
        for index in range(series.slot, series.slot + series.slots):
            output.parts[index] = b""
        output.items -= series.items

    def write(self, series: SeriesSet, head: bytes, value: bytes) -> None:
        """One float sample of a set that consists of this series."""
        output = self.outputs[series.shard]
        parts = output.parts
        series.slot = len(parts)
        series.slots = 3
        series.items = 1
        parts.append(head)
        parts.append(value)
        parts.append(self.tail)
        output.items += 1

    def write_whole(self, series: SeriesSet, encoded: bytes, items: i64) -> None:
        """All samples of a set, encoded."""
        output = self.outputs[series.shard]
        series.slot = len(output.parts)
        series.slots = 1
        series.items = items
        output.parts.append(encoded)
        output.items += items

    def write_zeros(self, series: SeriesSet, start_ns: i64) -> None:
        """A zero at the start time of a cumulative series, once per start; before ``admit``."""
        start_ms = start_ns // 1_000_000
        if start_ns == series.start_ns or start_ms <= series.last_ms or start_ms < MIN_TIME_MS:
            return
        if start_ms >= self.time_ms:
            return
        series.start_ns = start_ns
        tail = time_tail(start_ms)
        output = self.outputs[series.shard]
        for head in series.zero_heads():
            output.parts.append(head + _ZERO_TAIL + tail)
            output.items += 1

    def drop(self, reason: str) -> None:
        """Count a point, or a sample of it, that is left out."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def drop_with(self, reason: str, example: str) -> None:
        """Count a point that is left out, and keep one example per reason."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        if reason not in self.examples:
            self.examples[reason] = example

    def take_dropped(self) -> tuple[dict[str, int], dict[str, str]]:
        """Counts and examples since the last call."""
        taken = self.dropped, self.examples
        self.dropped = {}
        self.examples = {}
        return taken


def sample_field(value: bytes, tail: bytes) -> bytes:
    """The field of a series that holds a sample, for series that hold more than that."""
    return b"\x12" + bytes([SAMPLE_BYTES - 2]) + b"\x09" + value + tail
