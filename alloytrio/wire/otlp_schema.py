"""The messages of OTLP by JSON key: key → (tag, kind, message). ``otlp_json.py`` and ``otlp_to_json.py`` go by them.

Source: the OTLP .proto files.
"""

from typing import Final

STRING: Final = 0
BASE64: Final = 1
TRACE_ID: Final = 2
SPAN_ID: Final = 3
UINT64: Final = 4
INT64: Final = 5
UINT32: Final = 6
FIXED64: Final = 7
SFIXED64: Final = 8
DOUBLE: Final = 9
BOOL: Final = 10
ENUM: Final = 11
FIXED32: Final = 12
SINT32: Final = 13
MESSAGE: Final = 14
MESSAGES: Final = 15
STRINGS: Final = 16
PACKED_FIXED64: Final = 17
PACKED_DOUBLE: Final = 18
PACKED_UINT64: Final = 19

_WIRE_TYPES: Final = {
    STRING: 2, BASE64: 2, TRACE_ID: 2, SPAN_ID: 2, UINT64: 0, INT64: 0, UINT32: 0, FIXED64: 1, SFIXED64: 1, DOUBLE: 1,
    BOOL: 0, ENUM: 0, FIXED32: 5, SINT32: 0, MESSAGE: 2, MESSAGES: 2, STRINGS: 2, PACKED_FIXED64: 2, PACKED_DOUBLE: 2,
    PACKED_UINT64: 2,
}  # fmt: skip

SEVERITIES: Final = [""] + [
    level + step for level in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL") for step in ("", "2", "3", "4")
]
"""The names of severities by their numbers; 0 is unspecified."""


