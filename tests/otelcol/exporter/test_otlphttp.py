"""otelcol.exporter.otlphttp: from a request to the bytes that a backend gets, with each compression."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from alloytrio.component import BuildContext, Signal
from alloytrio.http_export import HttpAnswer
from alloytrio.listeners import Listeners
from alloytrio.otelcol.exporter.otlphttp import (
    OtlpHttpExporter,
    OtlpHttpExporterConfig,
    read_partial_success,
    request_headers,
)
from alloytrio.otlp import OtlpRequest
from alloytrio.outbox import OutboxSettings, Storage, put_all
from alloytrio.telemetry import Telemetry
from alloytrio.wire.otlp_json import encode_request
from alloytrio.wire.protobuf import bytes_field
from tests.http_backend import Answer, HttpBackend


def request(spans: int, text: str = "x") -> OtlpRequest:
    """A request of some spans."""
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for number in range(spans):
        scope.spans.add(trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name=text)
    return OtlpRequest(Signal.TRACES, message.SerializeToString(), spans)


def config(url: str, **client: Any) -> OtlpHttpExporterConfig:
    """An exporter to a URL that retries soon."""
    retry = {"initial_interval": "10ms", "max_interval": "20ms", "max_elapsed_time": "0s"}
    return OtlpHttpExporterConfig.model_validate({"client": {"endpoint": url, **client}, "retry_on_failure": retry})


async def deliver(made: OtlpHttpExporterConfig, *requests: OtlpRequest) -> Telemetry:
    """Put requests into an exporter's outbox and let it deliver them."""
    telemetry, stop = Telemetry(), trio.Event()
    context = BuildContext(
        component_id="otelcol.exporter.otlphttp.x",
        telemetry=telemetry.component("otelcol.exporter.otlphttp.x"),
        stop=stop,
        storage=Storage.memory(),
        outbox=replace(OutboxSettings(name=""), put_timeout=1.0),
        listeners=Listeners(),
        resolve=dict[str, object]().__getitem__,
    )
    exporter = made.build(context)
    assert isinstance(exporter, OtlpHttpExporter)
    with trio.fail_after(30):
        async with trio.open_nursery() as running:
            await running.start(exporter.run)
            for each in requests:
                await put_all([put for route in exporter.routes(Signal.TRACES, None) for put in route.puts(each)])
            stop.set()
    return telemetry


@pytest.mark.parametrize("compression", ["gzip", "zlib", "deflate", "zstd", "snappy", "none"])
async def test_content_and_compression(compression: str) -> None:
    """A request arrives byte for byte at /v1/traces, compressed as configured, with the user's headers."""
    wanted = request(200, "checkout " * 20)
    with HttpBackend() as backend:
        await deliver(config(backend.url, compression=compression, headers={"X-Scope-OrgID": "shop"}), wanted)
        (got,) = backend.received
    assert got.body == wanted.payload
    assert got.path == "/v1/traces"
    assert got.headers.get("content-encoding", "none") == compression
    assert (got.headers["x-scope-orgid"], got.headers["content-type"]) == ("shop", "application/x-protobuf")
    assert (got.wire_bytes < len(wanted.payload) / 3) == (compression != "none")


@pytest.mark.parametrize("compression", ["gzip", "deflate", "zstd", "snappy", "none"])
async def test_json(compression: str) -> None:
    """With encoding = "json" a batch is OTLP/JSON of the same requests, compressed as configured."""
    first, second = request(200, "checkout " * 20), request(3)
    with HttpBackend() as backend:
        made = config(backend.url, compression=compression).model_copy(update={"encoding": "json"})
        await deliver(made, first, second)
        received = backend.received
    assert {each.headers["content-type"] for each in received} == {"application/json"}
    assert {each.headers.get("content-encoding", "none") for each in received} == {compression}
    assert b'"traceId":"' in received[0].body
    assert sorted(len(encode_request("traces", each.body)) for each in received) in (
        sorted(map(len, (first.payload, second.payload))), [len(first.payload) + len(second.payload)]
    )  # fmt: skip
    assert b"".join(encode_request("traces", each.body) for each in received) in (
        first.payload + second.payload, second.payload + first.payload
    )  # fmt: skip


