"""OpenTelemetry log records to log entries for Loki, without decoding what only passes.

A record's labels come from its resource and its severity, and from hints among its attributes; a record without hints
shares its labels, and the text of its resource, with all others of the same resource and severity. What is not a label
is in the line, or in structured metadata.

Source: Alloy's ``otelcol.exporter.loki``, which uses the OpenTelemetry Collector's translator for Loki. On purpose
different: ``<``, ``>`` and ``&`` stand in a line as themselves, so that a search for them finds them; a body of several
lines is not cut after its first when it becomes logfmt; neither an unknown format nor a number that JSON does not know
costs a record.
"""

from json.encoder import encode_basestring
from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire.entry import Entry, Origin
from alloytrio.wire.logfmt import write_logfmt
from alloytrio.wire.loki_attributes import ATTRIBUTE_LABELS, FORMAT, RESOURCE_LABELS, TENANT, Attributes
from alloytrio.wire.loki_record import NO_LEVEL, Record
from alloytrio.wire.metric_names import label_name
from alloytrio.wire.otlp_schema import SEVERITIES
from alloytrio.wire.otlp_values import read_scope
from alloytrio.wire.protobuf import read_length, read_tag, skip_value, truncated

_FORMATS: Final = frozenset({"json", "logfmt", "raw"})
_MESSAGE: Final = "ExportLogsServiceRequest"


class _Labels:
    """Labels as records have them, and the text of the resource without them.

    Args:
        raw: by the names that attributes have.
        resource: whose attributes they leave over.
    """

    def __init__(self, raw: dict[str, str], resource: Attributes) -> None:
        self.raw: dict[str, str] = raw
        self.labels: dict[str, str] = {label_name(name): raw[name] for name in sorted(raw) if name}
        self.resource: Attributes = resource
        self._json: str | None = None

    def json(self) -> str:
        """The resource in a line; empty if nothing is left of it."""
        if self._json is None:
            self._json = self.resource.json(self.raw)
        return self._json


class Resource:
    """What the records of one resource share."""

    def __init__(self, attributes: Attributes) -> None:
        self.attributes: Attributes = attributes
        self.raw: dict[str, str] = {"exporter": "OTLP"}
        service = attributes.find("service.name")
        if service >= 0:
            namespace = attributes.find("service.namespace")
            name = attributes.text(service)
            self.raw["job"] = f"{attributes.text(namespace)}/{name}" if namespace >= 0 else name
        instance = attributes.find("service.instance.id")
        if instance >= 0:
            self.raw["instance"] = attributes.text(instance)
        hint = attributes.find(RESOURCE_LABELS)
        if hint >= 0:
            attributes.select(attributes.names(hint), self.raw)
        self.tenant: int = attributes.find(TENANT)
        number = attributes.find(FORMAT)
        self.format: str = attributes.text(number) if number >= 0 else ""
        self._by_level: dict[int, _Labels] = {}

    def labels(self, severity: int) -> _Labels:
        """Of records without hints."""
        found = self._by_level.get(severity)
        if found is None:
            raw = dict(self.raw)
            if severity:
                raw["level"] = _level(severity)
            if self.tenant >= 0:
                self.attributes.select(self.attributes.names(self.tenant), raw)
            found = self._by_level[severity] = _Labels(raw, self.attributes)
        return found

    def hinted(self, own: Attributes, severity: int) -> _Labels:
        """Of a record with hints, or with a level of its own."""
        raw = dict(self.raw)
        hint = own.find(RESOURCE_LABELS)
        if hint >= 0:
            self.attributes.select(own.names(hint), raw)
        hint = own.find(ATTRIBUTE_LABELS)
        if hint >= 0:
            own.select(own.names(hint), raw)
        if severity:
            number = own.find("level")
            raw["level"] = own.text(number) if number >= 0 else _level(severity)
        if self.tenant >= 0:
            self.attributes.select(self.attributes.names(self.tenant), raw)
        elif TENANT in own.keys:
            own.select(own.names(own.find(TENANT)), raw)
        return _Labels(raw, self.attributes)


def _level(severity: int) -> str:
    return SEVERITIES[severity] if severity < NO_LEVEL else ""


