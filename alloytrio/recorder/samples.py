"""Series with their latest points, out of Prometheus samples that are kept.

In: encoded remote write 1.0 ``WriteRequest``s as they passed, and the metadata of their families.
Out: series with points for small charts, under the names that queries in Prometheus use.
Errors: none; what cannot be read is skipped and counted.

A classic histogram or summary is shown as one series, by its ``_count`` and ``_sum``; its buckets are left out.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from alloytrio.errors import DecodeError
from alloytrio.recorder.series import Point, Series, SeriesInfo
from alloytrio.recorder.traces import Kept
from alloytrio.wire.remote_write import STALE, pack_double
from alloytrio.wire.samples_read import FamilyInfo, SampleSeries, read_metadata, read_samples

NAME, JOB, LE = "__name__", "job", "le"
_COUNTER, _GAUGE, _HISTOGRAM, _SUMMARY = 1, 2, 3, 5
_KINDS = {_HISTOGRAM: "histogram", _SUMMARY: "summary"}
_INFO_SUFFIX = "_info"  # series that only carry labels; shown to those who ask for them
_COUNT, _SUM = "_count", "_sum"


@dataclass(slots=True)
class _Kept:
    """One Prometheus series; ``is_native``: points are of a native histogram."""

    labels: Mapping[str, str]
    points: deque[Point]
    is_native: bool


class SampleStore:
    """The latest points of the latest Prometheus series.

    Args:
        max_series: the one without points for longest goes first; a histogram counts as two.
        max_points: per series.
    """

    def __init__(self, max_series: int = 2_000, max_points: int = 240) -> None:
        self._max_series = max_series
        self._max_points = max_points
        self._series: OrderedDict[tuple[tuple[str, str], ...], _Kept] = OrderedDict()
        self._read_up_to = 0
        self.unreadable = 0

    def refresh(self, kept: Sequence[Kept], is_late: Callable[[], bool]) -> bool:
        """Read what came since the last time, oldest first; ``kept`` is the ring, newest first.

        Args:
            kept: the ring.
            is_late: asked before each request; True ends the reading (the newest requests are then still to be read).

        Returns:
            Whether everything was read.
        """
        for each in reversed(kept):
            if each.number <= self._read_up_to:
                continue
            if is_late():
                return False
            self._read_up_to = each.number
            try:
                found = read_samples(each.payload)
            except DecodeError:
                self.unreadable += 1
                continue
            for series in found:
                self._add(series)
        return True

    def _add(self, series: SampleSeries) -> None:
        labels = series.labels
        points = list(_points(series))
        if not points or (LE in labels and labels.get(NAME, "").endswith("_bucket")):
            return
        key = tuple(labels.items())
        found = self._series.get(key)
        if found is None:
            found = _Kept(labels, deque(maxlen=self._max_points), bool(series.histograms))
            self._series[key] = found
            if len(self._series) > self._max_series:
                self._series.popitem(last=False)
        self._series.move_to_end(key)
        latest_ns = found.points[-1].time_ns if found.points else -1
        found.points.extend(point for point in points if point.time_ns > latest_ns)

    def services(self) -> list[str]:
        """All jobs that have series, sorted."""
        return sorted({each.labels[JOB] for each in self._series.values() if each.labels.get(JOB)})

    def search(self, metadata: Iterable[bytes], name: str, service: str, limit: int) -> list[Series]:
        """Series whose metric's name holds ``name``, in any case, sorted by name.

        Args:
            metadata: encoded ``WriteRequest``s with what is known of the families.
            name: part of a name.
            service: exact value of ``job``; empty = all.
            limit: series in the answer.
        """
        wanted = name.lower()
        found = [
            series
            for series in _joined(self._series.values(), families_of(metadata))
            if wanted in series.info.name.lower()
            and service in ("", series.info.service)
            and (wanted or not series.info.name.endswith(_INFO_SUFFIX))
        ]
        found.sort(key=lambda each: (each.info.name, each.info.service, str(each.info.attributes)))
        return found[:limit]


def families_of(metadata: Iterable[bytes]) -> dict[str, FamilyInfo]:
    """Families by name; what cannot be read is left out."""
    found: dict[str, FamilyInfo] = {}
    for payload in metadata:
        try:
            found |= {family.name: family for family in read_metadata(payload)}
        except DecodeError:
            continue
    return found


def _points(series: SampleSeries) -> Iterator[Point]:
    """Points in the order of the request; staleness markers are no values, other NaNs are."""
    for stamp, value in series.samples:
        if not _is_stale(value):
            yield Point(stamp * 1_000_000, value)
    for stamp, count, total in series.histograms:
        if math.isfinite(count) and not _is_stale(total):
            yield Point(stamp * 1_000_000, count, int(count), total)


def _is_stale(value: float) -> bool:
    return math.isnan(value) and pack_double(value) == STALE


def _joined(kept: Iterable[_Kept], families: Mapping[str, FamilyInfo]) -> Iterator[Series]:
    """Series as they are shown; ``_count`` and ``_sum`` of one histogram become one."""
    parts: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, _Kept]] = {}
    for each in kept:
        name = each.labels.get(NAME, "")
        suffix = next((one for one in (_COUNT, _SUM) if name.endswith(one)), "")
        if each.is_native or name in families or not suffix:
            yield _series(name, each, families)
            continue
        labels = tuple(pair for pair in each.labels.items() if pair[0] != NAME)
        parts.setdefault((name.removesuffix(suffix), labels), {})[suffix] = each
    for (name, _), found in parts.items():
        if len(found) == 2:
            yield _histogram(name, found[_COUNT], found[_SUM], families)
        else:
            yield from (_series(name + suffix, each, families) for suffix, each in found.items())


def _series(name: str, kept: _Kept, families: Mapping[str, FamilyInfo]) -> Series:
    family = families.get(name) or FamilyInfo()
    if kept.is_native:
        kind = "histogram"
    elif family.kind == _COUNTER or (not family.kind and name.endswith("_total")):
        kind = "counter"
    else:
        kind = "gauge"
    return Series(_info(name, kind, kept.labels, family), tuple(kept.points))


def _histogram(name: str, count: _Kept, total: _Kept, families: Mapping[str, FamilyInfo]) -> Series:
    family = families.get(name) or FamilyInfo()
    totals = {point.time_ns: point.value for point in total.points}
    points = [
        Point(point.time_ns, point.value, int(point.value), totals[point.time_ns])
        for point in count.points
        if point.time_ns in totals and math.isfinite(point.value)
    ]
    return Series(_info(name, _KINDS.get(family.kind, "histogram"), count.labels, family), points)


def _info(name: str, kind: str, labels: Mapping[str, str], family: FamilyInfo) -> SeriesInfo:
    return SeriesInfo(
        name=name,
        kind=kind,
        unit=family.unit,
        description=family.description,
        service=labels.get(JOB, ""),
        is_delta=False,
        attributes={key: value for key, value in labels.items() if key not in (NAME, JOB)},
    )
