"""Log lines out of what is kept: OTLP log records and container lines, in one form, with their way to the trace.

In: encoded ``ExportLogsServiceRequest``s, and log entries as they passed. Out: lines for a page, newest first.
Errors: none; what cannot be read is skipped.

Container lines carry the ids of their trace where applications write them: in structured metadata, in a label, in a
JSON or logfmt line. Source of the names: OpenTelemetry's "Trace Context in non-OTLP Log Formats", and what is common.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from alloytrio.errors import DecodeError
from alloytrio.recorder.fields import mapping, messages, number, service_of, text
from alloytrio.recorder.traces import Kept
from alloytrio.wire.otlp_read import read_request

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")

_LEVEL_WORDS = {
    **{level: level for level in LEVELS},
    "information": "info", "informational": "info", "notice": "info", "warning": "warn", "err": "error",
    "critical": "fatal", "crit": "fatal", "panic": "fatal", "alert": "fatal", "emergency": "fatal", "emerg": "fatal",
    "verbose": "trace", "dbg": "debug", "inf": "info", "wrn": "warn",
}  # fmt: skip
_LEVEL_KEYS = frozenset({"level", "severity", "loglevel", "lvl", "detectedlevel", "severitytext"})
_SERVICE_KEYS = ("service_name", "service", "compose_service", "container", "container_name", "app", "job")
_TRACE_IN_LINE = re.compile(r"trace[-_.]?id\W{1,4}([0-9a-f]{32})\b", re.IGNORECASE)
_SPAN_IN_LINE = re.compile(r"span[-_.]?id\W{1,4}([0-9a-f]{16})\b", re.IGNORECASE)
_ANY_LEVEL = "|".join(_LEVEL_WORDS)
# level=info, "level":"info", [info], or a word in capitals: INFO
_LEVEL_IN_LINE = re.compile(
    rf"(?i:(?:\b(?:level|severity|lvl)\W{{1,4}}|[\[(<])({_ANY_LEVEL})\b)"
    r"|\b(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL)\b"
)
_HEX_32 = re.compile(r"[0-9a-f]{32}")
_HEX_16 = re.compile(r"[0-9a-f]{16}")
_LEVEL_SEARCH_CHARACTERS = 200  # the level stands at the beginning of a line, if at all


EntryFields = tuple[int, Mapping[str, str], bytes, Mapping[str, str] | None]
"""A ``KeptEntry`` before somebody looks at it: a plain tuple costs a fifth of the object."""


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """One container line as it passed.

    Args:
        ts_ns: its time, nanoseconds since 1970.
        labels: of its stream.
        line: UTF-8, perhaps.
        metadata: structured metadata.
    """

    ts_ns: int
    labels: Mapping[str, str]
    line: bytes
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One log line.

    Args:
        level: one of ``LEVELS``, or empty.
        labels: of the stream, or the resource's attributes.
        attributes: the record's own, or structured metadata.
        trace_id, span_id: hex, or empty.
    """

    time_ns: int
    level: str
    text: str
    service: str
    labels: Mapping[str, object]
    attributes: Mapping[str, object]
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class LineQuery:
    """What to look for; empty values look for everything.

    Args:
        text: part of the line, in any case.
        labels: exact values of labels or attributes.
        service: exact.
        level: at least this serious.
        trace_id, span_id: hex.
        limit: lines in the answer, newest first.
    """

    text: str = ""
    labels: Mapping[str, str] | None = None
    service: str = ""
    level: str = ""
    trace_id: str = ""
    span_id: str = ""
    limit: int = 200


def search_requests(kept: Iterable[Kept], query: LineQuery, is_late: Callable[[], bool]) -> tuple[list[Line], bool]:
    """Lines of OTLP log requests.

    Args:
        kept: the ring, newest first.
        is_late: asked before each request; True ends the search.

    Returns:
        The lines, newest first, and whether everything was searched (or the limit was reached).
    """
    found: list[Line] = []
    needles = [bytes.fromhex(each) for each in (query.trace_id, query.span_id) if each]
    for each in kept:
        if len(found) >= query.limit:
            break
        if is_late():
            return newest(found, query.limit), False
        if not all(needle in each.payload for needle in needles):
            continue
        try:
            request = read_request("logs", each.payload)
        except DecodeError:
            continue
        found += [line for line in lines_of(request) if matches(line, query)]
    return newest(found, query.limit), True


