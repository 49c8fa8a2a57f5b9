"""What passes a tap as items that the page can show: spans, data points, samples, log lines, targets.

In: what a tap showed. Out: ``TapItem``s. Errors: what cannot be decoded becomes an item that says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alloytrio.admin.words import shown
from alloytrio.errors import DecodeError
from alloytrio.recorder.fields import mapping, messages, named, number, service_of, text
from alloytrio.recorder.lines import KeptEntry, Line, line_of_entry, lines_of
from alloytrio.recorder.traces import ERROR, KINDS, spans_of
from alloytrio.telemetry.tap import LineSeen, LinesSeen, OtlpSeen, SamplesSeen, Seen, TargetsSeen
from alloytrio.wire.otlp_read import read_request
from alloytrio.wire.samples_read import read_samples

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
