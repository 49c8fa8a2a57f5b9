"""Log lines out of what is kept."""

import pytest

from alloytrio.recorder.lines import (
    EntryFields,
    KeptEntry,
    Line,
    LineQuery,
    line_of_entry,
    search_entries,
    search_requests,
)
from alloytrio.recorder.traces import Kept
from tests.recorder.otlp import SECOND, T0, records, span_id, trace_id

TRACE, SPAN = trace_id(0xABC), span_id(0xDEF)
RING = [
    Kept(2, records("store", (3, 17, "Payment failed", 0xABC, 0xDEF), (4, 5, "done", 0, 0))),
    Kept(1, records("shop", (1, 9, "hello", 0, 0), (2, 13, "slow query", 0xABC, 1))),
]


def never() -> bool:
    """There is time."""
    return False


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (LineQuery(), ["done", "Payment failed", "slow query", "hello"]),
        (LineQuery(text="pay"), ["Payment failed"]),
        (LineQuery(service="shop"), ["slow query", "hello"]),
        (LineQuery(level="warn"), ["Payment failed", "slow query"]),
        (LineQuery(trace_id=TRACE), ["Payment failed", "slow query"]),
        (LineQuery(trace_id=TRACE, span_id=SPAN), ["Payment failed"]),
        (LineQuery(labels={"user": "u1", "service.name": "shop"}, level="info"), ["slow query", "hello"]),
        (LineQuery(labels={"user": "u2"}), []),
        (LineQuery(limit=1), ["done"]),
    ],
)
def test_search_in_otlp_records(query: LineQuery, expected: list[str]) -> None:
    """Each condition narrows the lines; they come newest first and bounded."""
    lines, is_complete = search_requests(RING, query, never)
    assert [line.text for line in lines] == expected
    assert is_complete


def test_a_record_has_everything() -> None:
    """Time, level by severity number, service, attributes and ids of a record."""
    line = search_requests(RING, LineQuery(text="Payment"), never)[0][0]
    assert line == Line(
        time_ns=T0 + 3 * SECOND,
        level="error",
        text="Payment failed",
        service="store",
        labels={"service.name": "store"},
        attributes={"user": "u1"},
        trace_id=TRACE,
        span_id=SPAN,
    )


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (0, ""),
        (1, "trace"),
        (4, "trace"),
        (5, "debug"),
        (9, "info"),
        (16, "warn"),
        (20, "error"),
        (24, "fatal"),
        (99, "fatal"),
    ],
)
def test_severity_numbers(severity: int, level: str) -> None:
    """Severity numbers go by fours; none is no level."""
    lines, _ = search_requests([Kept(1, records("a", (0, severity, "x", 0, 0)))], LineQuery(), never)
    assert lines[0].level == level


def test_late_searches_say_so() -> None:
    """A search that runs out of time gives what it found, and that it is not everything."""
    answers = iter([False, True])
    lines, is_complete = search_requests(RING, LineQuery(), lambda: next(answers))
    assert [line.text for line in lines] == ["done", "Payment failed"]
    assert not is_complete
    assert search_entries([[]], LineQuery(), lambda: True) == ([], False)
    assert search_requests([Kept(1, b"\xff")], LineQuery(), never) == ([], True)


def entry(
    line: str, labels: dict[str, str] | None = None, metadata: dict[str, str] | None = None, at: int = 0
) -> KeptEntry:
    """A container line."""
    return KeptEntry(T0 + at, labels or {"container": "web"}, line.encode(), metadata)


def fields(kept: KeptEntry) -> EntryFields:
    """As a ring keeps it."""
    return (kept.ts_ns, kept.labels, kept.line, kept.metadata)


@pytest.mark.parametrize(
    ("kept", "level"),
    [
        (entry("x", {"level": "WARNING"}), "warn"),
        (entry("x", None, {"detected_level": "err"}), "error"),
        (entry('{"severity":"Information","m":1}'), "info"),
        (entry("ts=1 level=debug msg=x"), "debug"),
        (entry("2026-01-01 12:00:00,1 ERROR [main] x"), "error"),
        (entry("[warn] x"), "warn"),
        (entry("I have an error in mind"), ""),
        (entry("x" * 300 + " ERROR"), ""),
        (entry("x", {"level": "odd"}), ""),
    ],
)
def test_levels_of_container_lines(kept: KeptEntry, level: str) -> None:
    """A level is found in labels, metadata, JSON, logfmt, brackets and capitals, not in plain words."""
    assert line_of_entry(kept).level == level


@pytest.mark.parametrize(
    "kept",
    [
        entry("x", {"trace_id": TRACE, "span_id": SPAN}),
        entry("x", None, {"traceID": TRACE.upper(), "spanId": SPAN.upper()}),
        entry(f'{{"trace_id":"{TRACE}","span_id":"{SPAN}"}}'),
        entry(f"msg=x traceId={TRACE} spanID={SPAN}"),
        entry(f"x trace.id: {TRACE} span-id: {SPAN}"),
    ],
)
def test_ids_of_container_lines(kept: KeptEntry) -> None:
    """The ids of a trace are found where applications write them, and lines are found by them."""
    line = line_of_entry(kept)
    assert (line.trace_id, line.span_id) == (TRACE, SPAN)
    for query in (LineQuery(trace_id=TRACE), LineQuery(trace_id=TRACE, span_id=SPAN)):
        found, _ = search_entries([[fields(entry("other")), fields(kept)]], query, never)
        assert found == [line]


def test_container_lines_are_newest_first() -> None:
    """Batches come newest first and hold their lines oldest first; the result is by time."""
    batches = [
        [fields(entry(text, at=at)) for text, at in some] for some in ([("c", 3), ("d", 4)], [("a", 1), ("b", 2)])
    ]
    lines, _ = search_entries(batches, LineQuery(limit=3), never)
    assert [line.text for line in lines] == ["d", "c", "b"]
    assert lines[0].service == "web"


def test_bytes_that_are_no_text() -> None:
    """A line that is not UTF-8 is shown with replacement characters."""
    assert line_of_entry(KeptEntry(0, {}, b"\xff\xfe")).text == "\ufffd\ufffd"