class LogConverter:
    """Turns requests into entries.

    Args:
        structured_metadata: what is no label goes beside the line, which is the body alone.

    Attributes:
        failed: records left out since the caller last looked.
        problem: why the latest of them was.
    """

    def __init__(self, structured_metadata: bool) -> None:
        self.failed: int = 0
        self.problem: str = ""
        self._structured: bool = structured_metadata
        self._origin: Origin = Origin("", {})
        self._now_ns: int = 0
        self._entries: list[Entry] = []
        self._scope: tuple[str, str] = ("", "")

    def convert(self, payload: bytes, now_ns: int) -> list[Entry]:
        """The records of an encoded ``ExportLogsServiceRequest`` in their order.

        Args:
            payload: the request.
            now_ns: the time of records that have none, nanoseconds since 1970.

        Raises:
            DecodeError: it is broken above its records.
        """
        self._now_ns = now_ns
        self._entries = []
        at: i64 = 0
        end: i64 = len(payload)
        try:
            while at < end:
                tag, value = read_tag(payload, at, _MESSAGE)
                at = skip_value(payload, tag, value, end, _MESSAGE)
                if tag == 0x0A:
                    self._resource(payload, read_length(payload, value, end, _MESSAGE)[0], at)
        except IndexError:
            raise truncated(payload, _MESSAGE) from None
        entries, self._entries = self._entries, []
        return entries

    def _resource(self, payload: bytes, at: i64, end: i64) -> None:
        """Take one ``ResourceLogs``. Its resource may stand behind its records."""
        attributes = Attributes(payload)
        scopes: list[tuple[int, int]] = []
        deprecated: list[tuple[int, int]] = []
        while at < end:
            tag, value = read_tag(payload, at, "ResourceLogs")
            at = skip_value(payload, tag, value, end, "ResourceLogs")
            if tag & 7 != 2:
                continue
            start, stop = read_length(payload, value, end, "ResourceLogs")
            if tag == 0x0A:
                _attributes(payload, start, stop, 0x0A, attributes)
            elif tag == 0x12:
                scopes.append((start, stop))
            elif tag == 8002:  # field 1000, the old name of the list
                deprecated.append((start, stop))
        resource = Resource(attributes)
        for first, last in scopes or deprecated:
            self._scope_logs(payload, first, last, resource)

    def _scope_logs(self, payload: bytes, at: i64, end: i64, resource: Resource) -> None:
        self._scope = ("", "")
        records: list[tuple[int, int]] = []
        while at < end:
            tag, value = read_tag(payload, at, "ScopeLogs")
            at = skip_value(payload, tag, value, end, "ScopeLogs")
            if tag == 0x0A:
                self._scope = read_scope(payload, read_length(payload, value, end, "ScopeLogs")[0], at)
            elif tag == 0x12:
                start, stop = read_length(payload, value, end, "ScopeLogs")
                records.append((start, stop))
        for first, last in records:
            try:
                record = Record(payload, first, last)
                self._entries.append(self._entry(record, resource))
            except DecodeError as exc:
                self.failed += 1
                self.problem = str(exc)

    def _entry(self, record: Record, resource: Resource) -> Entry:
        own = record.attributes
        hinted = record.is_hinted or (record.severity != 0 and "level" in own.keys)
        labels = resource.hinted(own, record.severity) if hinted else resource.labels(record.severity)
        form = resource.format
        if not form and FORMAT in own.keys:
            form = own.text(own.find(FORMAT))
        if form not in _FORMATS:
            form = "json"
        metadata: dict[str, str] | None = None
        if self._structured:
            metadata = self._metadata(record, labels)
            line = record.body_text()
        elif form == "raw":
            line = record.body_text()
        elif form == "logfmt":
            line = self._logfmt(record, labels)
        else:
            line = self._json(record, labels)
        entry = Entry(self._origin, record.ts_ns or self._now_ns, line.encode(), len(self._entries))
        entry.labels = labels.labels
        entry.metadata = metadata or None
        return entry

    def _json(self, record: Record, labels: _Labels) -> str:
        parts: list[str] = []
        body = record.body_json()
        if body:
            parts.append('"body":' + body)
        if record.trace_id:
            parts.append(f'"traceid":"{record.trace_id}"')
        if record.span_id:
            parts.append(f'"spanid":"{record.span_id}"')
        if record.severity_text:
            parts.append('"severity":' + encode_basestring(record.severity_text))
        if record.flags:
            parts.append(f'"flags":{record.flags}')
        attributes = record.attributes.json(labels.raw) if record.attributes.keys else ""
        if attributes:
            parts.append('"attributes":' + attributes)
        resource = labels.json()
        if resource:
            parts.append('"resources":' + resource)
        name, version = self._scope
        if name:
            scope = f'"name":{encode_basestring(name)}'
            if version:
                scope += f',"version":{encode_basestring(version)}'
            parts.append(f'"instrumentation_scope":{{{scope}}}')
        return ("{" + ",".join(parts) + "}").replace("\0", "null")

    def _logfmt(self, record: Record, labels: _Labels) -> str:
        pairs = record.body_pairs()
        _replace(pairs, "traceID", record.trace_id)
        _replace(pairs, "spanID", record.span_id)
        _replace(pairs, "severity", record.severity_text)
        _replace(pairs, "flags", str(record.flags) if record.flags else "")
        record.attributes.pairs("attribute_", labels.raw, pairs)
        labels.resource.pairs("resource_", labels.raw, pairs)
        name, version = self._scope
        if name:
            pairs.append(("instrumentation_scope_name", name))
            if version:
                pairs.append(("instrumentation_scope_version", version))
        return write_logfmt(pairs)

    def _metadata(self, record: Record, labels: _Labels) -> dict[str, str]:
        metadata: dict[str, str] = {}
        labels.resource.metadata(labels.raw, metadata)
        name, version = self._scope
        record.attributes.metadata(labels.raw, metadata)
        fields = (
            ("trace_id", record.trace_id),
            ("span_id", record.span_id),
            ("severity_text", record.severity_text),
            ("flags", str(record.flags) if record.flags else ""),
            ("scope_name", name),
            ("scope_version", version if name else ""),
        )
        metadata.update({key: text for key, text in fields if text})
        return metadata


def _replace(pairs: list[tuple[str, str]], key: str, value: str) -> None:
    """Put a pair in the place of the first with this key, or at the end; nothing for an empty value."""
    if not value:
        return
    for number, pair in enumerate(pairs):
        if pair[0] == key:
            pairs[number] = (key, value)
            return
    pairs.append((key, value))


def _attributes(payload: bytes, at: i64, end: i64, list_tag: i64, attributes: Attributes) -> None:
    while at < end:
        tag, value = read_tag(payload, at, "Resource")
        at = skip_value(payload, tag, value, end, "Resource")
        if tag == list_tag:
            attributes.add(read_length(payload, value, end, "Resource")[0], at)
