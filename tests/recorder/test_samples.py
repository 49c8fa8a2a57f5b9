"""Prometheus series out of kept remote write requests."""

import math
import struct

import pytest

from alloytrio.proto.gen.prometheus import (
    Histogram,
    Label,
    MetricMetadata,
    MetricMetadataMetricType,
    Sample,
    TimeSeries,
    WriteRequest,
)
from alloytrio.recorder.samples import SampleStore
from alloytrio.recorder.series import Series
from alloytrio.recorder.traces import Kept
from alloytrio.wire.remote_write import STALE

STALE_VALUE: float = struct.unpack("<d", STALE)[0]
COUNTER, GAUGE, HISTOGRAM, SUMMARY = 1, 2, 3, 5


def never() -> bool:
    """There is time."""
    return False


def series(name: str, *points: tuple[int, float], job: str = "shop", **labels: str) -> TimeSeries:
    """A series with points of (seconds, value)."""
    given = {"__name__": name, "job": job, **labels}
    return TimeSeries(
        labels=[Label(name=key, value=value) for key, value in sorted(given.items())],
        samples=[Sample(timestamp=seconds * 1000, value=value) for seconds, value in points],
    )


def metadata(**kinds: int) -> list[bytes]:
    """What is known of families: name → type."""
    known = [
        MetricMetadata(type=MetricMetadataMetricType(kind), metric_family_name=name, help=f"About {name}.", unit="s")
        for name, kind in kinds.items()
    ]
    return [bytes(WriteRequest(metadata=known))]


def store_of(*requests: list[TimeSeries], max_series: int = 100, max_points: int = 100) -> SampleStore:
    """A store that has read some requests."""
    store = SampleStore(max_series, max_points)
    ring = [Kept(number, bytes(WriteRequest(timeseries=each))) for number, each in enumerate(requests, 1)]
    assert store.refresh(ring[::-1], never)
    return store


def search(store: SampleStore, name: str = "", service: str = "", **kinds: int) -> list[Series]:
    """What is found, with types of families."""
    return store.search(metadata(**kinds), name, service, 100)


def rates(found: Series) -> list[tuple[float, float]]:
    """The chart's points, times in seconds."""
    return [(time_ns / 1e9, value) for time_ns, value in found.rates()]


def test_a_gauge_and_a_counter() -> None:
    """Names, labels, help and units; counters are shown per second, whether their type is known or only their name."""
    store = store_of([series("heat", (1, 20), room="a"), series("seen_total", (1, 5))], [series("seen_total", (3, 9))])
    for known in ({"heat": GAUGE, "seen_total": COUNTER}, {}):
        heat, seen = search(store, "", "", **known)
        assert (heat.info.name, heat.info.kind, heat.info.service) == ("heat", "gauge", "shop")
        assert heat.info.attributes == {"room": "a"}
        assert rates(heat) == [(1, 20)]
        assert (seen.info.kind, rates(seen)) == ("counter", [(3, 2)])
    heat, _ = search(store, heat=GAUGE)
    assert (heat.info.description, heat.info.unit) == ("About heat.", "s")


@pytest.mark.parametrize(("kind", "word"), [(HISTOGRAM, "histogram"), (SUMMARY, "summary"), (0, "histogram")])
def test_a_histogram_is_one_series(kind: int, word: str) -> None:
    """Count and sum become one series with its mean; buckets are left out; what is of another moment does not fit."""
    first = [series("d_count", (1, 2)), series("d_sum", (1, 10)), series("d_bucket", (1, 2), le="1")]
    second = [series("d_count", (2, 4), (3, 5)), series("d_sum", (2, 40))]
    (found,) = search(store_of(first, second), "", "", **({"d": kind} if kind else {}))
    assert (found.info.name, found.info.kind) == ("d", word)
    assert rates(found) == [(1, 5), (2, 15)]


