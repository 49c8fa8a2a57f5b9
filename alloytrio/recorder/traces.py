"""Traces out of kept requests: lists of summaries, and one trace with all its spans.

In: encoded ``ExportTraceServiceRequest``s as they came. Out: values for a page.
Errors: none; a request that cannot be read is skipped and counted (receivers check what they accept).

A list is made from an index, which is built when somebody first looks, brought up to date at each further look, and
forgotten with the requests. One trace needs no index: its id's 16 bytes are searched for in the raw requests.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alloytrio.errors import DecodeError
from alloytrio.recorder.fields import mapping, messages, named, number, service_of, text
from alloytrio.wire.otlp_read import read_request, skim_request

ERROR = 2  # Status.STATUS_CODE_ERROR
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")


@dataclass(frozen=True, slots=True)
class Kept:
    """One request in a recorder's ring. ``number`` counts up from 1 and never repeats."""

    number: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One line of the list of traces; times in nanoseconds since 1970.

    Args:
        root: name of the span without a parent, or of the earliest one if the root is not there (yet).
        service: of that span.
        is_complete: the root is there.
        services: all that took part, sorted.
    """

    trace_id: str
    root: str
    service: str
    is_complete: bool
    start_ns: int
    end_ns: int
    spans: int
    errors: int
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """What to look for; empty values look for everything.

    Args:
        service: exact name of a service that takes part.
        name: part of a span's name, in any case.
        min_duration_ns: of the whole trace.
        only_errors: at least one span failed.
        limit: traces in the answer, newest first.
    """

    service: str = ""
    name: str = ""
    min_duration_ns: int = 0
    only_errors: bool = False
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Span:
    """One span as a page shows it.

    Args:
        depth: 0 for roots; a span whose parent is not there counts as one.
        self_ns: duration without what children cover.
    """

    span_id: str
    parent_id: str
    name: str
    service: str
    kind: str
    status: str
    status_message: str
    start_ns: int
    end_ns: int
    depth: int
    self_ns: int
    attributes: Mapping[str, object]
    resource: Mapping[str, object]
    scope: str
    events: Sequence[Mapping[str, object]]
    links: Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole trace: spans in the order of a waterfall, parents before children, siblings by time."""

    trace_id: str
    start_ns: int
    end_ns: int
    spans: Sequence[Span]


@dataclass(slots=True)
class _Part:
    """What one request holds of one trace."""

    spans: int = 0
    errors: int = 0
    start_ns: int = 0
    end_ns: int = 0
    root: tuple[str, str] | None = None  # name, service
    first: tuple[str, str] = ("", "")
    services: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def add(self, span: Mapping[str, object], service: str) -> None:
        """Take in one skimmed span."""
        name, start, end = text(span, "name"), number(span, "start_time_unix_nano"), number(span, "end_time_unix_nano")
        if not self.spans or start < self.start_ns:
            self.start_ns, self.first = start, (name, service)
        self.end_ns = max(self.end_ns, end)
        if not text(span, "parent_span_id").strip("0"):
            self.root = (name, service)
        self.spans += 1
        self.errors += number(mapping(span, "status"), "code") == ERROR
        self.services.add(service)
        self.names.add(name)


