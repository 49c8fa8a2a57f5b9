"""What Loki's answers mean, in Loki's own words."""

import pytest

from alloytrio.errors import PermanentExportError, RetryableExportError
from alloytrio.loki.push_answer import (
    Stored,
    StreamsRefused,
    ignored_entries,
    named_streams,
    parse_labels,
    parse_retry_after,
    read_answer,
    stream_key,
)
from alloytrio.wire.loki import quote

STREAM_LIMIT = (
    'Maximum active stream limit exceeded when trying to create stream {container="web", trace_id="1f", '
    'service_name="web"}, reduce the number of active streams (reduce labels or reduce label values), or contact your '
    "Loki administrator to see if the limit can be increased, user: 'fake'"
)
RATE = (
    "entry with timestamp 2023-11-14 22:13:20 +0000 UTC ignored, reason: 'Per stream rate limit exceeded (limit: "
    "3MB/sec) while attempting to ingest for stream '{app=\"a\"}' totaling 1kB, consider splitting a stream via "
    "additional labels or contact your Loki administrator to see if the limit can be increased' "
    'for stream: {app="a"},\n'
    "user 'fake', total ignored: 7 out of 20 for stream: {app=\"a\"}"
)
TOO_FAR_BEHIND = (
    "entry with timestamp 2023-11-14 20:13:20 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: "
    '2023-11-14T20:13:20Z, oldest acceptable timestamp is: 2023-11-14T21:13:20Z\' for stream: {app="a"},\n'
    "user 'fake', total ignored: 3 out of 5 for stream: {app=\"a\"}"
)
TOO_OLD = (
    "entry for stream '{app=\"a\"}' has timestamp too old: 2023-11-01T00:00:00Z, oldest acceptable timestamp is: 2023"
)
TOO_LONG = (
    "Max entry size '262144' bytes exceeded for stream '{app=\"a\"}' while adding an entry with length '300000' bytes"
)


def answer(status: int, body: str = "", *, retry_after: str = "", retry_429: bool = True) -> object:
    return read_answer(status, body, retry_after=retry_after, entries=100, retry_429=retry_429, now=0.0)


@pytest.mark.parametrize("status", [200, 204])
def test_stored(status: int) -> None:
    """2xx is stored."""
    assert answer(status) == Stored({})


def test_ingestion_blocked() -> None:
    """260 looks like success, and nothing was stored."""
    result = answer(260, "ingestion blocked for user fake until 2030")
    assert isinstance(result, Stored)
    assert result.ignored == {"blocked_ingestion": 100}


@pytest.mark.parametrize(
    ("body", "ignored"),
    [
        (TOO_FAR_BEHIND, {"too_far_behind": 3}),
        (f"{TOO_FAR_BEHIND}\n{TOO_FAR_BEHIND}", {"too_far_behind": 6}),
        (TOO_OLD, {"greater_than_max_sample_age": 1}),
        (f"{TOO_OLD}\n{TOO_LONG}", {"greater_than_max_sample_age": 1, "line_too_long": 1}),
        ("entry ignored, total ignored: 4 out of 9 for stream: {}", {"ingester_error": 4}),
        ("stream '{a=\"b\"}' has 17 label names; limit 15", {"max_label_names_per_series": 1}),
        ("total ignored: 500 out of 500", {"ingester_error": 100}),
    ],
)
def test_partial(body: str, ignored: dict[str, int]) -> None:
    """A 400 about entries and streams is counted, never above what was sent; the rest is stored."""
    result = answer(400, body)
    assert isinstance(result, Stored)
    assert result.ignored == ignored


@pytest.mark.parametrize(
    ("status", "whole"),
    [(400, False), (413, False), (422, False), (401, True), (403, True), (404, True), (301, True), (405, True)],
)
def test_permanent(status: int, whole: bool) -> None:
    """A request that is refused as one is cut; one that was sent to the wrong place is kept."""
    result = answer(status, "1:5: parse error: unexpected character")
    assert isinstance(result, PermanentExportError)
    assert result.whole is whole
    assert "parse error" in str(result)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
def test_again(status: int) -> None:
    """A server that is down or overloaded is asked again, not before it says."""
    result = answer(status, "Ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec)", retry_after="7")
    assert isinstance(result, RetryableExportError)
    assert result.retry_after == 7.0


def test_429_may_be_dropped() -> None:
    """With retry_on_http_429 off, a 429 is the end, and counted."""
    assert isinstance(answer(429, "busy", retry_429=False), Stored)


def test_streams_refused() -> None:
    """A 429 that names streams is about those."""
    limit = answer(429, STREAM_LIMIT, retry_after="3")
    assert isinstance(limit, StreamsRefused)
    assert (limit.reason, limit.retry_after) == ("stream_limit", 3.0)
    assert limit.streams == {frozenset({("container", "web"), ("trace_id", "1f")})}
    rate = answer(429, RATE, retry_429=False)
    assert isinstance(rate, StreamsRefused)
    assert rate.reason == "per_stream_rate_limit"
    assert list(rate.streams) == [frozenset({("app", "a")})]


@pytest.mark.parametrize(
    "value", ["plain", 'q"uo\\te', "new\nline\t\a\x00", "é\u00a0😀", b"\xff".decode(errors="surrogateescape")]
)
def test_labels_are_read_back(value: str) -> None:
    """A label string is read back to its labels, whatever is in them."""
    text = f"x {{a={quote(value)}, b_1={quote('}')}}} rest"
    parsed = parse_labels(text, 2)
    assert parsed is not None
    assert parsed[0] == {"a": value, "b_1": "}"}
    assert text[parsed[1] :] == " rest"


@pytest.mark.parametrize("text", ["{a}", "{a=b}", '{a="b"', '{a="b" c="d"}', "x", '{a="b', "{"])
def test_no_labels(text: str) -> None:
    """What is no label string is none."""
    assert parse_labels(text) is None
    assert parse_labels("{}") == ({}, 2)


def test_named_streams() -> None:
    """All label sets of a text are found, without what Loki adds."""
    text = 'a {x} {a="b"} {c="d", service_name="e", __stream_shard__="3"} {'
    assert named_streams(text) == [stream_key({"a": "b"}), stream_key({"c": "d"})]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("5", 5.0),
        ("1.5", 1.5),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("999999", 3600.0),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """Retry-After is a number or a date; nonsense is nothing."""
    assert parse_retry_after(text, 10.0) == seconds


def test_ignored_without_words() -> None:
    """A text that names nothing is about the whole request."""
    assert ignored_entries("error parsing labels: 1:2: unexpected", 5) == {}
    assert ignored_entries("", 5) == {}
