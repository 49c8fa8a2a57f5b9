"""Remote write requests as a person sees them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.errors import DecodeError
from alloytrio.proto.gen.prometheus import (
    Histogram,
    Label,
    MetricMetadata,
    MetricMetadataMetricType,
    Sample,
    TimeSeries,
    WriteRequest,
)
from alloytrio.wire.samples_read import read_metadata, read_samples


def request_of(*series: TimeSeries) -> bytes:
    """An encoded request."""
    return bytes(WriteRequest(timeseries=list(series)))


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)), max_size=3),
)
def test_labels_and_samples(labels: dict[str, str], samples: list[tuple[int, float]]) -> None:
    """Labels and samples come out as they went in."""
    series = TimeSeries(
        labels=[Label(name=name, value=value) for name, value in labels.items()],
        samples=[Sample(timestamp=stamp, value=value) for stamp, value in samples],
    )
    (found,) = read_samples(request_of(series))
    assert found.labels == labels
    assert found.samples == samples


def test_native_histograms() -> None:
    """A native histogram is shown by time, count and sum."""
    histogram = Histogram(count_int=7, sum=3.5, timestamp=1_000)
    (found,) = read_samples(request_of(TimeSeries(histograms=[histogram])))
    assert found.histograms == [(1_000, 7.0, 3.5)]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    """Bytes that are no request raise DecodeError and nothing else."""
    try:
        read_samples(payload)
    except DecodeError:
        return


def test_cut_request() -> None:
    """A request that ends in the middle is refused."""
    payload = request_of(TimeSeries(labels=[Label(name="__name__", value="up")]))
    with pytest.raises(DecodeError):
        read_samples(payload[:-1])


def test_number_that_goes_on_behind_the_end() -> None:
    """A request whose last number lacks its end is refused, deep inside too."""
    with pytest.raises(DecodeError):
        read_samples(b"\x0a\x04\x12\x02\x10\x80")
    with pytest.raises(DecodeError):
        read_metadata(b"\x1a\x02\x08\x80")


def test_metadata() -> None:
    """Type, name, help and unit of families; series beside them are passed over, and metadata by ``read_samples``."""
    known = MetricMetadata(
        type=MetricMetadataMetricType(3), metric_family_name="duration_seconds", help="How long.", unit="seconds"
    )
    series = TimeSeries(labels=[Label(name="__name__", value="up")], samples=[Sample(value=1, timestamp=1)])
    payload = bytes(WriteRequest(timeseries=[series], metadata=[known, MetricMetadata(metric_family_name="x")]))
    found = [(each.kind, each.name, each.description, each.unit) for each in read_metadata(payload)]
    assert found == [(3, "duration_seconds", "How long.", "seconds"), (0, "x", "", "")]
    assert len(read_samples(payload)) == 1
    with pytest.raises(DecodeError):
        read_metadata(payload[:-1])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_metadata_or_refused(payload: bytes) -> None:
    """Bytes that are no request raise DecodeError and nothing else."""
    try:
        read_metadata(payload)
    except DecodeError:
        return
