"""Log records to Loki's entries: known lines and labels, and agreement with a plain reading of the same request."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from alloytrio.errors import DecodeError
from alloytrio.wire.loki_attributes import go_double
from alloytrio.wire.loki_logs import LogConverter
from alloytrio.wire.otlp_values import MAX_DEPTH
from alloytrio.wire.protobuf import bytes_field
from tests.wire import loki_reference

NOW_NS = 1_700_000_000_000_000_000
TRACE_ID = bytes([1, 2, 3, 4, *[0] * 12])
SPAN_ID = bytes([5, 6, 7, 8, *[0] * 4])


def any_value(value: Any) -> AnyValue:
    """A plain value as OTLP has it."""
    made = AnyValue()
    match value:
        case bool():
            made.bool_value = value
        case str():
            made.string_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.values.extend(map(any_value, value))
        case dict():
            made.kvlist_value.values.extend(attributes(value))
    if value == []:
        made.array_value.SetInParent()
    if value == {}:
        made.kvlist_value.SetInParent()
    return made


def attributes(values: dict[str, Any]) -> list[KeyValue]:
    """Plain values as attributes."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def request(
    own: dict[str, Any] | None = None,
    resource: dict[str, Any] | None = None,
    body: Any = "hello",
    scope: tuple[str, str] = ("", ""),
    **fields: Any,
) -> bytes:
    """A request with one record."""
    made = ExportLogsServiceRequest()
    block = made.resource_logs.add()
    block.resource.attributes.extend(attributes(resource or {}))
    logs = block.scope_logs.add()
    logs.scope.name, logs.scope.version = scope
    record = logs.log_records.add(time_unix_nano=NOW_NS, attributes=attributes(own or {}), **fields)
    if body is not None:
        record.body.CopyFrom(any_value(body))
    return made.SerializeToString()


def only(payload: bytes, structured: bool = False) -> tuple[dict[str, str], str, dict[str, str] | None]:
    """Labels, line and structured metadata of the only record."""
    (entry,) = LogConverter(structured).convert(payload, 1)
    assert entry.ts_ns == NOW_NS
    return entry.labels, entry.line.decode(), entry.metadata


INFO: dict[str, Any] = {"severity_number": 9, "severity_text": "Info"}
AUTH = {"attr.1": "12345", "attr.2": "fake_token"}


@pytest.mark.parametrize(
    ("own", "resource", "labels", "line"),
    [
        pytest.param(
            {**AUTH, "loki.attribute.labels": "attr.1"},
            {},
            {"attr_1": "12345"},
            '{"body":"AUTH log message","severity":"Info","attributes":{"attr.2":"fake_token"}}',
            id="an attribute becomes a label",
        ),
        pytest.param(
            AUTH,
            {},
            {},
            '{"body":"AUTH log message","severity":"Info","attributes":{"attr.1":"12345","attr.2":"fake_token"}}',
            id="no hint",
        ),
        pytest.param(
            {**AUTH, "loki.attribute.labels": "attr.1"},
            {"attr.1": "77777"},
            {"attr_1": "12345"},
            '{"body":"AUTH log message","severity":"Info","attributes":{"attr.2":"fake_token"}}',
            id="a resource's attribute of the same name is no longer in the line",
        ),
        pytest.param(
            {**AUTH, "loki.resource.labels": "attr.1"},
            {"attr.1": "77777"},
            {"attr_1": "77777"},
            '{"body":"AUTH log message","severity":"Info","attributes":{"attr.2":"fake_token"}}',
            id="a resource's attribute becomes a label",
        ),
        pytest.param(
            {},
            {"service.name": "web", "service.namespace": "shop", "service.instance.id": 7, "a": 1,
             "loki.resource.labels": ["a", " b"]},
            {"job": "shop/web", "instance": "7", "a": "1"},
            '{"body":"AUTH log message","severity":"Info","resources":{"service.instance.id":7,"service.name":"web",'
            '"service.namespace":"shop"}}',
            id="job and instance, and a list as hint",
        ),
        pytest.param(
            {"http": {"method": "GET"}, "loki.attribute.labels": "http.method"},
            {},
            {"http_method": "GET"},
            '{"body":"AUTH log message","severity":"Info","attributes":{"http":{"method":"GET"}}}',
            id="inside a map",
        ),
        pytest.param(
            {"who": "team-a", "loki.tenant": "who"},
            {},
            {"who": "team-a"},
            '{"body":"AUTH log message","severity":"Info"}',
            id="the tenant's attribute is a label",
        ),
        pytest.param(
            {"level": "odd"}, {}, {"level": "odd"}, '{"body":"AUTH log message","severity":"Info"}', id="a level"
        ),
        pytest.param(
            {"html": "<a&b>", "loki.format": "yaml", "nan": float("nan")},
            {},
            {},
            '{"body":"AUTH log message","severity":"Info","attributes":{"html":"<a&b>","nan":null}}',
            id="an unknown format is json; markup stands as it is; no number is null",
        ),
    ],
)  # fmt: skip
def test_json(own: dict[str, Any], resource: dict[str, Any], labels: dict[str, str], line: str) -> None:
    """Lines and labels are those of Alloy's own tests where it has them."""
    payload = request(own, resource, "AUTH log message", **INFO)
    assert only(payload) == ({"exporter": "OTLP", "level": "INFO", **labels}, line, None)


