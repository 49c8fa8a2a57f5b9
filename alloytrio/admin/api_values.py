"""The API's values: what each thing looks like as JSON. ``static/openapi.json`` says the same in its language."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from alloytrio.admin.flow import UNITS
from alloytrio.admin.live import Live
from alloytrio.admin.overview import resident_bytes
from alloytrio.admin.view import (
    ComponentView,
    ConfigurationView,
    OutboxView,
    RejectedView,
    ReloadView,
    ServiceView,
    unhealthy,
)
from alloytrio.component import KnownTarget, Note
from alloytrio.recorder.lines import Line
from alloytrio.recorder.series import Series
from alloytrio.recorder.traces import Span, Trace, TraceSummary
from alloytrio.recorder.viewer import Found
from alloytrio.telemetry import Health, LogLine
from alloytrio.telemetry.logs import format_time

Json = dict[str, object]


def time_text(time_ns: int) -> str | None:
    """RFC 3339 in UTC; None for never (0), and for what no calendar holds."""
    try:
        return format_time(time_ns) if time_ns else None
    except (OverflowError, OSError, ValueError):
        return None


def plain(value: object) -> object:
    """What orjson asks for: bytes become hex, other mappings and sequences become plain ones."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) else str(value)


def status(view: ServiceView, live: Live) -> Json:
    """The service as a whole."""
    reload = view.last_reload()
    recorder = view.recorder()
    return {
        "version": view.telemetry.version,
        "ready": view.is_ready(),
        "unhealthy": list(unhealthy(view.healths())),
        "cpu_cores": live.sampler.rate("cpu"),
        "resident_bytes": resident_bytes(),
        "last_reload": None if reload is None else reload_outcome(reload),
        "recorded": None if recorder is None else dict(recorder.kept()),
    }


def reload_outcome(outcome: ReloadView) -> Json:
    """How a reload ended; ``error`` is empty when it took effect."""
    return {"at": time_text(outcome.at_ns), "error": outcome.error, "replaced": list(outcome.replaced)}


def component(each: ComponentView, view: ServiceView) -> Json:
    """One component."""
    edges = view.edges()
    targets = view.targets().get(each.id)
    return {
        "id": each.id,
        "type": each.type,
        "label": each.label,
        "health": health(each.health),
        "health_history": [health(change) for change in each.history],
        "config": each.config,
        "values": [{"path": value.path, "value": value.value, "origin": value.origin} for value in each.values],
        "inputs": [{"from": edge.source_id, "kind": edge.kind} for edge in edges if edge.target_id == each.id],
        "outputs": [{"to": edge.target_id, "kind": edge.kind} for edge in edges if edge.source_id == each.id],
        "metrics": [{"name": name, "labels": labels, "value": value} for name, labels, value in each.metrics],
        "outboxes": [outbox(found) for found in view.outboxes().get(each.id, ())],
        "notes": [note(found) for found in view.notes().get(each.id, ())],
        "targets": None if targets is None else [target(found) for found in targets],
    }


def health(each: Health) -> Json:
    """A state of health with its beginning."""
    return {"state": each.state.value, "message": each.message, "since": format_time(each.since_ns)}


def outbox(each: OutboxView) -> Json:
    """What waits for one backend."""
    found = {"name": each.name, "backend": each.backend} | asdict(each.stats)
    found |= found.pop("counts")
    for internal in ("memory_bytes", "batches_waiting", "puts_waiting"):
        del found[internal]
    found["last_success"] = time_text(found.pop("last_success_ns"))
    found["last_error_at"] = time_text(found.pop("last_error_ns"))
    found["oldest_age_seconds"] = found.pop("oldest_age")
    found["retry_in_seconds"] = found.pop("retry_wait")
    return found