class Table:
    """The fields of one message: by JSON key in both spellings, and by number with the key in lowerCamelCase."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: dict[str, tuple[int, int, Table | None]] = {}
        self.numbers: dict[int, tuple[str, int, Table | None]] = {}

    def add(self, key: str, number: int, kind: int, message: "Table | None" = None) -> None:
        """Add one field under its snake_case name and its lowerCamelCase name."""
        first, *rest = key.split("_")
        entry = (number << 3 | _WIRE_TYPES[kind], kind, message)
        self.fields[key] = entry
        camel_case = first + "".join(word.capitalize() for word in rest)
        self.fields[camel_case] = entry
        self.numbers[number] = (camel_case, kind, message)


def _table(message_type: str, /, **fields: "tuple[int, int] | tuple[int, int, Table]") -> Table:
    # mypyc 2.4 takes a keyword for a positional-only parameter of the same name: no field may be called message_type.
    table = Table(message_type)
    for key, field in fields.items():
        table.add(key, field[0], field[1], field[2] if len(field) == 3 else None)
    return table


_ANY_VALUE: Final = _table(
    "AnyValue",
    string_value=(1, STRING),
    bool_value=(2, BOOL),
    int_value=(3, INT64),
    double_value=(4, DOUBLE),
    bytes_value=(7, BASE64),
)
_KEY_VALUE: Final = _table("KeyValue", key=(1, STRING), value=(2, MESSAGE, _ANY_VALUE))
_ANY_VALUE.add("array_value", 5, MESSAGE, _table("ArrayValue", values=(1, MESSAGES, _ANY_VALUE)))
_ANY_VALUE.add("kvlist_value", 6, MESSAGE, _table("KeyValueList", values=(1, MESSAGES, _KEY_VALUE)))
_ENTITY: Final = _table(
    "EntityRef", schema_url=(1, STRING), type=(2, STRING), id_keys=(3, STRINGS), description_keys=(4, STRINGS)
)
_RESOURCE: Final = _table(
    "Resource",
    attributes=(1, MESSAGES, _KEY_VALUE),
    dropped_attributes_count=(2, UINT32),
    entity_refs=(3, MESSAGES, _ENTITY),
)
_SCOPE: Final = _table(
    "InstrumentationScope",
    name=(1, STRING),
    version=(2, STRING),
    attributes=(3, MESSAGES, _KEY_VALUE),
    dropped_attributes_count=(4, UINT32),
)


def _request(signal: str, item_key: str, item: Table) -> Table:
    scope = _table(f"Scope{signal}", scope=(1, MESSAGE, _SCOPE), schema_url=(3, STRING))
    scope.add(item_key, 2, MESSAGES, item)
    resource = _table(f"Resource{signal}", resource=(1, MESSAGE, _RESOURCE), schema_url=(3, STRING))
    resource.add(f"scope_{signal.lower()}", 2, MESSAGES, scope)
    resource.add(f"deprecated_scope_{signal.lower()}", 1000, MESSAGES, scope)
    request = Table(f"Export{signal}ServiceRequest")
    request.add(f"resource_{signal.lower()}", 1, MESSAGES, resource)
    return request


_SPAN: Final = _table(
    "Span",
    trace_id=(1, TRACE_ID),
    span_id=(2, SPAN_ID),
    trace_state=(3, STRING),
    parent_span_id=(4, SPAN_ID),
    name=(5, STRING),
    kind=(6, ENUM),
    start_time_unix_nano=(7, FIXED64),
    end_time_unix_nano=(8, FIXED64),
    attributes=(9, MESSAGES, _KEY_VALUE),
    dropped_attributes_count=(10, UINT32),
    events=(
        11,
        MESSAGES,
        _table(
            "Event",
            time_unix_nano=(1, FIXED64),
            name=(2, STRING),
            attributes=(3, MESSAGES, _KEY_VALUE),
            dropped_attributes_count=(4, UINT32),
        ),
    ),
    dropped_events_count=(12, UINT32),
    links=(
        13,
        MESSAGES,
        _table(
            "Link",
            trace_id=(1, TRACE_ID),
            span_id=(2, SPAN_ID),
            trace_state=(3, STRING),
            attributes=(4, MESSAGES, _KEY_VALUE),
            dropped_attributes_count=(5, UINT32),
            flags=(6, FIXED32),
        ),
    ),
    dropped_links_count=(14, UINT32),
    status=(15, MESSAGE, _table("Status", message=(2, STRING), code=(3, ENUM))),
    flags=(16, FIXED32),
)
_EXEMPLAR: Final = _table(
    "Exemplar",
    time_unix_nano=(2, FIXED64),
    as_double=(3, DOUBLE),
    as_int=(6, SFIXED64),
    span_id=(4, SPAN_ID),
    trace_id=(5, TRACE_ID),
    filtered_attributes=(7, MESSAGES, _KEY_VALUE),
)
_NUMBER_POINT: Final = _table(
    "NumberDataPoint",
    start_time_unix_nano=(2, FIXED64),
    time_unix_nano=(3, FIXED64),
    as_double=(4, DOUBLE),
    as_int=(6, SFIXED64),
    exemplars=(5, MESSAGES, _EXEMPLAR),
    attributes=(7, MESSAGES, _KEY_VALUE),
    flags=(8, UINT32),
)
_HISTOGRAM_POINT: Final = _table(
    "HistogramDataPoint",
    start_time_unix_nano=(2, FIXED64),
    time_unix_nano=(3, FIXED64),
    count=(4, FIXED64),
    sum=(5, DOUBLE),
    bucket_counts=(6, PACKED_FIXED64),
    explicit_bounds=(7, PACKED_DOUBLE),
    exemplars=(8, MESSAGES, _EXEMPLAR),
    attributes=(9, MESSAGES, _KEY_VALUE),
    flags=(10, UINT32),
    min=(11, DOUBLE),
    max=(12, DOUBLE),
)
_BUCKETS: Final = _table("Buckets", offset=(1, SINT32), bucket_counts=(2, PACKED_UINT64))
_EXPONENTIAL_POINT: Final = _table(
    "ExponentialHistogramDataPoint",
    attributes=(1, MESSAGES, _KEY_VALUE),
    start_time_unix_nano=(2, FIXED64),
    time_unix_nano=(3, FIXED64),
    count=(4, FIXED64),
    sum=(5, DOUBLE),
    scale=(6, SINT32),
    zero_count=(7, FIXED64),
    positive=(8, MESSAGE, _BUCKETS),
    negative=(9, MESSAGE, _BUCKETS),
    flags=(10, UINT32),
    exemplars=(11, MESSAGES, _EXEMPLAR),
    min=(12, DOUBLE),
    max=(13, DOUBLE),
    zero_threshold=(14, DOUBLE),
)
_SUMMARY_POINT: Final = _table(
    "SummaryDataPoint",
    start_time_unix_nano=(2, FIXED64),
    time_unix_nano=(3, FIXED64),
    count=(4, FIXED64),
    sum=(5, DOUBLE),
    quantile_values=(6, MESSAGES, _table("ValueAtQuantile", quantile=(1, DOUBLE), value=(2, DOUBLE))),
    attributes=(7, MESSAGES, _KEY_VALUE),
    flags=(8, UINT32),
)
_METRIC: Final = _table(
    "Metric",
    name=(1, STRING),
    description=(2, STRING),
    unit=(3, STRING),
    gauge=(5, MESSAGE, _table("Gauge", data_points=(1, MESSAGES, _NUMBER_POINT))),
    sum=(
        7,
        MESSAGE,
        _table(
            "Sum",
            data_points=(1, MESSAGES, _NUMBER_POINT),
            aggregation_temporality=(2, ENUM),
            is_monotonic=(3, BOOL),
        ),
    ),
    histogram=(
        9,
        MESSAGE,
        _table("Histogram", data_points=(1, MESSAGES, _HISTOGRAM_POINT), aggregation_temporality=(2, ENUM)),
    ),
    exponential_histogram=(
        10,
        MESSAGE,
        _table(
            "ExponentialHistogram",
            data_points=(1, MESSAGES, _EXPONENTIAL_POINT),
            aggregation_temporality=(2, ENUM),
        ),
    ),
    summary=(11, MESSAGE, _table("Summary", data_points=(1, MESSAGES, _SUMMARY_POINT))),
    metadata=(12, MESSAGES, _KEY_VALUE),
)
_LOG_RECORD: Final = _table(
    "LogRecord",
    time_unix_nano=(1, FIXED64),
    severity_number=(2, ENUM),
    severity_text=(3, STRING),
    body=(5, MESSAGE, _ANY_VALUE),
    attributes=(6, MESSAGES, _KEY_VALUE),
    dropped_attributes_count=(7, UINT32),
    flags=(8, FIXED32),
    trace_id=(9, TRACE_ID),
    span_id=(10, SPAN_ID),
    observed_time_unix_nano=(11, FIXED64),
    event_name=(12, STRING),
)
REQUESTS: Final = {
    "traces": _request("Spans", "spans", _SPAN),
    "metrics": _request("Metrics", "metrics", _METRIC),
    "logs": _request("Logs", "log_records", _LOG_RECORD),
}