EXAMPLE: dict[str, Any] = {
    "own": {"attr1": "1", "attr2": "2"},
    "resource": {"host.name": "something"},
    "scope": ("example-logger-name", "v1"),
    "severity_text": "error",
    "trace_id": TRACE_ID,
    "span_id": SPAN_ID,
}
REST = (
    "traceID=01020304000000000000000000000000 spanID=0506070800000000 severity=error attribute_attr1=1 "
    "attribute_attr2=2 resource_host.name=something instrumentation_scope_name=example-logger-name "
    "instrumentation_scope_version=v1"
)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('msg="hello world"', f'msg="hello world" {REST}'),
        ("Example log", f"Example= log= {REST}"),
        ('an "odd one', f'msg="an \\"odd one" {REST}'),
        ("a=1\nb=2", f'msg="a=1\\nb=2" {REST}'),
        ({"key1": "value", "key2": "value"}, f"key1=value key2=value {REST}"),
        (["value", True, 123], f"body_0=value body_1=true body_2=123 {REST}"),
        ({"a": {"b": [1.5]}, "severity": "x"}, f"a_b_0=1.5 severity=error {REST.replace(' severity=error', '')}"),
        (b"abc", f"msg=abc {REST}"),
        (1e6, f"msg=1000000 {REST}"),
        ("null=null", f'null="null" {REST}'),
        (None, REST),
    ],
)
def test_logfmt(body: Any, line: str) -> None:
    """A logfmt line has the body's own pairs first, as the Collector's translator writes them."""
    payload = request(**{**EXAMPLE, "resource": {**EXAMPLE["resource"], "loki.format": "logfmt"}}, body=body)
    assert only(payload)[1] == line


def test_raw() -> None:
    """A raw line is the body alone."""
    assert only(request({"loki.format": "raw", "a": 1}, body={"k": [1, "x"]}))[1] == '{"k":[1,"x"]}'


def test_structured_metadata() -> None:
    """On request the line is the body and everything else that is no label goes beside it."""
    labels, line, metadata = only(
        request(
            {"http.status": 200, "user": "ä", "empty": "", "loki.attribute.labels": "user"},
            {"service.name": "web", "host.name": "h"},
            scope=("shop", "1"), trace_id=TRACE_ID, span_id=SPAN_ID, flags=1, **INFO,
        ),
        structured=True,
    )  # fmt: skip
    assert (labels, line) == ({"exporter": "OTLP", "job": "web", "level": "INFO", "user": "ä"}, "hello")
    assert metadata == {
        "service_name": "web", "host_name": "h", "http_status": "200", "trace_id": TRACE_ID.hex(),
        "span_id": SPAN_ID.hex(), "severity_text": "Info", "flags": "1", "scope_name": "shop", "scope_version": "1",
    }  # fmt: skip


def test_shared_labels() -> None:
    """Records of one resource and severity share their labels, so that the encoder looks at them once."""
    made = ExportLogsServiceRequest.FromString(request(resource={"service.name": "a"}, **INFO))
    made.resource_logs[0].scope_logs[0].log_records.append(made.resource_logs[0].scope_logs[0].log_records[0])
    first, second = LogConverter(False).convert(made.SerializeToString(), 1)
    assert first.labels is second.labels


def test_times() -> None:
    """A record's time is its own, else when it was observed, else now."""
    made = ExportLogsServiceRequest()
    records = made.resource_logs.add().scope_logs.add().log_records
    records.add(time_unix_nano=3, observed_time_unix_nano=4)
    records.add(observed_time_unix_nano=4)
    records.add()
    entries = LogConverter(False).convert(made.SerializeToString(), 5)
    assert [entry.ts_ns for entry in entries] == [3, 4, 5]


