"""What is remembered of each series that data points become: its encoded labels and the time of its last sample.

A data point's raw attribute bytes look up a *series set*: one float series for a gauge or a sum, many for a histogram.
Series sets are shared by all points that end in the same labels, whatever the order of their attributes; so the order
of samples is kept per series, not per spelling.

Plain classes, compiled with mypyc.
"""

from typing import Final

from mypy_extensions import i64

from alloytrio.wire.otlp_values import plain_text
from alloytrio.wire.protobuf import bytes_field, varint
from alloytrio.wire.remote_write import encode_label

REFUSED: Final = -1  # the shard of a series set that is not sent
VALUE_BYTES: Final = 15  # of a series, behind its head: 8 bytes of value, tag and 6 bytes of time

_PREFIX_COUNT: Final = 4096
_PREFIXES: Final = [b"\x0a" + varint(size) for size in range(_PREFIX_COUNT)]


class DeltaState:
    """What was added up of a delta metric; see ``delta.py``."""

    def __init__(self) -> None:
        self.total_int = 0
        self.total = 0.0
        self.count = 0
        self.buckets: list[int] = []
        self.scale: i64 = 0
        self.zero_count = 0
        self.positive: dict[int, int] = {}
        self.negative: dict[int, int] = {}

    def copy(self) -> "DeltaState":
        """The same, independent."""
        other = DeltaState()
        other.total_int = self.total_int
        other.total = self.total
        other.count = self.count
        other.buckets = self.buckets.copy()
        other.scale = self.scale
        other.zero_count = self.zero_count
        other.positive = self.positive.copy()
        other.negative = self.negative.copy()
        return other


class SeriesSet:
    """The series that the points of one attribute set become.

    Attributes:
        key: what it is registered under: the head of its first series.
        size: how many Prometheus series it stands for.
        shard: where its samples go; REFUSED: nowhere, because of ``refusal``.
        last_ms: time of the last sample that was handed on; no older or equal one follows.
        seen: seconds, when it last had a point.
        request, slot, slots, items: where the sample of the current request stands, so that a later point of the same
            millisecond can replace it.
        exemplar_ms: time of the last exemplar.
        start_ns: the start time for which a zero was sent.
    """

    def __init__(self, key: bytes, size: i64, shard: i64, seen: i64) -> None:
        self.key = key
        self.size: i64 = size
        self.shard: i64 = shard
        self.refusal = ""
        self.last_ms: i64 = 0
        self.seen: i64 = seen
        self.request: i64 = 0
        self.slot: i64 = 0
        self.slots: i64 = 0
        self.items: i64 = 0
        self.exemplar_ms: i64 = 0
        self.start_ns: i64 = 0
        self.delta: DeltaState | None = None

    def zero_heads(self) -> list[bytes]:
        """The heads of all its series that begin at zero."""
        return []


class NumberSeries(SeriesSet):
    """One float series. ``key`` is its head."""

    def zero_heads(self) -> list[bytes]:
        return [self.key]


class NativeSeries(SeriesSet):
    """One native histogram series. ``labels`` are its label fields."""

    labels = b""


class BucketLayout:
    """The bounds of a classic histogram, shared by all series sets that have the same.

    Attributes:
        raw: the bounds as they stand in the point: 8 bytes each.
        bounds: the same as numbers, ascending.
        labels: the encoded ``le`` label of each bucket, the last one for +Inf; empty where a bucket has none of its
            own, because its bound equals the next one or is +Inf.
        series: how many labels are not empty.
    """

    def __init__(self, raw: bytes, bounds: list[float]) -> None:
        self.raw = raw
        self.bounds = bounds
        self.texts = [plain_text(bound) for bound in bounds]
        self.texts.append("+Inf")
        self.labels = [bytes_field(0x0A, encode_label("le", text)) for text in self.texts]
        for index in range(len(bounds)):
            if self.texts[index] == self.texts[index + 1] or self.texts[index] == "+Inf":
                self.labels[index] = b""
        self.series: i64 = len([label for label in self.labels if label])

    def bucket_of(self, value: float) -> i64:
        """The bucket that a value belongs to: the first one whose bound is not below it."""
        low: i64 = 0
        high: i64 = len(self.bounds)
        while low < high:
            middle = (low + high) // 2
            if self.bounds[middle] < value:
                low = middle + 1
            else:
                high = middle
        while not self.labels[low]:
            low += 1
        return low


class HistogramNames:
    """The first labels of a histogram's series, encoded: ``__name__``, and what begins with a capital letter.

    Shared by all series sets that have the same.
    """

    def __init__(self, sum_name: bytes, count_name: bytes, bucket_name: bytes) -> None:
        self.sum = sum_name
        self.count = count_name
        self.bucket = bucket_name


class HistogramHeads:
    """The heads of a histogram's series, one by one; empty: that series is not sent."""

    def __init__(self, sum_head: bytes, count_head: bytes, buckets: list[bytes]) -> None:
        self.sum = sum_head
        self.count = count_head
        self.buckets = buckets


class HistogramSeries(SeriesSet):
    """The series of a classic histogram: sum, count, and one per bucket.

    They differ only in ``__name__`` and ``le``, so the other labels are kept once: those before ``le`` and those behind
    it. Where relabelling makes something else of the labels, ``heads`` has the head of each series.

    Attributes:
        layout: the buckets.
        names: the labels of each series up to ``__name__``.
        before: the labels between ``__name__`` and ``le``.
        after: the labels behind ``le``, and what stands between labels and value.
        heads: of the series, where they cannot be put together from the others.
    """

    def __init__(self, shard: i64, seen: i64, layout: BucketLayout, names: HistogramNames) -> None:
        super().__init__(b"", layout.series + 2, shard, seen)
        self.layout = layout
        self.names = names
        self.before = b""
        self.after = b""
        self.heads: HistogramHeads | None = None

    def sum_head(self) -> bytes:
        """The head of the series of the sum; empty if it is not sent."""
        return self.heads.sum if self.heads is not None else self._head(self.names.sum)

    def count_head(self) -> bytes:
        """The head of the series of the count; empty if it is not sent."""
        return self.heads.count if self.heads is not None else self._head(self.names.count)

    def _head(self, name: bytes) -> bytes:
        size = len(name) + len(self.before) + len(self.after) + VALUE_BYTES
        return series_prefix(size) + name + self.before + self.after

    def bucket_head(self, index: i64) -> bytes:
        """The head of a bucket's series; empty if it has none."""
        if self.heads is not None:
            return self.heads.buckets[index]
        label = self.layout.labels[index]
        if not label:
            return b""
        before = self.names.bucket + self.before
        size = len(before) + len(label) + len(self.after) + VALUE_BYTES
        return series_prefix(size) + before + label + self.after

    def zero_heads(self) -> list[bytes]:
        buckets = [self.bucket_head(index) for index in range(len(self.layout.labels))]
        return [head for head in [self.sum_head(), self.count_head(), *buckets] if head]


class SummarySeries(SeriesSet):
    """The series of a summary. ``quantiles`` has their heads by the 8 bytes of the quantile (empty: dropped)."""

    def __init__(self, key: bytes, shard: i64, seen: i64) -> None:
        super().__init__(key, 2, shard, seen)
        self.sum_head = b""
        self.count_head = b""
        self.quantiles: dict[bytes, bytes] = {}

    def zero_heads(self) -> list[bytes]:
        return [head for head in (self.sum_head, self.count_head) if head]


def series_prefix(size: i64) -> bytes:
    """Tag and length of a series of that many bytes."""
    if size < _PREFIX_COUNT:
        return _PREFIXES[size]
    return b"\x0a" + varint(size)
