"""OTLP over HTTP: each row of the status table, both encodings, every content coding."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx  # noqa: ASYNC127 - the client that we build on
import lz4.frame
import pytest
import snappy
import zstandard
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from alloytrio.auth import TokenAuthenticator
from alloytrio.component import Signal
from alloytrio.errors import OversizeError, QueueFullError
from alloytrio.otelcol.receiver.otlp.cors import CorsConfig
from alloytrio.otelcol.receiver.otlp.http import HttpConfig, OtlpHttpApp
from alloytrio.otelcol.receiver.otlp.intake import Intake
from alloytrio.otlp import OtlpRequest
from alloytrio.outbox import Put
from alloytrio.telemetry import Telemetry

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json; charset=utf-8"}
JSON_SPAN = json.dumps(
    {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "01" * 16, "spanId": "02" * 8, "name": "x"}]}]}]}
).encode()


def span_request() -> bytes:
    """A request with one span."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = b"\x01" * 16, b"\x02" * 8, "x"
    return request.SerializeToString()


class Kept:
    """A route that keeps what it gets, or has no room."""

    def __init__(self) -> None:
        self.requests: list[OtlpRequest] = []
        self.full: QueueFullError | None = None

    def puts(self, request: OtlpRequest) -> list[Put]:
        """Keep it."""
        if self.full is not None:
            raise self.full
        self.requests.append(request)
        return []


@pytest.fixture
def kept() -> Kept:
    """What the app under test hands on."""
    return Kept()


def client(kept: Kept, **config: Any) -> httpx.AsyncClient:
    """A client of an app whose traces are connected and whose other signals are not."""
    intake = Intake({Signal.TRACES: [kept]}, Telemetry().component("otelcol.receiver.otlp.default"), "http")
    app: Any = OtlpHttpApp(HttpConfig(**config), intake)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector")


async def test_protobuf(kept: Kept) -> None:
    """The bytes are handed on as they came; the answer is an empty message."""
    async with client(kept) as http:
        answer = await http.post("/v1/traces", content=span_request(), headers=PROTOBUF)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", PROTOBUF["content-type"])
    assert [(each.signal, each.items, each.payload) for each in kept.requests] == [(Signal.TRACES, 1, span_request())]


async def test_json(kept: Kept) -> None:
    """JSON becomes the same protobuf; the answer is JSON."""
    async with client(kept) as http:
        answer = await http.post("/v1/traces", content=JSON_SPAN, headers=JSON)
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, {}, "application/json")
    assert kept.requests[0].payload == span_request()


@pytest.mark.parametrize(
    ("coding", "encoder"),
    [
        ("gzip", gzip.compress),
        ("zlib", zlib.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("lz4", lz4.frame.compress),
        ("snappy", snappy.compress),
        ("GZIP", gzip.compress),
    ],
)
async def test_content_coding(kept: Kept, coding: str, encoder: Callable[[bytes], bytes]) -> None:
    """Every coding of the default list is undone."""
    async with client(kept) as http:
        headers = PROTOBUF | {"content-encoding": coding}
        answer = await http.post("/v1/traces", content=encoder(span_request()), headers=headers)
    assert answer.status_code == 200
    assert kept.requests[0].payload == span_request()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "words"),
    [
        ("POST", "/v1/other", PROTOBUF, b"", 404, "404 page not found"),
        ("POST", "/v1/metrics", PROTOBUF, b"", 404, "404 page not found"),
        ("GET", "/v1/traces", PROTOBUF, b"", 405, "405 method not allowed, supported: [POST]"),
        ("OPTIONS", "/v1/traces", {}, b"", 405, "405 method not allowed, supported: [POST]"),
        ("POST", "/v1/traces", {"content-type": "text/plain"}, b"", 415, "supported: [application/json, application/x"),
        ("POST", "/v1/traces", {}, b"", 415, "415 unsupported media type"),
        ("POST", "/v1/traces", PROTOBUF | {"content-encoding": "br"}, b"", 400, "unsupported Content-Encoding"),
        ("POST", "/v1/traces", {"content-type": "a/b", "content-encoding": "br"}, b"", 500, '"code":13'),
        ("POST", "/v1/traces", PROTOBUF | {"content-encoding": "gzip"}, b"no", 400, "not gzip"),
        ("POST", "/v1/traces", PROTOBUF, b"\x0a", 400, "ends inside a field"),
        ("POST", "/v1/traces", JSON, b"{", 400, "not JSON"),
    ],
)
async def test_refusals(
    kept: Kept, method: str, path: str, headers: dict[str, str], body: bytes, status: int, words: str
) -> None:
    """A request that cannot be taken is told why, and nothing is handed on."""
    async with client(kept) as http:
        answer = await http.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    assert words.encode() in answer.content
    assert kept.requests == []


