"""Series out of kept requests."""

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from alloytrio.recorder.series import Series, SeriesStore
from alloytrio.recorder.traces import Kept
from tests.recorder.otlp import SECOND, T0, metrics

CUMULATIVE, DELTA = 2, 1


def never() -> bool:
    """There is time."""
    return False


def gauge(value: float, at: float, name: str = "temperature", **attributes: str) -> Metric:
    """One point of a gauge."""
    metric = Metric(name=name, unit="Cel", description="How warm it is.")
    point = metric.gauge.data_points.add(as_double=value, time_unix_nano=T0 + int(at * SECOND))
    for key, text in attributes.items():
        point.attributes.add(key=key).value.string_value = text
    return metric


def counter(value: int, at: float, temporality: int = CUMULATIVE) -> Metric:
    """One point of a counter."""
    metric = Metric(name="requests")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]
    metric.sum.data_points.add(as_int=value, time_unix_nano=T0 + int(at * SECOND))
    return metric


def histogram(count: int, total: float, at: float, temporality: int = CUMULATIVE) -> Metric:
    """One point of a histogram."""
    metric = Metric(name="duration")
    metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    metric.histogram.data_points.add(count=count, sum=total, time_unix_nano=T0 + int(at * SECOND))
    return metric


def store_of(*added: Metric, max_series: int = 100, max_points: int = 100) -> SeriesStore:
    """A store that has read one request per metric."""
    store = SeriesStore(max_series, max_points)
    ring = [Kept(number, metrics("shop", each)) for number, each in enumerate(added, 1)]
    assert store.refresh(ring[::-1], never)
    return store


def only(store: SeriesStore) -> Series:
    """The only series."""
    (series,) = store.search()
    return series


def seconds(series: Series) -> list[tuple[float, float]]:
    """The chart's points with times in seconds after T0."""
    return [((time_ns - T0) / SECOND, value) for time_ns, value in series.rates()]


def test_a_gauge_is_shown_as_it_is() -> None:
    """Name, unit, description, service and values of a gauge."""
    series = only(store_of(gauge(20.5, 0), gauge(21, 10)))
    assert (series.info.name, series.info.kind, series.info.unit) == ("temperature", "gauge", "Cel")
    assert (series.info.service, series.info.description) == ("shop", "How warm it is.")
    assert seconds(series) == [(0, 20.5), (10, 21)]


def test_a_counter_is_shown_per_second() -> None:
    """A cumulative counter by its growth, also over a reset; a delta counter by its points."""
    assert seconds(only(store_of(counter(10, 0), counter(30, 10), counter(5, 20)))) == [(10, 2.0), (20, 0.5)]
    assert seconds(only(store_of(counter(10, 0, DELTA), counter(30, 10, DELTA)))) == [(10, 3.0)]


def test_a_histogram_is_shown_by_its_mean() -> None:
    """The mean of what happened between two points."""
    cumulative = only(store_of(histogram(10, 100, 0), histogram(20, 300, 10), histogram(20, 300, 20)))
    assert seconds(cumulative) == [(0, 10), (10, 20)]
    assert seconds(only(store_of(histogram(10, 100, 0, DELTA), histogram(4, 8, 10, DELTA)))) == [(0, 10), (10, 2)]


@pytest.mark.parametrize("kind", ["exponential_histogram", "summary", "sum"])
def test_other_kinds(kind: str) -> None:
    """Exponential histograms and summaries have means, sums that may fall are shown as they are."""
    metric = Metric(name="x")
    point = getattr(metric, kind).data_points.add(time_unix_nano=T0)
    if kind == "sum":
        point.as_double = 3
    else:
        point.count, point.sum = 2, 6
    series = only(store_of(metric))
    assert series.info.kind == kind.replace("_", " ")
    assert seconds(series) == [(0, 3)]


def test_attributes_make_series() -> None:
    """Each set of attributes is a series of its own; names are counted and searched."""
    store = store_of(gauge(1, 0, room="a"), gauge(2, 0, room="b"), counter(1, 0))
    assert store.names() == {"requests": 1, "temperature": 2}
    assert store.services() == ["shop"]
    assert [series.info.attributes for series in store.search("TEMP")] == [{"room": "a"}, {"room": "b"}]
    assert len(store.search(limit=2)) == 2
    assert store.search(service="other") == []


def test_bounds() -> None:
    """No more points per series and no more series than allowed; the one without points for longest goes."""
    assert len(only(store_of(*[gauge(n, n) for n in range(5)], max_points=5)).points) == 5
    assert len(only(store_of(*[gauge(n, n) for n in range(6)], max_points=5)).points) == 5
    store = store_of(
        gauge(1, 0, room="a"), gauge(1, 0, room="b"), gauge(1, 1, room="a"), gauge(1, 0, room="c"), max_series=2
    )
    assert [series.info.attributes for series in store.search()] == [{"room": "a"}, {"room": "c"}]


def test_only_new_requests_are_read() -> None:
    """A second look adds what came since, also when the first one ended early; broken requests are counted."""
    store = SeriesStore()
    ring = [Kept(3, b"\xff"), Kept(2, metrics("s", gauge(2, 2))), Kept(1, metrics("s", gauge(1, 1)))]
    answers = iter([False, True])
    assert not store.refresh(ring, lambda: next(answers))
    assert len(only(store).points) == 1
    assert store.refresh(ring, never)
    assert store.refresh(ring, never)
    assert [point.value for point in only(store).points] == [1, 2]
    assert store.unreadable == 1


def test_no_recorded_value() -> None:
    """A point that only says that its series ended is no value."""
    metric = gauge(1, 0)
    metric.gauge.data_points[0].flags = 1
    assert store_of(metric).search() == []
