"""OpenTelemetry log records as an SDK sends them, for trying a configuration out."""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from alloytrio.config.points import attributes
from alloytrio.wire.otlp_json import encode_request


class LogRecord(BaseModel):
    """One log record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body: str = Field(description="the message")
    severity: Literal["", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] = Field("", description="of the record")
    attributes: dict[str, str] = Field({}, description="of the record")
    trace_id: str = Field("", pattern="^([0-9a-f]{32})?$", description="32 hexadecimal digits")
    span_id: str = Field("", pattern="^([0-9a-f]{16})?$", description="16 hexadecimal digits")


def encode_records(records: Sequence[LogRecord], resource: Mapping[str, str], ts_ns: int) -> bytes:
    """An encoded ``ExportLogsServiceRequest``.

    Args:
        records: in order.
        resource: attributes of what they come from.
        ts_ns: of all records, nanoseconds since 1970.
    """
    logs = {"logRecords": [_written(record, ts_ns) for record in records]}
    request = {"resourceLogs": [{"resource": {"attributes": attributes(resource)}, "scopeLogs": [logs]}]}
    return encode_request("logs", json.dumps(request).encode())


def _written(record: LogRecord, ts_ns: int) -> dict[str, object]:
    written: dict[str, object] = {
        "timeUnixNano": str(ts_ns),
        "body": {"stringValue": record.body},
        "attributes": attributes(record.attributes),
        "traceId": record.trace_id,
        "spanId": record.span_id,
    }
    if record.severity:
        written |= {"severityNumber": f"SEVERITY_NUMBER_{record.severity}", "severityText": record.severity}
    return written
