"""The live view: what a tap shows, item by item, filtered and thinned out, as server-sent events.

In: the taps of a component. Out: events ``item`` (one span, point, line or target), ``count`` (seen, shown, missed).
Errors: what cannot be decoded is shown as such.

Decoding happens in a thread and takes at most a thirtieth of one core's time, whatever passes: after each piece of work
the stream rests thirty times as long. What came meanwhile waits in the tap's bounded channel, or is missed and counted.
Of a large request only a part is decoded: the parts that hold the text that is looked for, or one that stands for all.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

import trio

from alloytrio.admin.live import COMMENT, HEARTBEAT, event
from alloytrio.admin.view import EdgeView
from alloytrio.admin.words import shown
from alloytrio.errors import DecodeError
from alloytrio.recorder.fields import mapping, messages, named, number, service_of, text
from alloytrio.recorder.lines import KeptEntry, Line, line_of_entry, lines_of
from alloytrio.recorder.traces import ERROR, KINDS, spans_of
from alloytrio.telemetry import Telemetry
from alloytrio.telemetry.tap import LineSeen, LinesSeen, OtlpSeen, SamplesSeen, Seen, Tap, TargetsSeen, Watch
from alloytrio.wire import split
from alloytrio.wire.otlp_read import read_request
from alloytrio.wire.remote_write import split_write_request
from alloytrio.wire.samples_read import read_samples

MAX_WATCHES = 16
WAITING_ITEMS = 64  # requests or batches that wait to be decoded
REST_FACTOR = 30.0
PART_ITEMS = 32  # of a request, decoded together
MAX_TEXT = 4_000  # characters of a line


@dataclass(frozen=True, slots=True)
class TapQuery:
    """What to show.

    Args:
        text: part of the item's text, in any case.
        labels: exact values of labels or attributes.
        per_second: items shown at most.
        kinds: of OpenTelemetry data: traces, metrics, logs; empty = all.
    """

    text: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    per_second: int = 10
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TapItem:
    """One item as the page shows it; times in milliseconds since 1970."""

    kind: str
    time_ms: int
    text: str
    service: str = ""
    level: str = ""
    detail: str = ""
    labels: Mapping[str, object] = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""
    stages: Sequence[Mapping[str, object]] = ()

    def as_json(self) -> dict[str, object]:
        """Without what is empty."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["labels"] = {key: shown(value) for key, value in self.labels.items()}
        return {key: value for key, value in values.items() if value}

    def matches(self, query: TapQuery) -> bool:
        """Whether it is what was asked for."""
        return (not query.text or query.text.lower() in self.text.lower()) and all(
            shown(self.labels.get(name)) == value for name, value in query.labels.items()
        )