def test_broken_record() -> None:
    """A record that cannot be read is left out and counted; those around it are not; no value is in the reason."""
    bad = request(body="secret").replace(b"secret", b"secre\xff")
    converter = LogConverter(False)
    entries = converter.convert(request() + bad + request(), 1)
    assert [entry.line for entry in entries] == [b'{"body":"hello"}'] * 2
    assert converter.failed == 1
    assert "UTF-8" in converter.problem
    assert "secre" not in converter.problem


def nested(depth: int, form: str) -> bytes:
    """A request whose body is so many lists in each other; deeper than protobuf's own classes go."""
    value = bytes_field(0x0A, b"x")
    for _ in range(depth):
        value = bytes_field(0x2A, bytes_field(0x0A, value))
    hint = KeyValue(key="loki.format", value=any_value(form)).SerializeToString()
    record = bytes_field(0x12, bytes_field(0x2A, value) + bytes_field(0x32, hint))
    return bytes_field(0x0A, bytes_field(0x12, record))


@pytest.mark.parametrize("form", ["json", "logfmt", "raw"])
def test_depth(form: str) -> None:
    """Values nest as deep as the limit, and not deeper."""
    for depth, failed in ((MAX_DEPTH - 1, 0), (MAX_DEPTH + 1, 1)):
        converter = LogConverter(False)
        assert len(converter.convert(nested(depth, form), 1)) == 1 - failed
        assert converter.failed == failed


def test_broken_request() -> None:
    """What is broken above its records is refused."""
    with pytest.raises(DecodeError):
        LogConverter(False).convert(request()[:-1], 1)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (-0.0, "-0"), (1.5, "1.5"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1e-5, "1e-05"),
     (0.0001, "0.0001"), (1.25e-7, "1.25e-07"), (float("inf"), "+Inf"), (float("-inf"), "-Inf"),
     (-2.5e300, "-2.5e+300"), (float("nan"), "NaN")],
)  # fmt: skip
def test_go_double(number: float, text: str) -> None:
    """Doubles in logfmt are as Go prints them."""
    assert go_double(number) == text


KEYS = st.sampled_from(
    ["a", "a.b", "b", "level", "job", "exporter", "service.name", "service.namespace", "service.instance.id", "ä", ""]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.one_of(st.none(), TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(KEYS, TEXTS), inner, max_size=3)),
    max_leaves=6,
)
HINTS = st.dictionaries(
    st.sampled_from(["loki.attribute.labels", "loki.resource.labels", "loki.tenant"]),
    st.one_of(
        st.lists(KEYS, max_size=3).map(", ".join),
        st.lists(st.one_of(KEYS, st.integers(0, 9)), max_size=3),
        st.integers(0, 9),
    ),
)
ATTRIBUTES = st.builds(lambda plain, hints: {**plain, **hints}, st.dictionaries(KEYS, VALUES, max_size=4), HINTS)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests with some records of each shape."""
    made = ExportLogsServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        block = made.resource_logs.add()
        block.resource.attributes.extend(attributes(draw(ATTRIBUTES)))
        for _ in range(draw(st.integers(0, 2))):
            scope = block.scope_logs.add()
            scope.scope.name, scope.scope.version = draw(TEXTS), draw(TEXTS)
            for _ in range(draw(st.integers(0, 2))):
                record = scope.log_records.add(
                    time_unix_nano=draw(st.integers(0, 2**64 - 1)),
                    severity_number=draw(st.integers(0, 30)),
                    severity_text=draw(TEXTS),
                    flags=draw(st.integers(0, 2)),
                    trace_id=draw(st.sampled_from([b"", bytes(16), TRACE_ID])),
                    span_id=draw(st.sampled_from([b"", bytes(8), SPAN_ID])),
                    attributes=attributes(draw(ATTRIBUTES)),
                )
                record.body.CopyFrom(any_value(draw(VALUES)))
    return made.SerializeToString()


@settings(max_examples=60)
@given(requests())
def test_agrees_with_the_reference(payload: bytes) -> None:
    """Time, labels and line are those that a plain reading of the request gives."""
    entries = LogConverter(False).convert(payload, NOW_NS)
    found = [(entry.ts_ns, entry.labels, entry.line.decode()) for entry in entries]
    assert found == loki_reference.rows(payload, NOW_NS)


@settings(max_examples=60)
@given(requests(), st.data())
def test_any_bytes(payload: bytes, data: st.DataObject) -> None:
    """Whatever the bytes, they become entries, are counted as failed, or are refused as broken."""
    changed = bytearray(payload)
    for _ in range(data.draw(st.integers(0, 3)) if payload else 0):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    for structured in (False, True):
        try:
            LogConverter(structured).convert(bytes(changed), NOW_NS)
        except DecodeError:
            pass