async def test_what_has_no_json_form() -> None:
    """A span nested too deeply for JSON is set aside alone; its neighbours are delivered."""
    value = b"\x10\x01"
    for _ in range(60):
        value = bytes_field(0x2A, bytes_field(0x0A, value))
    good, deep = (bytes_field(0x0A, b"n" * 16) + more for more in (b"", bytes_field(0x4A, bytes_field(0x12, value))))
    spans = b"".join(bytes_field(0x12, span) for span in (good, deep, good))
    mixed = OtlpRequest(Signal.TRACES, bytes_field(0x0A, bytes_field(0x12, spans)), 3)
    with HttpBackend() as backend:
        await deliver(config(backend.url).model_copy(update={"encoding": "json"}), mixed)
        arrived = b"".join(each.body for each in backend.received)
    assert arrived.count(b'"traceId":"6e6e') == 2


async def test_retries_until_taken() -> None:
    """503, then 429, then a taken batch: one delivery, nothing lost."""
    with HttpBackend(Answer(503), Answer(429)) as backend:
        await deliver(config(backend.url), request(1))
        assert [each.body for each in backend.received] == [request(1).payload] * 3


async def test_a_url_of_one_signal() -> None:
    """traces_endpoint is used as it is."""
    with HttpBackend() as backend:
        made = config("http://nowhere.invalid").model_copy(
            update={"traces_endpoint": f"{backend.url}/insert/traces?a=1"}
        )
        await deliver(made, request(1))
        assert [each.path for each in backend.received] == ["/insert/traces?a=1"]


def test_urls_of_the_signals() -> None:
    """The three paths are appended to the base URL with one slash."""
    assert config("http://x:4318/otlp/").urls() == {
        signal: f"http://x:4318/otlp/v1/{signal}" for signal in ("traces", "metrics", "logs")
    }


@pytest.mark.parametrize(
    "client", [{"headers": {"a": "b\r\nc: d"}}, {"endpoint": "x:4318"}, {"compression": "lz4"}, {"proxy_url": "x"}]
)
def test_what_cannot_work_is_refused_at_load(client: dict[str, Any]) -> None:
    """Headers that inject, no URL, a codec that does not join, unknown keys."""
    with pytest.raises(ValidationError):
        config(**{"url": "http://x", **client} if "endpoint" not in client else {"url": client["endpoint"]})


def test_own_headers_win() -> None:
    """A user may replace the user agent."""
    assert request_headers(config("http://x", headers={"User-Agent": "me"}).client)["user-agent"] == "me"


@pytest.mark.parametrize(
    ("media_type", "body", "expected"),
    [("application/json", b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"late"}}', (3, "late")),
     ("application/json", b'{"partialSuccess":{}}', (0, "")), ("application/x-protobuf", b"\x0a\x00", (0, "")),
     ("application/x-protobuf", b"\x0a\x02\x08\x03", (3, "")), ("text/html", b"hello", (0, ""))],
)  # fmt: skip
def test_partial_success(media_type: str, body: bytes, expected: tuple[int, str]) -> None:
    """Both encodings are read; what is no OTLP answer says nothing."""
    read = partial(read_partial_success, "traces")
    assert read(HttpAnswer(200, {"content-type": media_type}, body, True)) == expected


@pytest.mark.parametrize(("url", "warns"), [("http://tempo.example.com:4318", 1), ("https://tempo.example.com", 0),
                                            ("http://tempo:4318", 0), ("http://127.0.0.1:4318", 0)])  # fmt: skip
async def test_plaintext_to_the_world(url: str, warns: int) -> None:
    """A plaintext link that leaves the private network is warned of once, at the start."""
    telemetry = await deliver(config(url))
    lines = [line for line in telemetry.recent_logs.lines() if "plaintext" in str(line)]
    assert len(lines) == warns