def search_entries(
    batches: Iterable[Sequence[EntryFields]], query: LineQuery, is_late: Callable[[], bool]
) -> tuple[list[Line], bool]:
    """Lines of containers; ``batches`` newest first, entries within a batch oldest first. Returns as above."""
    found: list[Line] = []
    needle = (query.trace_id or query.span_id).encode()
    for batch in batches:
        if len(found) >= query.limit:
            break
        if is_late():
            return newest(found, query.limit), False
        for fields in batch:
            entry = KeptEntry(*fields)
            if needle and needle not in entry.line.lower() and not _is_in_metadata(needle.decode(), entry):
                continue
            line = line_of_entry(entry)
            if matches(line, query):
                found.append(line)
    return newest(found, query.limit), True


def newest(lines: list[Line], limit: int) -> list[Line]:
    """The newest lines, newest first."""
    return sorted(lines, key=lambda line: line.time_ns, reverse=True)[:limit]


def matches(line: Line, query: LineQuery) -> bool:
    """Whether a line is what was asked for."""
    return (
        (not query.trace_id or line.trace_id == query.trace_id)
        and (not query.span_id or line.span_id == query.span_id)
        and (not query.service or line.service == query.service)
        and (not query.level or (line.level in LEVELS and LEVELS.index(line.level) >= LEVELS.index(query.level)))
        and (not query.text or query.text.lower() in line.text.lower())
        and all(_value(line, name) == value for name, value in (query.labels or {}).items())
    )


def _value(line: Line, name: str) -> str | None:
    value = line.attributes.get(name, line.labels.get(name))
    return None if value is None else str(value)


def lines_of(request: Mapping[str, object]) -> list[Line]:
    """All records of a decoded request."""
    return [
        _line_of_record(record, resource)
        for group in messages(request, "resource_logs")
        for resource in [mapping(mapping(group, "resource"), "attributes")]
        for scope in messages(group, "scope_logs")
        for record in messages(scope, "log_records")
    ]


def _line_of_record(record: Mapping[str, object], resource: Mapping[str, object]) -> Line:
    body = record.get("body")
    severity = number(record, "severity_number")
    level = LEVELS[min(severity - 1, 23) // 4] if severity > 0 else level_word(text(record, "severity_text"))
    return Line(
        time_ns=number(record, "time_unix_nano") or number(record, "observed_time_unix_nano"),
        level=level,
        text=body if isinstance(body, str) else "" if body is None else str(body),
        service=service_of(resource),
        labels=resource,
        attributes=mapping(record, "attributes"),
        trace_id=text(record, "trace_id"),
        span_id=text(record, "span_id"),
    )


def line_of_entry(entry: KeptEntry) -> Line:
    """A container line, with service, level and ids found where applications put them."""
    line = entry.line.decode("utf-8", "replace")
    metadata = entry.metadata or {}
    known = {_folded(key): value for each in (entry.labels, metadata) for key, value in each.items()}
    level = next((level_word(known[key]) for key in _LEVEL_KEYS if key in known), "")
    if not level:
        found = _LEVEL_IN_LINE.search(line, 0, _LEVEL_SEARCH_CHARACTERS)
        level = level_word(found[1] or found[2]) if found else ""
    return Line(
        time_ns=entry.ts_ns,
        level=level,
        text=line,
        service=next((entry.labels[key] for key in _SERVICE_KEYS if key in entry.labels), ""),
        labels=entry.labels,
        attributes=metadata,
        trace_id=_id(known.get("traceid", ""), _HEX_32, line, _TRACE_IN_LINE),
        span_id=_id(known.get("spanid", ""), _HEX_16, line, _SPAN_IN_LINE),
    )


def level_word(word: str) -> str:
    """One of ``LEVELS`` for a word that applications use, or empty."""
    return _LEVEL_WORDS.get(word.strip().lower().rstrip("0123456789"), "")


def _id(value: str, form: re.Pattern[str], line: str, in_line: re.Pattern[str]) -> str:
    if form.fullmatch(value.lower()):
        return value.lower()
    found = in_line.search(line)
    return found[1].lower() if found else ""


def _folded(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "").replace(".", "")


def _is_in_metadata(wanted: str, entry: KeptEntry) -> bool:
    return any(wanted == value.lower() for each in (entry.metadata or {}, entry.labels) for value in each.values())