class TapEvents:
    """One reader's stream of a component's items; a context manager, entered when the stream begins.

    Args:
        taps: what to watch.
        query: what to show.
        stop: ends the stream.
        watches: all streams that are open; this one adds and removes itself.
        clock: a monotonic time in seconds.
    """

    def __init__(
        self,
        taps: Sequence[Tap],
        query: TapQuery,
        stop: trio.Event,
        watches: "set[TapEvents]",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._watch = Watch(taps, WAITING_ITEMS)
        self._query = query
        self._stop = stop
        self._clock = clock
        self._allowance = float(query.per_second)
        self._allowed_at = clock()
        self._seen = self._shown = 0
        self._watches = watches

    def __enter__(self) -> "TapEvents":
        self._watches.add(self)
        self._watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watch.__exit__(kind, error, traceback)
        self._watches.discard(self)

    async def next(self) -> bytes | None:
        """The next piece of the stream; None when the service stops."""
        item: Seen | None = None
        async with trio.open_nursery() as waiting:
            waiting.start_soon(self._wait_for_stop, waiting.cancel_scope)
            with trio.move_on_after(HEARTBEAT):
                item = await self._watch.receive()
            waiting.cancel_scope.cancel()
        if self._stop.is_set():
            return None
        if item is None:
            return COMMENT
        began = self._clock()
        if isinstance(item, OtlpSeen) and self._query.kinds and item.signal not in self._query.kinds:
            return b""
        items, passed_over = await trio.to_thread.run_sync(looked_at, item, self._query)
        wanted = [each for each in items if each.matches(self._query)]
        chosen = thin_out(wanted, self._grant(len(wanted)))
        self._seen += len(items) + passed_over
        self._shown += len(chosen)
        counted = {"seen": self._seen, "shown": self._shown, "missed": self._watch.missed}
        piece = b"".join([event("item", each.as_json()) for each in chosen] + [event("count", counted)])
        await trio.sleep((self._clock() - began) * REST_FACTOR)
        return piece

    async def _wait_for_stop(self, scope: trio.CancelScope) -> None:
        await self._stop.wait()
        scope.cancel()

    def _grant(self, wanted: int) -> int:
        """How many items may be shown now: a bucket that fills with ``per_second``."""
        now = self._clock()
        self._allowance += (now - self._allowed_at) * self._query.per_second
        self._allowance = min(self._allowance, float(self._query.per_second))
        self._allowed_at = now
        granted = min(wanted, int(self._allowance))
        self._allowance -= granted
        return granted


def taps_of(component_id: str, edges: Sequence[EdgeView], telemetry: Telemetry) -> tuple[list[Tap], frozenset[str]]:
    """Where to look for what passes a component, and for which kinds.

    A component that shows nothing itself (a batch, an exporter) is looked at where its data comes from.
    """
    own = telemetry.tap(component_id)
    if own is not None and own.is_offered:
        return [own], frozenset()
    kinds = frozenset(edge.kind for edge in edges if edge.target_id == component_id)
    found: list[Tap] = []
    waiting, reached = [component_id], {component_id}
    while waiting:
        current = waiting.pop()
        for edge in edges:
            if edge.target_id != current or edge.source_id in reached:
                continue
            reached.add(edge.source_id)
            tap = telemetry.tap(edge.source_id)
            if tap is not None and tap.is_offered:
                found.append(tap)
            else:
                waiting.append(edge.source_id)
    return found, kinds


def thin_out(items: Sequence[TapItem], wanted: int) -> list[TapItem]:
    """So many of them, evenly spread."""
    if wanted >= len(items):
        return list(items)
    return [items[index * len(items) // wanted] for index in range(wanted)]


def looked_at(seen: Seen, query: TapQuery) -> tuple[list[TapItem], int]:
    """The items in which what is looked for may be, and the number of those that were not decoded."""
    if not isinstance(seen, OtlpSeen | SamplesSeen):
        return items_of(seen), 0
    try:
        parts = _parts(seen)
    except DecodeError:
        return items_of(seen), 0
    chosen = [each for each in parts if _may_hold(each[1], query.text)]
    if not query.text and not query.labels and len(parts) > 2:
        chosen = [parts[len(parts) // 2]]
    items = [item for _, payload in chosen for item in items_of(replace(seen, payload=payload))]
    return items, sum(size for size, _ in parts) - sum(size for size, _ in chosen)


def _parts(seen: OtlpSeen | SamplesSeen) -> list[tuple[int, bytes]]:
    if isinstance(seen, SamplesSeen):
        return split_write_request(seen.payload, PART_ITEMS, 0)
    return split(seen.signal, seen.payload, PART_ITEMS, 0)


def _may_hold(payload: bytes, wanted: str) -> bool:
    """Whether a text may be in an encoded request; one outside ASCII may be there in another case."""
    return not wanted.isascii() or wanted.lower().encode() in payload.lower()


def items_of(seen: Seen) -> list[TapItem]:
    """All items in what passed."""
    try:
        match seen:
            case OtlpSeen():
                readers = {"traces": _spans, "metrics": _points, "logs": _records}
                return list(readers[seen.signal](read_request(seen.signal, seen.payload)))
            case SamplesSeen():
                return list(_samples(seen.payload))
            case LinesSeen():
                return [_line(line, seen) for line in seen.lines]
            case TargetsSeen():
                return [_target(before, after) for before, after in seen.targets]
    except DecodeError as exc:
        return [TapItem("unreadable", 0, str(exc))]


def _spans(request: Mapping[str, object]) -> Iterator[TapItem]:
    for service, resource, _, span in spans_of(request):
        start_ns = number(span, "start_time_unix_nano")
        failed = number(mapping(span, "status"), "code") == ERROR
        milliseconds = (number(span, "end_time_unix_nano") - start_ns) / 1e6
        yield TapItem(
            kind="span",
            time_ms=start_ns // 1_000_000,
            text=text(span, "name"),
            service=service,
            level="error" if failed else "",
            detail=f"{milliseconds:.3g} ms, {named(KINDS, number(span, 'kind'))}",
            labels={**mapping(span, "attributes"), **resource},
            trace_id=text(span, "trace_id"),
            span_id=text(span, "span_id"),
        )


def _points(request: Mapping[str, object]) -> Iterator[TapItem]:
    for group in messages(request, "resource_metrics"):
        resource = mapping(mapping(group, "resource"), "attributes")
        for scope in messages(group, "scope_metrics"):
            for metric in messages(scope, "metrics"):
                for key in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
                    for point in messages(mapping(metric, key), "data_points"):
                        yield TapItem(
                            kind="point",
                            time_ms=number(point, "time_unix_nano") // 1_000_000,
                            text=text(metric, "name"),
                            service=service_of(resource),
                            detail=f"{_value(point)} {text(metric, 'unit')}".strip(),
                            labels=mapping(point, "attributes"),
                        )


def _value(point: Mapping[str, object]) -> str:
    for key in ("as_int", "as_double"):
        if key in point:
            return f"{point[key]}"
    return f"count {point.get('count', 0)}, sum {point.get('sum', 0)}"


def _records(request: Mapping[str, object]) -> Iterator[TapItem]:
    return (_item_of_line(line) for line in lines_of(request))


def _samples(payload: bytes) -> Iterator[TapItem]:
    for series in read_samples(payload):
        name = series.labels.get("__name__", "")
        values = [(stamp, f"{value:g}") for stamp, value in series.samples]
        values += [(stamp, f"count {count:g}, sum {total:g}") for stamp, count, total in series.histograms]
        for stamp, detail in values:
            yield TapItem("sample", stamp, name, series.labels.get("job", ""), detail=detail, labels=series.labels)


def _item_of_line(line: Line, stages: Sequence[Mapping[str, object]] = ()) -> TapItem:
    return TapItem(
        kind="line",
        time_ms=line.time_ns // 1_000_000,
        text=line.text[:MAX_TEXT],
        service=line.service,
        level=line.level,
        labels={**line.attributes, **line.labels},
        trace_id=line.trace_id,
        span_id=line.span_id,
        stages=stages,
    )


def _line(line: LineSeen, seen: LinesSeen) -> TapItem:
    entry = KeptEntry(line.ts_ns, line.labels, line.line, line.metadata)
    return _item_of_line(line_of_entry(entry), list(_effects(line, seen)))


def _effects(line: LineSeen, seen: LinesSeen) -> Iterator[dict[str, object]]:
    """What each stage did to a line; stages that changed nothing are named too."""
    before = line
    released = seen.released.get(line.key, -1)
    for index, (name, after_stage) in enumerate(seen.stages):
        after = next((each for each in after_stage if each.key == line.key), None)
        if index < released:
            continue
        if after is None:
            yield {"stage": name, "held": True} if index in seen.holding else {"stage": name, "dropped": True}
            return
        if index == released:
            yield {"stage": name, "released": True}
        else:
            yield {"stage": name, "changes": dict(_changes(before, after))}
        before = after


def _changes(before: LineSeen, after: LineSeen) -> Iterator[tuple[str, str]]:
    if after.line != before.line:
        yield "line", after.line.decode("utf-8", "replace")[:MAX_TEXT]
    if after.ts_ns != before.ts_ns:
        yield "timestamp", f"{after.ts_ns / 1e9:.9f}"
    for word, old, new in (
        ("label", before.labels, after.labels),
        ("metadata", before.metadata, after.metadata),
        ("extracted", before.extracted, after.extracted),
    ):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                yield f"{word} {key}", new.get(key, "(removed)")


def _target(before: Mapping[str, str], after: Mapping[str, str] | None) -> TapItem:
    return TapItem(
        kind="target",
        time_ms=0,
        text=before.get("__meta_docker_container_name", before.get("__address__", "")).lstrip("/"),
        detail="dropped" if after is None else "",
        labels=before if after is None else after,
    )