class TraceIndex:
    """Summaries of the traces in one ring."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[str, _Part]] = {}  # request number → trace id → part
        self.unreadable = 0

    def refresh(self, kept: Sequence[Kept], is_late: Callable[[], bool]) -> bool:
        """Forget what the ring has let go, and read what is new, newest first.

        Args:
            kept: the ring, newest first.
            is_late: asked before each request; True ends the reading.

        Returns:
            Whether everything in the ring is in the index now.
        """
        numbers = {each.number for each in kept}
        for gone in self._parts.keys() - numbers:
            del self._parts[gone]
        for each in kept:
            if each.number in self._parts:
                continue
            if is_late():
                return False
            self._parts[each.number] = self._read(each.payload)
        return True

    def _read(self, payload: bytes) -> dict[str, _Part]:
        parts: dict[str, _Part] = {}
        try:
            request = skim_request("traces", payload)
        except DecodeError:
            self.unreadable += 1
            return parts
        for service, _, _, span in spans_of(request):
            trace_id = text(span, "trace_id")
            if trace_id not in parts:
                parts[trace_id] = _Part()
            parts[trace_id].add(span, service)
        return parts

    def services(self) -> list[str]:
        """All services that are in the index, sorted."""
        return sorted(
            {service for parts in self._parts.values() for part in parts.values() for service in part.services}
        )

    def search(self, query: TraceQuery) -> list[TraceSummary]:
        """The traces that match, newest first."""
        by_trace: dict[str, list[_Part]] = {}
        for parts in self._parts.values():
            for trace_id, part in parts.items():
                by_trace.setdefault(trace_id, []).append(part)
        found = [_summary(trace_id, parts) for trace_id, parts in by_trace.items() if _matches(parts, query)]
        found.sort(key=lambda each: each.start_ns, reverse=True)
        return found[: query.limit]


def _matches(parts: Sequence[_Part], query: TraceQuery) -> bool:
    wanted = query.name.lower()
    return (
        (not query.service or any(query.service in part.services for part in parts))
        and (not wanted or any(wanted in name.lower() for part in parts for name in part.names))
        and (not query.only_errors or any(part.errors for part in parts))
        and max(part.end_ns for part in parts) - min(part.start_ns for part in parts) >= query.min_duration_ns
    )


def _summary(trace_id: str, parts: Sequence[_Part]) -> TraceSummary:
    earliest = min(parts, key=lambda part: part.start_ns)
    root = next((part.root for part in parts if part.root), None)
    name, service = root or earliest.first
    return TraceSummary(
        trace_id=trace_id,
        root=name,
        service=service,
        is_complete=root is not None,
        start_ns=earliest.start_ns,
        end_ns=max(part.end_ns for part in parts),
        spans=sum(part.spans for part in parts),
        errors=sum(part.errors for part in parts),
        services=tuple(sorted(set().union(*(part.services for part in parts)))),
    )


def find_trace(kept: Iterable[Kept], trace_id: str, max_spans: int) -> Trace | None:
    """One trace with its spans; None if nothing of it is kept.

    Args:
        kept: the ring.
        trace_id: 32 hex digits.
        max_spans: the trace is cut off there.
    """
    wanted = bytes.fromhex(trace_id)
    raw: list[tuple[str, Mapping[str, object], str, Mapping[str, object]]] = []
    for each in kept:
        if wanted not in each.payload:
            continue
        try:
            request = read_request("traces", each.payload)
        except DecodeError:
            continue
        raw += [found for found in spans_of(request) if text(found[3], "trace_id") == trace_id]
    if not raw:
        return None
    spans = _in_order(raw[:max_spans])
    return Trace(trace_id, min(span.start_ns for span in spans), max(span.end_ns for span in spans), spans)


def _in_order(raw: Sequence[tuple[str, Mapping[str, object], str, Mapping[str, object]]]) -> list[Span]:
    """Spans as a waterfall shows them; a retried request's copies are dropped, a cycle of parents is cut."""
    by_id = {text(span, "span_id"): (service, resource, scope, span) for service, resource, scope, span in raw}
    children: dict[str, list[str]] = {}
    for span_id, (_, _, _, span) in by_id.items():
        parent_id = text(span, "parent_span_id")
        children.setdefault(parent_id if parent_id in by_id and parent_id != span_id else "", []).append(span_id)

    def start(span_id: str) -> int:
        return number(by_id[span_id][3], "start_time_unix_nano")

    ordered: list[Span] = []
    seen: set[str] = set()
    roots = sorted(children.get("", []), key=start)
    for candidates in (roots, sorted(by_id, key=start)):  # the second round finds spans in a cycle
        waiting = [(span_id, 0) for span_id in reversed(candidates)]
        while waiting:
            span_id, depth = waiting.pop()
            if span_id in seen:
                continue
            seen.add(span_id)
            below = sorted(children.get(span_id, []), key=start)
            ordered.append(_span(by_id[span_id], depth, [by_id[each][3] for each in below]))
            waiting += [(each, depth + 1) for each in reversed(below)]
    return ordered


def _span(
    found: tuple[str, Mapping[str, object], str, Mapping[str, object]],
    depth: int,
    below: Sequence[Mapping[str, object]],
) -> Span:
    service, resource, scope, span = found
    status = mapping(span, "status")
    start_ns, end_ns = number(span, "start_time_unix_nano"), number(span, "end_time_unix_nano")
    covered = covered_ns(
        [(number(each, "start_time_unix_nano"), number(each, "end_time_unix_nano")) for each in below], start_ns, end_ns
    )
    return Span(
        span_id=text(span, "span_id"),
        parent_id=text(span, "parent_span_id"),
        name=text(span, "name"),
        service=service,
        kind=named(KINDS, number(span, "kind")),
        status=named(STATUSES, number(status, "code")),
        status_message=text(status, "message"),
        start_ns=start_ns,
        end_ns=end_ns,
        depth=depth,
        self_ns=max(0, end_ns - start_ns - covered),
        attributes=mapping(span, "attributes"),
        resource=resource,
        scope=scope,
        events=messages(span, "events"),
        links=messages(span, "links"),
    )


def covered_ns(intervals: Sequence[tuple[int, int]], start_ns: int, end_ns: int) -> int:
    """How much of a time span is covered by intervals, overlaps counted once."""
    covered, reached = 0, start_ns
    for begin, end in sorted(intervals):
        begin, end = max(begin, reached), min(end, end_ns)
        if end > begin:
            covered += end - begin
            reached = end
    return covered


def spans_of(
    request: Mapping[str, object],
) -> Iterable[tuple[str, Mapping[str, object], str, Mapping[str, object]]]:
    """All spans of a request as (service, resource attributes, scope name, span)."""
    return [
        (service_of(resource), resource, text(mapping(scope, "scope"), "name"), span)
        for group in messages(request, "resource_spans")
        for resource in [mapping(mapping(group, "resource"), "attributes")]
        for scope in messages(group, "scope_spans")
        for span in messages(scope, "spans")
    ]
