"""What a log record becomes for Loki, written plainly over protobuf's own classes: what the walk must agree with."""

import base64
import json
import math
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from alloytrio.wire.metric_names import label_name
from alloytrio.wire.otlp_values import double_text

LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
Row = tuple[int, dict[str, str], str]


def raw(value: Any) -> Any:
    """An AnyValue as JSON would have it."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "array_value":
        return [raw(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {each.key: raw(each.value) for each in value.kvlist_value.values}
    if kind == "double_value" and not math.isfinite(value.double_value):
        return None
    return getattr(value, kind)


def dumps(value: Any) -> str:
    """Compact JSON, keys sorted, doubles as Go writes them."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(key)}:{dumps(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    if isinstance(value, float):
        return double_text(value)
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def text_of(value: Any) -> str:
    """An AnyValue as a label has it."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "string_value":
        return str(value.string_value)
    if kind == "double_value":
        return double_text(value.double_value)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind in ("array_value", "kvlist_value") and has_odd_number(value):
        return ""
    return dumps(raw(value))


def has_odd_number(value: Any) -> bool:
    """Whether a number in it is none that JSON knows."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return any(map(has_odd_number, value.array_value.values))
    if kind == "kvlist_value":
        last = {each.key: each.value for each in value.kvlist_value.values}
        return any(map(has_odd_number, last.values()))
    return kind == "double_value" and not math.isfinite(value.double_value)


def get(attributes: Any, key: str) -> Any:
    """The first value of a key, or None."""
    return next((each.value for each in attributes if each.key == key), None)


def names(hint: Any) -> list[str]:
    """What a hint names."""
    if hint.WhichOneof("value") == "array_value":
        return [text_of(each).strip() for each in hint.array_value.values]
    if hint.WhichOneof("value") == "string_value":
        return [each.strip() for each in hint.string_value.split(",")]
    return [text_of(hint)]


def selected(attributes: Any, hint: Any) -> dict[str, str]:
    """The labels that a hint picks."""
    found = {}
    for name in names(hint):
        value = get(attributes, name) or nested(attributes, name)
        if value is not None:
            found[name] = text_of(value)
    return found


def nested(attributes: Any, name: str) -> Any:
    """The value of ``b`` in the map ``a`` for ``a.b``."""
    left, _, right = name.partition(".")
    value = get(attributes, left)
    if value is None or not right:
        return value
    return nested(value.kvlist_value.values, right) if value.WhichOneof("value") == "kvlist_value" else None


def labels_of(own: Any, resource: Any, severity: int) -> dict[str, str]:
    """All labels by the names that attributes have."""
    labels = {"exporter": "OTLP"}
    service = get(resource, "service.name")
    if service is not None:
        namespace = get(resource, "service.namespace")
        labels["job"] = (f"{text_of(namespace)}/" if namespace is not None else "") + text_of(service)
    if (instance := get(resource, "service.instance.id")) is not None:
        labels["instance"] = text_of(instance)
    for source, where, key in (
        (resource, resource, "loki.resource.labels"),
        (own, resource, "loki.resource.labels"),
        (own, own, "loki.attribute.labels"),
    ):
        if (hint := get(source, key)) is not None:
            labels |= selected(where, hint)
    if severity:
        level = get(own, "level")
        named = LEVELS[(severity - 1) // 4] + ("", "2", "3", "4")[(severity - 1) % 4] if 0 < severity < 25 else ""
        labels["level"] = text_of(level) if level is not None else named
    where = resource if get(resource, "loki.tenant") is not None else own
    if (hint := get(where, "loki.tenant")) is not None:
        labels |= selected(where, hint)
    return labels


def left_over(attributes: Any, labels: dict[str, str]) -> dict[str, Any]:
    """What is in the line: neither labels nor hints."""
    return {
        each.key: raw(each.value)
        for each in attributes
        if each.key not in labels and each.key not in ("loki.attribute.labels", "loki.resource.labels")
        and each.key not in ("loki.tenant", "loki.format")
    }  # fmt: skip


def json_line(record: Any, resource: Any, scope: Any, labels: dict[str, str]) -> str:
    """A line of the format json."""
    parts: dict[str, str] = {}
    if record.body.WhichOneof("value") is not None:
        parts["body"] = dumps(raw(record.body))
    for key, value in (("traceid", record.trace_id), ("spanid", record.span_id)):
        if any(value):
            parts[key] = f'"{value.hex()}"'
    if record.severity_text:
        parts["severity"] = dumps(record.severity_text)
    if record.flags:
        parts["flags"] = str(record.flags)
    for key, attributes in (("attributes", record.attributes), ("resources", resource)):
        if rest := left_over(attributes, labels):
            parts[key] = dumps(rest)
    if scope.name:
        version = f',"version":{dumps(scope.version)}' if scope.version else ""
        parts["instrumentation_scope"] = f'{{"name":{dumps(scope.name)}{version}}}'
    return "{" + ",".join(f'"{key}":{value}' for key, value in parts.items()) + "}"


def rows(payload: bytes, now_ns: int) -> list[Row]:
    """(time, labels, line) of all records of a request whose format is json."""
    found = []
    for block in ExportLogsServiceRequest.FromString(payload).resource_logs:
        for scope in block.scope_logs:
            for record in scope.log_records:
                labels = labels_of(record.attributes, block.resource.attributes, record.severity_number)
                line = json_line(record, block.resource.attributes, scope.scope, labels)
                time = record.time_unix_nano or record.observed_time_unix_nano or now_ns
                named = {label_name(name): labels[name] for name in sorted(labels) if name}
                found.append((time, named, line))
    return found