def target(each: KnownTarget) -> Json:
    """One target, before and after relabelling."""
    return {
        "discovered": each.discovered,
        "labels": each.labels,
        "dropped_by": each.dropped_by,
        "state": each.state,
        "last_entry": time_text(each.last_entry_ns),
        "position": time_text(each.position_ns),
        "lag_seconds": each.lag,
        "problem": each.problem,
        "steps": [{"rule": rule, "labels": labels} for rule, labels in each.steps],
    }


def note(each: Note) -> Json:
    """Something to know of a component beside its health."""
    return {"text": each.text, "warning": each.is_warning, "at": time_text(each.at_ns)}


def rejected(each: RejectedView) -> Json:
    """Items that a backend refused for good."""
    return {
        "id": each.id,
        "at": time_text(each.time_ns),
        "encoding": each.encoding,
        "items": each.items,
        "size_bytes": each.size_bytes,
        "reason": each.reason,
    }


def edges(view: ServiceView, live: Live) -> list[Json]:
    """All edges with their rates."""
    return [
        {
            "from": edge.source_id,
            "to": edge.target_id,
            "kind": edge.kind,
            "unit": UNITS.get(edge.kind, edge.kind),
            "items_per_second": live.sampler.rate(edge),
        }
        for edge in view.edges()
    ]


def configuration(view: ServiceView, on_disk: ConfigurationView | None) -> Json:
    """What runs, and what the file on disk says now."""
    running = view.configuration()
    return {
        "name": running.name,
        "running": running.text,
        "on_disk": None if on_disk is None else {"text": on_disk.text, "error": on_disk.error},
        "is_changed": on_disk is not None and on_disk.text != running.text,
    }


def own_line(each: LogLine) -> Json:
    """One line of the service's own log."""
    return {"time": format_time(each.time_ns), "level": each.level, "text": each.text, "fields": each.fields}


def found(name: str, items: Sequence[Json], answer: Found[TraceSummary] | Found[Line] | Found[Series]) -> Json:
    """The answer to a search."""
    return {name: list(items), "services": list(answer.services), "is_complete": answer.is_complete}


def trace_summary(each: TraceSummary) -> Json:
    """One trace in a list."""
    return {
        "trace_id": each.trace_id,
        "root": each.root,
        "service": each.service,
        "is_complete": each.is_complete,
        "start": time_text(each.start_ns),
        "duration_seconds": (each.end_ns - each.start_ns) / 1e9,
        "spans": each.spans,
        "errors": each.errors,
        "services": list(each.services),
    }


def trace(each: Trace) -> Json:
    """A whole trace."""
    return {
        "trace_id": each.trace_id,
        "start": time_text(each.start_ns),
        "duration_seconds": (each.end_ns - each.start_ns) / 1e9,
        "spans": [span(one) for one in each.spans],
    }


def span(each: Span) -> Json:
    """One span; events and links as OTLP has them."""
    return {
        "span_id": each.span_id,
        "parent_id": each.parent_id,
        "name": each.name,
        "service": each.service,
        "kind": each.kind,
        "status": each.status,
        "status_message": each.status_message,
        "start": time_text(each.start_ns),
        "duration_seconds": (each.end_ns - each.start_ns) / 1e9,
        "self_seconds": each.self_ns / 1e9,
        "depth": each.depth,
        "attributes": each.attributes,
        "resource": each.resource,
        "scope": each.scope,
        "events": list(each.events),
        "links": list(each.links),
    }


def line(each: Line) -> Json:
    """One log line."""
    return {
        "time": time_text(each.time_ns),
        "level": each.level,
        "text": each.text,
        "service": each.service,
        "labels": each.labels,
        "attributes": each.attributes,
        "trace_id": each.trace_id,
        "span_id": each.span_id,
    }


def series(each: Series) -> Json:
    """One series; ``points`` are as a chart shows them: counters per second, histograms as their mean."""
    return {
        "name": each.info.name,
        "kind": each.info.kind,
        "unit": each.info.unit,
        "description": each.info.description,
        "service": each.info.service,
        "attributes": each.info.attributes,
        "points": [{"time": time_text(time_ns), "value": value} for time_ns, value in each.rates()],
    }