def test_half_a_histogram_is_shown_as_it_is() -> None:
    """A lone count, and a counter that is only called so, stay what they are."""
    store = store_of([series("d_count", (1, 2))], [series("sheep_count", (1, 3)), series("sheep_sum", (1, 3))])
    assert [each.info.name for each in search(store)] == ["d_count", "sheep"]
    known = search(store, sheep_count=GAUGE, sheep_sum=GAUGE)
    assert [each.info.name for each in known] == ["d_count", "sheep_count", "sheep_sum"]


def test_a_native_histogram() -> None:
    """It is shown by its mean."""
    native = series("d")
    native.histograms = [
        Histogram(count_int=4, sum=8.0, timestamp=1000),
        Histogram(count_int=6, sum=20, timestamp=2000),
    ]
    (found,) = search(store_of([native]), d=HISTOGRAM)
    assert (found.info.kind, rates(found)) == ("histogram", [(1, 2), (2, 6)])


def test_searching() -> None:
    """By part of the name and by job; series that only carry labels are shown to those who ask."""
    store = store_of([series("up", (1, 1)), series("up", (1, 1), job="db"), series("target_info", (1, 1))])
    assert [each.info.service for each in search(store, "UP")] == ["db", "shop"]
    assert [each.info.service for each in search(store, service="db")] == ["db"]
    assert [each.info.name for each in search(store, "info")] == ["target_info"]
    assert store.services() == ["db", "shop"]
    assert len(store.search((), "", "", 1)) == 1


def test_bounds() -> None:
    """No more points per series and no more series than allowed; the one without points for longest goes."""
    points = [[series("a", (second, second))] for second in range(1, 5)]
    (found,) = search(store_of(*points, max_points=4))
    assert [point.value for point in found.points] == [1, 2, 3, 4]
    (found,) = search(store_of(*points, [series("a", (5, 5))], max_points=4))
    assert [point.value for point in found.points] == [2, 3, 4, 5]
    two = [[series("a", (1, 1))], [series("b", (1, 1))], [series("a", (2, 1))]]
    assert [each.info.name for each in search(store_of(*two, max_series=2))] == ["a", "b"]
    assert [each.info.name for each in search(store_of(*two, [series("c", (3, 1))], max_series=2))] == ["a", "c"]


def test_what_is_repeated_or_ends_is_no_point() -> None:
    """A request that came again adds nothing, a staleness marker is no value."""
    (found,) = search(store_of([series("a", (1, 1), (2, 2))], [series("a", (1, 1), (2, 2), (3, STALE_VALUE))]))
    assert [point.value for point in found.points] == [1, 2]


def test_only_new_requests_are_read() -> None:
    """A second look adds what came since, also when the first one ended early; broken requests are counted."""
    store = SampleStore()
    one, two = ([series("a", (second, second))] for second in (1, 2))
    ring = [
        Kept(3, b"\x0a"),
        Kept(2, bytes(WriteRequest(timeseries=two))),
        Kept(1, bytes(WriteRequest(timeseries=one))),
    ]
    answers = iter([False, True])
    assert not store.refresh(ring, lambda: next(answers))
    assert store.refresh(ring, never)
    assert store.refresh(ring, never)
    (found,) = store.search([b"\x1a\xff"], "", "", 10)
    assert [point.value for point in found.points] == [1, 2]
    assert store.unreadable == 1


def test_values_that_are_no_numbers_are_kept() -> None:
    """An ordinary NaN and infinity are values, other than a staleness marker."""
    (found,) = search(store_of([series("a", (1, 1), (2, math.nan), (3, math.inf), (4, STALE_VALUE))]))
    assert str(rates(found)) == "[(1.0, 1.0), (2.0, nan), (3.0, inf)]"


def test_a_histogram_whose_count_is_no_number() -> None:
    """A count that cannot be counted gives no mean, and does not end the search."""
    counts = [(1, 2.0), (2, math.inf), (3, math.nan), (4, 6.0)]
    store = store_of([series("d_count", *counts), series("d_sum", (1, 4), (2, 5), (3, 6), (4, 12))])
    (found,) = search(store, d=HISTOGRAM)
    assert rates(found) == [(1.0, 2.0), (4.0, 2.0)]