async def test_error_in_the_encoding_of_the_request(kept: Kept) -> None:
    """Errors are a google.rpc.Status: code 3, and the message."""
    async with client(kept) as http:
        in_json = await http.post("/v1/traces", content=b"7", headers=JSON)
        in_protobuf = await http.post("/v1/traces", content=b"\x0a", headers=PROTOBUF)
    assert in_json.json()["code"] == 3
    assert in_protobuf.content.startswith(b"\x08\x03\x12")


async def test_too_large_after_inflating(kept: Kept) -> None:
    """A bomb is 413, whatever it weighs on the wire."""
    async with client(kept, max_request_body_size="1MiB") as http:
        headers = PROTOBUF | {"content-encoding": "gzip"}
        answer = await http.post("/v1/traces", content=gzip.compress(bytes(1 << 24)), headers=headers)
    assert answer.status_code == 413


async def test_no_room(kept: Kept) -> None:
    """A full outbox is 429, and says when to come back in whole seconds."""
    kept.full = QueueFullError("the outbox is full", retry_after=1.2)
    async with client(kept) as http:
        answer = await http.post("/v1/traces", content=span_request(), headers=PROTOBUF)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


async def test_more_than_an_outbox_holds(kept: Kept) -> None:
    """A request that no outbox of that size will ever take is 413, and not to be sent again."""
    kept.full = OversizeError("takes at most 1000 bytes", retry_after=1.2)
    async with client(kept) as http:
        answer = await http.post("/v1/traces", content=span_request(), headers=PROTOBUF)
    assert answer.status_code == 413
    assert "retry-after" not in answer.headers
    assert b"takes at most 1000 bytes" in answer.content


async def test_nothing_in_it(kept: Kept) -> None:
    """A request without items succeeds and goes nowhere."""
    async with client(kept) as http:
        answer = await http.post("/v1/traces", content=b"", headers=PROTOBUF)
    assert answer.status_code == 200
    assert kept.requests == []


async def test_signal_without_an_output() -> None:
    """The path of a signal that no output takes is not found; that is counted and logged with the key to set."""
    telemetry = Telemetry()
    component = telemetry.component("otelcol.receiver.otlp.default")
    app: Any = OtlpHttpApp(HttpConfig(), Intake({Signal.TRACES: [Kept()]}, component, "http"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector") as http:
        answer = await http.post("/v1/logs", content=b"", headers=PROTOBUF)
    assert (answer.status_code, answer.text) == (404, "404 page not found")
    counted = {labels["signal"]: value for name, labels, value in component.values() if "unrouted" in name}
    assert counted == {"logs": 1, "metrics": 0}
    assert telemetry.recent_logs.lines()[-1].fields["set"] == "output.logs"


async def test_own_path(kept: Kept) -> None:
    """The paths are configurable."""
    async with client(kept, traces_url_path="/in") as http:
        assert (await http.post("/in", content=span_request(), headers=PROTOBUF)).status_code == 200
        assert (await http.post("/v1/traces", content=span_request(), headers=PROTOBUF)).status_code == 404


async def test_browser(kept: Kept) -> None:
    """A preflight is answered before anything else, and answers carry the permission."""
    async with client(kept, cors=CorsConfig(allowed_origins=["http://localhost:*"])) as http:
        origin = {"origin": "http://localhost:8080"}
        preflight = await http.options(
            "/v1/traces",
            headers=origin
            | {"access-control-request-method": "POST", "access-control-request-headers": "content-type"},
        )
        answer = await http.post("/v1/traces", content=JSON_SPAN, headers=JSON | origin)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == origin["origin"]
    assert answer.headers["access-control-allow-origin"] == origin["origin"]
    assert answer.status_code == 200


async def test_content_survives(kept: Kept) -> None:
    """What protobuf reads from our bytes is what the JSON said."""
    async with client(kept) as http:
        await http.post("/v1/traces", content=JSON_SPAN, headers=JSON)
    message = ExportTraceServiceRequest()
    message.ParseFromString(kept.requests[0].payload)
    assert MessageToDict(message)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "x"


@pytest.mark.parametrize("media_type", ["application/x-protobuf", "application/json", "text/plain"])
async def test_wrong_credentials(kept: Kept, media_type: str) -> None:
    """Without the token each request is 401, in its own encoding, and its body is not looked at."""
    intake = Intake({Signal.TRACES: [kept]}, Telemetry().component("otelcol.receiver.otlp.default"), "http")
    app: Any = OtlpHttpApp(HttpConfig(), intake, TokenAuthenticator("secret"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector") as http:
        headers = {"content-type": media_type}
        answer = await http.post("/v1/traces", content=span_request(), headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.headers["content-type"].startswith(media_type)
        assert kept.requests == []
        if media_type.endswith("protobuf"):
            right = headers | {"authorization": "Bearer secret"}
            assert (await http.post("/v1/traces", content=span_request(), headers=right)).status_code == 200
