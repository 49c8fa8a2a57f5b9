"""Remote write messages: encoding, counting, cutting."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.errors import DecodeError
from alloytrio.wire.remote_write import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    STALE,
    count_elements,
    encode_labels,
    encode_metadata,
    encode_series,
    halve_write_request,
    head_labels,
    recurring,
    sample_head,
    split_runs,
    split_write_request,
    time_tail,
)
from tests.prompb import message_class

LABELS = st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=200), max_size=4)
TIMES = st.integers(MIN_TIME_MS, MAX_TIME_MS)


def sample(labels: dict[str, str], time_ms: int, value: float = 1.0) -> bytes:
    """One series with one sample."""
    return sample_head(encode_labels(labels)) + struct.pack("<d", value) + time_tail(time_ms)


def series(*names: str, begin: int = MIN_TIME_MS) -> bytes:
    """A request with one sample for each name, a millisecond apart."""
    return b"".join(sample({"__name__": name}, begin + index) for index, name in enumerate(names))


def names(payload: bytes) -> list[str]:
    """The names of the series of a request, in order."""
    decoded = message_class("WriteRequest").FromString(payload)
    return [entry.labels[0].value for entry in decoded.timeseries]  # type: ignore[attr-defined]  # made at run time


@given(LABELS, TIMES, st.floats(allow_nan=False))
def test_sample(labels: dict[str, str], time_ms: int, value: float) -> None:
    """A head, 8 bytes and a tail are a series with sorted labels and one sample."""
    (entry,) = message_class("WriteRequest").FromString(sample(labels, time_ms, value)).timeseries  # type: ignore[attr-defined]  # made at run time
    pairs = [(label.name, label.value) for label in entry.labels]
    assert pairs == sorted((name, text) for name, text in labels.items() if text)
    assert [(found.value, found.timestamp) for found in entry.samples] == [(value, time_ms)]


@given(LABELS)
def test_labels_of_a_head(labels: dict[str, str]) -> None:
    """The labels are found again in a head."""
    encoded = encode_labels(labels)
    assert head_labels(sample_head(encoded)) == encoded


def test_stale_marker() -> None:
    """The marker has exactly these bits."""
    assert struct.unpack("<Q", STALE) == (0x7FF0000000000002,)


def test_reference_vector() -> None:
    """The reference's series, encoded by hand, is what ours are but for the longer time."""
    ours = sample({"job": "b", "__name__": "a"}, MIN_TIME_MS)
    theirs = "0a270a0d0a085f5f6e616d655f5f1201610a080a036a6f62120162120c09000000000000f03f10e807"
    assert ours.hex() == theirs.replace("0a27", "0a2b", 1).replace("120c", "1210").replace("10e807", "10808080808001")


def test_metadata() -> None:
    """Metadata is an entry of the request."""
    (entry,) = message_class("WriteRequest").FromString(encode_metadata(1, "x_total", "what", "seconds")).metadata  # type: ignore[attr-defined]  # made at run time
    assert (entry.type, entry.metric_family_name, entry.help, entry.unit) == (1, "x_total", "what", "seconds")


def test_count() -> None:
    """Samples, exemplars, histograms and metadata are counted apart."""
    several = encode_series(b"", b"\x12\x00", b"\x12\x00", b"\x1a\x00", b"\x22\x00")
    assert count_elements(series("a", "b") + several + encode_metadata(0, "x", "", "")) == (4, 1, 1, 1)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(0, 5), st.integers(0, 200))
def test_split(found: list[str], max_items: int, max_bytes: int) -> None:
    """Nothing is lost, order is kept, and each part fits."""
    payload = series(*found)
    parts = split_write_request(payload, max_items, max_bytes)
    assert b"".join(part for _, part in parts) == payload
    for items, part in parts:
        assert items == len(names(part))
        assert not max_items or items <= max_items
        assert not max_bytes or len(part) <= max_bytes or items == 1


def test_a_series_above_the_limit_stands_alone() -> None:
    """A series with more elements than the limit is a part of its own."""
    large = encode_series(b"", *[b"\x12\x00"] * 9)
    parts = split_write_request(series("a") + large + series("b", "c"), 2, 0)
    assert [items for items, _ in parts] == [1, 9, 2]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9))
def test_halve(found: list[str]) -> None:
    """Two halves hold everything in order; a single series is not cut."""
    payload = series(*found)
    parts = halve_write_request(payload)
    assert b"".join(part for _, part in parts) == payload
    assert len(parts) == min(len(found), 2)
    assert [items for items, _ in parts] == ([len(found) // 2, (len(found) + 1) // 2] if len(found) > 1 else [1])


@given(st.lists(st.sampled_from("abcd"), max_size=20))
def test_runs(found: list[str]) -> None:
    """No part holds two samples of a series, order is kept, and parts are as long as they can be."""
    payload = series(*found)
    parts = split_runs(payload)
    assert b"".join(part for _, part in parts) == payload
    for index, (items, part) in enumerate(parts):
        run = names(part)
        assert items == len(run) == len(set(run))
        if index:
            assert run[0] in names(parts[index - 1][1])


@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8), st.integers(0, 4))
def test_recurring_series(run: list[str], following: list[str], limit: int) -> None:
    """The first series that occur in the following run too, each as a request, and no more than the limit."""
    found = recurring(series(*run), series(*following, begin=MIN_TIME_MS + 100), limit)
    assert [names(request) for request in found] == [[name] for name in run if name in following][:limit]


@pytest.mark.parametrize("payload", [b"\x0a\x05a", b"\x0a", b"\x08\x01", b"\x12\x00"])
def test_broken_requests(payload: bytes) -> None:
    """What is not a request is refused."""
    with pytest.raises(DecodeError):
        split_write_request(payload, 1, 0)
