"""Query strings to queries."""

import pytest

from alloytrio.admin.api import MAX_TAP_RATE, tap_query
from alloytrio.admin.queries import MAX_LIMIT, line_query, trace_id, trace_query
from alloytrio.admin.tap_items import TapQuery
from alloytrio.recorder.lines import LineQuery
from alloytrio.recorder.traces import TraceQuery


def test_traces() -> None:
    """Everything that can be asked of traces."""
    arguments = {"service": "shop", "name": " GET ", "min_duration": "1.5s", "error": "1", "limit": "5"}
    assert trace_query(arguments) == TraceQuery("shop", "GET", 1_500_000_000, True, 5)
    assert trace_query({}) == TraceQuery()


def test_lines() -> None:
    """Everything that can be asked of lines."""
    arguments = {
        "text": "x",
        "label": 'container = "web"',
        "service": "shop",
        "level": "warn",
        "trace_id": "AB" * 16,
        "span_id": "cd" * 8,
        "limit": "7",
    }
    assert line_query(arguments) == LineQuery("x", {"container": "web"}, "shop", "warn", "ab" * 16, "cd" * 8, 7)
    assert line_query({}) == LineQuery(labels={})


def test_taps() -> None:
    """Everything that can be asked of a tap."""
    arguments = {"text": "x", "label": "a=b", "rate": "100", "kind": "logs"}
    assert tap_query(arguments) == TapQuery("x", {"a": "b"}, 100, frozenset({"logs"}))
    assert tap_query({}) == TapQuery()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"level": "loud"}, "level must be one of trace, debug"),
        ({"label": "novalue"}, "name=value"),
        ({"label": "=x"}, "name=value"),
        ({"trace_id": "xyz"}, "32 hex digits"),
        ({"span_id": "12"}, "16 hex digits"),
        ({"limit": "0"}, "1 … 1000"),
        ({"limit": str(MAX_LIMIT + 1)}, "1 … 1000"),
        ({"limit": "9" * 5000}, "1 … 1000"),
        ({"limit": "x"}, "1 … 1000"),
        ({"limit": "0000000010000"}, "1 … 1000"),
    ],
)
def test_what_cannot_be_understood_says_why(arguments: dict[str, str], reason: str) -> None:
    """The message can be shown to who wrote it."""
    with pytest.raises(ValueError, match=reason):
        line_query(arguments)


def test_other_mistakes() -> None:
    """A duration needs a unit; a tap's rate and kind have their bounds; the largest limit is one."""
    with pytest.raises(ValueError, match="not a duration"):
        trace_query({"min_duration": "5"})
    for rate in ("0", str(MAX_TAP_RATE + 1), "-1", "x"):
        with pytest.raises(ValueError, match="rate must be"):
            tap_query({"rate": rate})
    with pytest.raises(ValueError, match="kind must be"):
        tap_query({"kind": "spans"})
    assert line_query({"limit": str(MAX_LIMIT)}).limit == MAX_LIMIT
    assert trace_id("") == ""
