"""Series with their latest points, out of OTLP metrics that are kept.

In: encoded ``ExportMetricsServiceRequest``s. Out: series with points for small charts.
Errors: none; what cannot be read is skipped and counted.

Points of cumulative sums are shown as they are and as a rate per second; a histogram is shown by its count and its
mean. The store is filled when somebody looks and is bounded in series and in points.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from alloytrio.errors import DecodeError
from alloytrio.recorder.fields import mapping, messages, number, service_of, text
from alloytrio.recorder.traces import Kept
from alloytrio.wire.otlp_read import read_request

DELTA = 1  # AggregationTemporality
NO_RECORDED_VALUE = 1  # the flag of a point that only says that the series ended


@dataclass(frozen=True, slots=True)
class Point:
    """One value; ``count`` and ``total`` are a histogram's or summary's, else 0."""

    time_ns: int
    value: float
    count: int = 0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """What a series is.

    Args:
        kind: gauge, counter (monotonic sum), sum, histogram, exponential histogram, summary.
        is_delta: points hold what happened since the point before.
        attributes: of the points; ``service`` is the resource's.
    """

    name: str
    kind: str
    unit: str
    description: str
    service: str
    is_delta: bool
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Series:
    """A series with its points, oldest first."""

    info: SeriesInfo
    points: Sequence[Point]

    def rates(self) -> list[tuple[int, float]]:
        """(time, value) as a chart shows them: gauges as they are, counters per second, histograms as their mean."""
        if self.info.kind in ("gauge", "sum"):
            return [(point.time_ns, point.value) for point in self.points]
        if self.info.kind == "counter":
            return self._per_second()
        return self._means()

    def _per_second(self) -> list[tuple[int, float]]:
        rates = []
        for before, after in zip(self.points, list(self.points)[1:], strict=False):
            seconds = (after.time_ns - before.time_ns) / 1e9
            # A counter that fell was reset: what it holds now happened since.
            grown = after.value if self.info.is_delta or after.value < before.value else after.value - before.value
            if seconds > 0:
                rates.append((after.time_ns, grown / seconds))
        return rates

    def _means(self) -> list[tuple[int, float]]:
        means = []
        before = Point(0, 0.0)
        for point in self.points:
            is_reset = self.info.is_delta or point.count < before.count
            count = point.count if is_reset else point.count - before.count
            total = point.total if is_reset else point.total - before.total
            if count > 0:
                means.append((point.time_ns, total / count))
            before = point
        return means


class SeriesStore:
    """The latest points of the latest series.

    Args:
        max_series: the one without points for longest goes first.
        max_points: per series.
    """

    def __init__(self, max_series: int = 2_000, max_points: int = 240) -> None:
        self._max_series = max_series
        self._max_points = max_points
        self._series: OrderedDict[tuple[object, ...], tuple[SeriesInfo, deque[Point]]] = OrderedDict()
        self._read_up_to = 0
        self.unreadable = 0

    def refresh(self, kept: Sequence[Kept], is_late: Callable[[], bool]) -> bool:
        """Read what came since the last time.

        Args:
            kept: the ring, newest first.
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
            self._read(each.payload)
        return True

    def _read(self, payload: bytes) -> None:
        try:
            request = read_request("metrics", payload)
        except DecodeError:
            self.unreadable += 1
            return
        for group in messages(request, "resource_metrics"):
            resource = mapping(mapping(group, "resource"), "attributes")
            for scope in messages(group, "scope_metrics"):
                for metric in messages(scope, "metrics"):
                    self._add_metric(metric, resource)

    def _add_metric(self, metric: Mapping[str, object], resource: Mapping[str, object]) -> None:
        kind, held = _kind(metric)
        for point in messages(held, "data_points"):
            if number(point, "flags") & NO_RECORDED_VALUE:
                continue
            attributes = mapping(point, "attributes")
            instance = str(resource.get("service.instance.id", ""))
            key = (text(metric, "name"), service_of(resource), instance, *(f"{k}={v}" for k, v in attributes.items()))
            found = self._series.get(key)
            if found is None:
                found = (_info(metric, kind, held, resource, attributes), deque(maxlen=self._max_points))
                self._series[key] = found
                if len(self._series) > self._max_series:
                    self._series.popitem(last=False)
            self._series.move_to_end(key)
            found[1].append(_point(point))

    def names(self) -> dict[str, int]:
        """Metric names with the number of their series, sorted."""
        counts: dict[str, int] = {}
        for info, _ in self._series.values():
            counts[info.name] = counts.get(info.name, 0) + 1
        return dict(sorted(counts.items()))

    def services(self) -> list[str]:
        """All services that have series, sorted."""
        return sorted({info.service for info, _ in self._series.values()})

    def search(self, name: str = "", service: str = "", limit: int = 100) -> list[Series]:
        """Series whose metric's name holds ``name``, in any case, sorted by name."""
        wanted = name.lower()
        found = [
            Series(info, tuple(points))
            for info, points in self._series.values()
            if wanted in info.name.lower() and service in ("", info.service)
        ]
        found.sort(key=lambda each: (each.info.name, each.info.service, str(each.info.attributes)))
        return found[:limit]


def _kind(metric: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    for key in ("gauge", "histogram", "exponential_histogram", "summary"):
        if key in metric:
            return key.replace("_", " "), mapping(metric, key)
    held = mapping(metric, "sum")
    return "counter" if held.get("is_monotonic") else "sum", held


def _info(
    metric: Mapping[str, object],
    kind: str,
    held: Mapping[str, object],
    resource: Mapping[str, object],
    attributes: Mapping[str, object],
) -> SeriesInfo:
    return SeriesInfo(
        name=text(metric, "name"),
        kind=kind,
        unit=text(metric, "unit"),
        description=text(metric, "description"),
        service=service_of(resource),
        is_delta=number(held, "aggregation_temporality") == DELTA,
        attributes=attributes,
    )


def _point(point: Mapping[str, object]) -> Point:
    value = point.get("as_double", point.get("as_int", point.get("count", 0)))
    total = point.get("sum", 0.0)
    return Point(
        time_ns=number(point, "time_unix_nano"),
        value=float(value) if isinstance(value, int | float) else 0.0,
        count=number(point, "count"),
        total=float(total) if isinstance(total, int | float) else 0.0,
    )
