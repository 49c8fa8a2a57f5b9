"""Traces out of kept requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.recorder.traces import Kept, Trace, TraceIndex, TraceQuery, covered_ns, find_trace
from tests.recorder.otlp import SECOND, T0, span_id, spans, trace_id

SHOP = spans(
    "shop",
    (1, 1, 0, "GET /cart", 0, 1, False),
    (1, 2, 1, "load cart", 0.2, 0.5, False),
    (2, 9, 0, "GET /", 5, 5.01, False),
)
STORE = spans("store", (1, 3, 2, "SELECT", 0.3, 0.4, True))
ORPHAN = spans("", (3, 7, 6, "late child", 8, 9, False))
RING = [Kept(3, ORPHAN), Kept(2, STORE), Kept(1, SHOP)]


def never() -> bool:
    """There is time."""
    return False


def index_of(*kept: Kept) -> TraceIndex:
    """An index of these."""
    index = TraceIndex()
    assert index.refresh(kept, never)
    return index


def test_summaries_join_requests() -> None:
    """A trace whose spans came in several requests is one line: root, services, spans, errors, duration."""
    found = index_of(*RING).search(TraceQuery())
    assert [each.trace_id for each in found] == [trace_id(3), trace_id(2), trace_id(1)]
    cart = found[2]
    assert (cart.root, cart.service, cart.is_complete) == ("GET /cart", "shop", True)
    assert (cart.spans, cart.errors, cart.services) == (3, 1, ("shop", "store"))
    assert (cart.start_ns, cart.end_ns) == (T0, T0 + SECOND)
    orphan = found[0]
    assert (orphan.root, orphan.service, orphan.is_complete) == ("late child", "unknown_service", False)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (TraceQuery(service="store"), [1]),
        (TraceQuery(service="shop"), [2, 1]),
        (TraceQuery(name="select"), [1]),
        (TraceQuery(name="GET /"), [2, 1]),
        (TraceQuery(min_duration_ns=SECOND), [3, 1]),
        (TraceQuery(min_duration_ns=SECOND + 1), []),
        (TraceQuery(only_errors=True), [1]),
        (TraceQuery(limit=1), [3]),
        (TraceQuery(service="no"), []),
    ],
)
def test_search(query: TraceQuery, expected: list[int]) -> None:
    """Each condition narrows the list; all together it is newest first and bounded."""
    assert [each.trace_id for each in index_of(*RING).search(query)] == [trace_id(each) for each in expected]


def test_services() -> None:
    """The choice of services is what is there."""
    assert index_of(*RING).services() == ["shop", "store", "unknown_service"]


def test_index_follows_the_ring() -> None:
    """What the ring lets go leaves the index; what is new is read; what is known is not read again."""
    index = index_of(*RING)
    newer = Kept(4, spans("new", (4, 1, 0, "x", 10, 11, False)))
    broken = Kept(2, b"\xff")
    assert index.refresh([newer, RING[0], broken], never)
    assert [each.trace_id for each in index.search(TraceQuery())] == [trace_id(4), trace_id(3), trace_id(1)]
    assert index.search(TraceQuery())[2].services == ("store",), "request 2 was not read again, request 1 is gone"


def test_reading_ends_when_it_is_late() -> None:
    """A search that takes too long answers with the newest, and goes on at the next look."""
    answers = iter([False, True])
    index = TraceIndex()
    assert not index.refresh(RING, lambda: next(answers))
    assert [each.trace_id for each in index.search(TraceQuery())] == [trace_id(3)]
    assert index.refresh(RING, never)
    assert len(index.search(TraceQuery())) == 3


def test_unreadable_requests_are_counted() -> None:
    """A request that is no OTLP is skipped and counted."""
    index = index_of(Kept(1, b"\xff\xff"), Kept(2, STORE))
    assert index.unreadable == 1
    assert len(index.search(TraceQuery())) == 1


def trace_of(*requests: bytes, max_spans: int = 1000) -> Trace:
    """Trace 1 of these requests."""
    trace = find_trace([Kept(number, each) for number, each in enumerate(requests, 1)], trace_id(1), max_spans)
    assert trace is not None
    return trace


def test_one_trace_as_a_waterfall() -> None:
    """Parents come before their children, with depth, kind, status, attributes, resource and own time."""
    trace = trace_of(STORE, SHOP)
    assert [(span.name, span.depth) for span in trace.spans] == [("GET /cart", 0), ("load cart", 1), ("SELECT", 2)]
    root, cart, select = trace.spans
    assert (root.kind, root.status, select.status, select.status_message) == ("server", "unset", "error", "no")
    assert root.self_ns == int(0.7 * SECOND)
    assert cart.self_ns == pytest.approx(0.2 * SECOND)
    assert select.attributes == {"http.route": "/SELECT"}
    assert (select.service, select.resource, select.scope) == ("store", {"service.name": "store"}, "scope")
    assert (select.span_id, select.parent_id) == (span_id(3), span_id(2))
    assert (trace.start_ns, trace.end_ns) == (T0, T0 + SECOND)


def test_unknown_trace() -> None:
    """A trace that is not kept is not there."""
    assert find_trace(RING, trace_id(99), 1000) is None


def test_copies_and_cycles() -> None:
    """A request that was sent twice shows each span once; spans that are each other's parents are shown, once."""
    assert len(trace_of(SHOP, SHOP, STORE).spans) == 3
    cycle = spans("x", (1, 1, 2, "a", 0, 1, False), (1, 2, 1, "b", 0, 1, False), (1, 3, 3, "c", 0, 1, False))
    assert sorted(span.name for span in trace_of(cycle).spans) == ["a", "b", "c"]


def test_deep_and_huge_traces() -> None:
    """A chain of thousands of spans is shown without recursion, cut at the limit."""
    chain = spans("x", *[(1, number, number - 1, "s", number, 9999, False) for number in range(1, 3001)])
    assert trace_of(chain, max_spans=5000).spans[-1].depth == 2999
    assert len(trace_of(chain, max_spans=3000).spans) == 3000
    assert len(trace_of(chain, max_spans=2999).spans) == 2999


@given(st.lists(st.tuples(st.integers(-5, 25), st.integers(-5, 25)), max_size=8))
def test_covered_time_counts_each_moment_once(intervals: list[tuple[int, int]]) -> None:
    """The time that children cover is the number of moments in at least one of them, within the parent."""
    moments = {moment for begin, end in intervals for moment in range(max(begin, 0), min(end, 20))}
    assert covered_ns(intervals, 0, 20) == len(moments)
